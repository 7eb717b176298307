-- Rejects executions that wait for an approval. They have ended; for what depends on them they have failed.

-- step moved
UPDATE task_executions
SET status = 'rejected',
  version = version + 1,
  updated_at = max(:now, updated_at),
  completed_at = max(:now, updated_at),
  error = :reason
WHERE id IN (SELECT value FROM json_each(:ids)) AND status = 'pending' AND requires_approval
RETURNING id;

-- step recorded
INSERT INTO execution_events (
  pipeline_execution_id, task_execution_id, event_type, to_status, version, event_data, actor, created_at)
SELECT e.pipeline_execution_id, e.id, 'TaskRejected', 'rejected', e.version,
  iif(:reason IS NULL, '{}', json_object('reason', :reason)), :actor, e.updated_at
FROM json_each(:moved) AS m
CROSS JOIN task_executions AS e ON e.id = m.value ->> 'id';

-- step answer
SELECT 'moved' AS what, e.id, e.pipeline_execution_id, e.status, e.version, e.queue, NULL AS available_at, e.traceparent
FROM json_each(:moved) AS m
CROSS JOIN task_executions AS e ON e.id = m.value ->> 'id';

-- step ended
SELECT e.id, e.pipeline_execution_id, 'failed' AS ending, NOT e.failure_handled AS is_bad
FROM json_each(:moved) AS m
CROSS JOIN task_executions AS e ON e.id = m.value ->> 'id'
WHERE e.pipeline_execution_id IS NOT NULL;

-- then follow for ended
