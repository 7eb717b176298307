-- Creates executions that belong to no pipeline. The same call again with the same ids changes nothing.

-- step there: those that an earlier call has created
SELECT e.id
FROM json_each(:executions) AS x
JOIN task_executions AS e ON e.id = x.value ->> 'id';

-- step created: insert the others, ready at once unless they need an approval
INSERT INTO task_executions (
  id, task_id, name, task_type, queue, config, metadata, workspace_path, priority, max_attempts, retry, timeout_seconds,
  requires_approval, resume_at, retry_of, traceparent, status, version, created_by, created_at, updated_at)
SELECT
  x.value ->> 'id', x.value ->> 'task_id', x.value ->> 'name', x.value ->> 'task_type',
  coalesce(x.value ->> 'queue', 'default'), coalesce(x.value ->> 'config', '{}'), x.value ->> 'metadata',
  x.value ->> 'workspace_path', coalesce(x.value ->> 'priority', 3), coalesce(x.value ->> 'max_attempts', 3),
  x.value ->> 'retry', coalesce(x.value ->> 'timeout_seconds', 300), coalesce(x.value ->> 'requires_approval', 0),
  x.value ->> 'resume_at', x.value ->> 'retry_of', x.value ->> 'traceparent',
  iif(x.value ->> 'requires_approval', 'pending', 'ready'), iif(x.value ->> 'requires_approval', 1, 2),
  :actor, :now, :now
FROM json_each(:executions) AS x
WHERE x.value ->> 'id' NOT IN (SELECT t.value ->> 'id' FROM json_each(:there) AS t)
RETURNING id;

-- step recorded
INSERT INTO execution_events (task_execution_id, event_type, to_status, version, actor, created_at)
SELECT e.id, 'TaskCreated', 'pending', 1, :actor, :now
FROM json_each(:created) AS c
CROSS JOIN task_executions AS e ON e.id = c.value ->> 'id'
UNION ALL
SELECT e.id, 'TaskMarkedReady', 'ready', 2, :actor, :now
FROM json_each(:created) AS c
CROSS JOIN task_executions AS e ON e.id = c.value ->> 'id'
WHERE e.status = 'ready';

-- step rung
INSERT INTO task_outbox (task_execution_id, queue, priority, available_at, ring_at, traceparent, created_at)
SELECT e.id, e.queue, e.priority, max(coalesce(e.resume_at, :now), :now),
  iif(e.resume_at > :now, e.resume_at, :ring_grace_ends), e.traceparent, :now
FROM json_each(:created) AS c
CROSS JOIN task_executions AS e ON e.id = c.value ->> 'id'
WHERE e.status = 'ready';

-- step answer
SELECT 'moved' AS what, e.id, e.pipeline_execution_id, e.status, e.version, e.queue, o.available_at, e.traceparent
FROM json_each(:executions) AS x
CROSS JOIN task_executions AS e ON e.id = x.value ->> 'id'
LEFT JOIN task_outbox AS o ON o.task_execution_id = e.id;
