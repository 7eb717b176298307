-- Starts pipelines: the rows of the pipelines, all their steps, and the edges between them. Steps without parents are ready.
-- The same call again with the same ids changes nothing.

-- step there: those that an earlier call has started
SELECT p.id
FROM json_each(:pipelines) AS x
JOIN pipeline_executions AS p ON p.id = x.value ->> 'id';

-- step started
INSERT INTO pipeline_executions (
  id, workflow_id, workflow_version, name, input, unfinished, retry_of, traceparent,
  status, version, created_by, created_at, updated_at, started_at)
SELECT x.value ->> 'id', x.value ->> 'workflow_id', x.value ->> 'workflow_version', x.value ->> 'name',
  coalesce(x.value ->> 'input', '{}'), x.value ->> 'unfinished', x.value ->> 'retry_of', x.value ->> 'traceparent',
  'running', 1, :actor, :now, :now, :now
FROM json_each(:pipelines) AS x
WHERE x.value ->> 'id' NOT IN (SELECT t.value ->> 'id' FROM json_each(:there) AS t)
RETURNING id;

-- step created: their steps
INSERT INTO task_executions (
  id, pipeline_execution_id, task_id, name, sequence, task_type, queue, config, metadata, workspace_path, priority,
  max_attempts, retry, timeout_seconds, requires_approval, trigger_rule, failure_handled, waiting_on, resume_at, retry_of,
  traceparent, status, version, created_by, created_at, updated_at)
SELECT
  x.value ->> 'id', x.value ->> 'pipeline_execution_id', x.value ->> 'task_id', x.value ->> 'name', coalesce(x.value ->> 'sequence', 0),
  x.value ->> 'task_type', coalesce(x.value ->> 'queue', 'default'), coalesce(x.value ->> 'config', '{}'),
  x.value ->> 'metadata', x.value ->> 'workspace_path', coalesce(x.value ->> 'priority', 3),
  coalesce(x.value ->> 'max_attempts', 3), x.value ->> 'retry', coalesce(x.value ->> 'timeout_seconds', 300),
  coalesce(x.value ->> 'requires_approval', 0), coalesce(x.value ->> 'trigger_rule', 'all_success'),
  coalesce(x.value ->> 'failure_handled', 0), coalesce(x.value ->> 'waiting_on', 0), x.value ->> 'resume_at',
  x.value ->> 'retry_of', x.value ->> 'traceparent',
  iif(x.value ->> 'waiting_on' > 0 OR x.value ->> 'requires_approval', 'pending', 'ready'),
  iif(x.value ->> 'waiting_on' > 0 OR x.value ->> 'requires_approval', 1, 2),
  :actor, :now, :now
FROM json_each(:steps) AS x
WHERE x.value ->> 'pipeline_execution_id' IN (SELECT s.value ->> 'id' FROM json_each(:started) AS s)
RETURNING id;

-- step connected: the edges between them
INSERT INTO task_dependencies (parent_id, child_id)
SELECT x.value ->> 'parent_id', x.value ->> 'child_id'
FROM json_each(:edges) AS x
WHERE x.value ->> 'child_id' IN (SELECT c.value ->> 'id' FROM json_each(:created) AS c);

-- step recorded: the pipelines
INSERT INTO execution_events (pipeline_execution_id, event_type, to_status, version, actor, created_at)
SELECT value ->> 'id', 'PipelineStarted', 'running', 1, :actor, :now FROM json_each(:started);

-- step recorded: the steps
INSERT INTO execution_events (
  pipeline_execution_id, task_execution_id, event_type, to_status, version, actor, created_at)
SELECT e.pipeline_execution_id, e.id, 'TaskCreated', 'pending', 1, :actor, :now
FROM json_each(:created) AS c
CROSS JOIN task_executions AS e ON e.id = c.value ->> 'id'
UNION ALL
SELECT e.pipeline_execution_id, e.id, 'TaskMarkedReady', 'ready', 2, :actor, :now
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

-- step answer: the steps
SELECT 'moved' AS what, e.id, e.pipeline_execution_id, e.status, e.version, e.queue, o.available_at, e.traceparent
FROM json_each(:pipelines) AS x
CROSS JOIN task_executions AS e ON e.pipeline_execution_id = x.value ->> 'id'
LEFT JOIN task_outbox AS o ON o.task_execution_id = e.id;

-- step answer: the pipelines
SELECT 'pipeline' AS what, p.id, NULL AS pipeline_execution_id, p.status, p.version, NULL AS queue, NULL AS available_at,
  NULL AS traceparent
FROM json_each(:pipelines) AS x
CROSS JOIN pipeline_executions AS p ON p.id = x.value ->> 'id';
