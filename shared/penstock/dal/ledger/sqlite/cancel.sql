-- Cancels executions that have not ended. A worker that runs one has lost its lease.

-- step moved
UPDATE task_executions
SET status = 'cancelled',
  version = version + 1,
  updated_at = max(:now, updated_at),
  completed_at = max(:now, updated_at),
  lease = NULL,
  lease_expires_at = NULL,
  error = :reason
WHERE id IN (SELECT value FROM json_each(:ids))
  AND status IN ('pending', 'approved', 'ready', 'claimed', 'running', 'deferred', 'paused')
RETURNING id;

-- step recorded
INSERT INTO execution_events (
  pipeline_execution_id, task_execution_id, event_type, to_status, version, event_data, actor, created_at)
SELECT e.pipeline_execution_id, e.id, 'TaskCancelled', 'cancelled', e.version,
  iif(:reason IS NULL, '{}', json_object('reason', :reason)), :actor, e.updated_at
FROM json_each(:moved) AS m
CROSS JOIN task_executions AS e ON e.id = m.value ->> 'id';

-- step unrung
DELETE FROM task_outbox WHERE task_execution_id IN (SELECT value ->> 'id' FROM json_each(:moved));

-- step unpaused: remove the pause entries
DELETE FROM pause_queue WHERE task_execution_id IN (SELECT value ->> 'id' FROM json_each(:moved));

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
