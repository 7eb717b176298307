-- Doorbells whose message was refused: why, and when they ring again. One that has been rung since is left alone.

-- step later
UPDATE task_outbox
SET last_error = r.error,
  ring_at = max(available_at,
    strftime('%Y-%m-%dT%H:%M:%S', substr(:now, 1, 19), r.delay_seconds || ' seconds') || substr(:now, 20))
FROM (
  SELECT value ->> 'task_execution_id' AS id, value ->> 'rings' AS rings, value ->> 'error' AS error,
    value ->> 'delay_seconds' AS delay_seconds
  FROM json_each(:refused)
) AS r
WHERE task_execution_id = r.id AND task_outbox.rings = r.rings
RETURNING task_execution_id;

-- step answer
SELECT json_array_length(:later);
