-- Makes due at once what waits for a retry or for a moment, with all its attempts before it.

-- step moved
UPDATE task_executions
SET status = 'ready',
  version = version + 1,
  updated_at = max(:now, updated_at),
  attempt = 1,
  resume_at = NULL,
  error = NULL
WHERE id IN (SELECT value FROM json_each(:ids)) AND (status = 'deferred' OR status = 'ready' AND resume_at IS NOT NULL)
RETURNING id;

-- step recorded
INSERT INTO execution_events (
  pipeline_execution_id, task_execution_id, event_type, to_status, version, actor, created_at)
SELECT e.pipeline_execution_id, e.id, 'TaskReset', 'ready', e.version, :actor, e.updated_at
FROM json_each(:moved) AS m
CROSS JOIN task_executions AS e ON e.id = m.value ->> 'id';

-- step rung: what was ready before has a doorbell, which is due anew
INSERT INTO task_outbox (task_execution_id, queue, priority, available_at, ring_at, traceparent, created_at)
SELECT e.id, e.queue, e.priority, e.updated_at, max(:ring_grace_ends, e.updated_at), e.traceparent, e.updated_at
FROM json_each(:moved) AS m
CROSS JOIN task_executions AS e ON e.id = m.value ->> 'id'
WHERE true
ON CONFLICT (task_execution_id) DO UPDATE
SET available_at = excluded.available_at, ring_at = excluded.ring_at, rings = 0, last_error = NULL;

-- step answer
SELECT 'moved' AS what, e.id, e.pipeline_execution_id, e.status, e.version, e.queue, o.available_at, e.traceparent
FROM json_each(:moved) AS m
CROSS JOIN task_executions AS e ON e.id = m.value ->> 'id'
CROSS JOIN task_outbox AS o ON o.task_execution_id = e.id;
