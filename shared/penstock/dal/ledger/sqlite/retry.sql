-- Runs again what has ended: a new execution for each, as it was asked for, that belongs to no pipeline. The same call
-- again with the same ids changes nothing.

-- step there: those that an earlier call has created
SELECT e.id
FROM json_each(:executions) AS x
JOIN task_executions AS e ON e.id = x.value ->> 'id';

-- step created: insert the others, ready at once unless they need an approval
INSERT INTO task_executions (
  id, task_id, name, task_type, queue, config, metadata, workspace_path, priority, max_attempts, retry, timeout_seconds,
  requires_approval, retry_of, traceparent, status, version, created_by, created_at, updated_at)
SELECT
  x.value ->> 'id', e.task_id, e.name, e.task_type, e.queue, e.config, e.metadata, e.workspace_path, e.priority,
  e.max_attempts, e.retry, e.timeout_seconds, e.requires_approval, e.id, e.traceparent,
  iif(e.requires_approval, 'pending', 'ready'), iif(e.requires_approval, 1, 2), :actor, :now, :now
FROM json_each(:executions) AS x
CROSS JOIN task_executions AS e ON e.id = x.value ->> 'retry_of'
WHERE e.status IN ('completed', 'failed', 'skipped', 'cancelled', 'rejected')
  AND x.value ->> 'id' NOT IN (SELECT t.value ->> 'id' FROM json_each(:there) AS t)
RETURNING id;

-- step recorded
INSERT INTO execution_events (task_execution_id, event_type, to_status, version, actor, created_at)
SELECT e.id, v.event_type, v.to_status, v.version, :actor, :now
FROM (SELECT 1 AS version, 'TaskCreated' AS event_type, 'pending' AS to_status
  UNION ALL SELECT 2, 'TaskMarkedReady', 'ready') AS v
CROSS JOIN json_each(:created) AS c
CROSS JOIN task_executions AS e ON e.id = c.value ->> 'id'
WHERE v.version <= e.version;

-- step rung
INSERT INTO task_outbox (task_execution_id, queue, priority, available_at, ring_at, traceparent, created_at)
SELECT e.id, e.queue, e.priority, :now, :ring_grace_ends, e.traceparent, :now
FROM json_each(:created) AS c
CROSS JOIN task_executions AS e ON e.id = c.value ->> 'id'
WHERE e.status = 'ready';

-- step answer
SELECT 'moved' AS what, e.id, e.pipeline_execution_id, e.status, e.version, e.queue, o.available_at, e.traceparent
FROM json_each(:executions) AS x
CROSS JOIN task_executions AS e ON e.id = x.value ->> 'id'
LEFT JOIN task_outbox AS o ON o.task_execution_id = e.id;
