-- Makes doorbells that are due, but were rung or left to their caller, ring with the next drain.

-- step rung
UPDATE task_outbox
SET ring_at = :now
WHERE task_execution_id IN (
  SELECT task_execution_id
  FROM task_outbox
  WHERE queue = :queue AND available_at <= :now AND ring_at > :now
  LIMIT :capacity)
RETURNING task_execution_id;

-- step answer
SELECT json_array_length(:rung);
