-- Writes an event that is no move, such as an operator's note. It has no version, because nothing changed.

-- step recorded: what is about a task of a pipeline belongs to the history of that pipeline, whether the caller says so or not
INSERT INTO execution_events (
  pipeline_execution_id, task_execution_id, event_type, event_data, worker_id, actor, created_at)
SELECT
  coalesce((SELECT e.pipeline_execution_id FROM task_executions AS e WHERE e.id = :task_execution_id), :pipeline_execution_id),
  :task_execution_id, :event_type, :event_data, :worker_id, :actor, :now
WHERE (:task_execution_id IS NULL OR EXISTS (SELECT 1 FROM task_executions AS e WHERE e.id = :task_execution_id))
  AND (:pipeline_execution_id IS NULL OR EXISTS (SELECT 1 FROM pipeline_executions AS p WHERE p.id = :pipeline_execution_id))
RETURNING sequence_num;

-- step answer
SELECT value ->> 'sequence_num' FROM json_each(:recorded);
