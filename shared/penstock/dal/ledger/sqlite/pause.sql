-- Pauses executions that no worker has claimed.

-- step moved
UPDATE task_executions
SET status = 'paused',
  version = version + 1,
  updated_at = max(:now, updated_at)
WHERE id IN (SELECT value FROM json_each(:ids)) AND status IN ('pending', 'approved', 'ready')
RETURNING id;

-- step recorded
INSERT INTO execution_events (
  pipeline_execution_id, task_execution_id, event_type, to_status, version, event_data, actor, created_at)
SELECT e.pipeline_execution_id, e.id, 'TaskPaused', 'paused', e.version, json_object('reason', :reason), :actor, e.updated_at
FROM json_each(:moved) AS m
CROSS JOIN task_executions AS e ON e.id = m.value ->> 'id';

-- step unrung
DELETE FROM task_outbox WHERE task_execution_id IN (SELECT value ->> 'id' FROM json_each(:moved));

-- step paused: write the pause entries
INSERT INTO pause_queue (task_execution_id, work_plan, reason, paused_at, resume_after, priority)
SELECT e.id, :work_plan, :reason, e.updated_at, :resume_after, e.priority
FROM json_each(:moved) AS m
CROSS JOIN task_executions AS e ON e.id = m.value ->> 'id';

-- step answer
SELECT 'moved' AS what, e.id, e.pipeline_execution_id, e.status, e.version, e.queue, NULL AS available_at, e.traceparent
FROM json_each(:moved) AS m
CROSS JOIN task_executions AS e ON e.id = m.value ->> 'id';
