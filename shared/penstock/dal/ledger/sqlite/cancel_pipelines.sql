-- Cancels pipelines, with every step that has not ended.

-- step held: what may move
SELECT id FROM pipeline_executions WHERE id IN (SELECT value FROM json_each(:ids)) AND status IN ('running', 'paused');

-- step moved: the steps
UPDATE task_executions
SET status = 'cancelled',
  version = version + 1,
  updated_at = max(:now, updated_at),
  completed_at = max(:now, updated_at),
  lease = NULL,
  lease_expires_at = NULL
WHERE pipeline_execution_id IN (SELECT value ->> 'id' FROM json_each(:held))
  AND status IN ('pending', 'approved', 'ready', 'claimed', 'running', 'deferred', 'paused')
RETURNING id;

-- step cancelled: the pipelines
UPDATE pipeline_executions
SET status = 'cancelled',
  version = version + 1,
  updated_at = max(:now, updated_at),
  completed_at = max(:now, updated_at),
  unfinished = 0,
  error = :reason
WHERE id IN (SELECT value ->> 'id' FROM json_each(:held)) AND status IN ('running', 'paused')
RETURNING id;

-- step recorded: the steps
INSERT INTO execution_events (
  pipeline_execution_id, task_execution_id, event_type, to_status, version, actor, created_at)
SELECT e.pipeline_execution_id, e.id, 'TaskCancelled', 'cancelled', e.version, :actor, e.updated_at
FROM json_each(:moved) AS m
CROSS JOIN task_executions AS e ON e.id = m.value ->> 'id';

-- step recorded: the pipelines
INSERT INTO execution_events (pipeline_execution_id, event_type, to_status, version, event_data, actor, created_at)
SELECT p.id, 'PipelineCancelled', p.status, p.version,
  iif(:reason IS NULL, '{}', json_object('reason', :reason)), :actor, p.updated_at
FROM json_each(:cancelled) AS c
CROSS JOIN pipeline_executions AS p ON p.id = c.value ->> 'id';

-- step unrung
DELETE FROM task_outbox WHERE task_execution_id IN (SELECT value ->> 'id' FROM json_each(:moved));

-- step unpaused: remove the pause entries
DELETE FROM pause_queue WHERE task_execution_id IN (SELECT value ->> 'id' FROM json_each(:moved));

-- step answer: the steps
SELECT 'moved' AS what, e.id, e.pipeline_execution_id, e.status, e.version, e.queue, NULL AS available_at, e.traceparent
FROM json_each(:moved) AS m
CROSS JOIN task_executions AS e ON e.id = m.value ->> 'id';

-- step answer: the pipelines
SELECT 'pipeline' AS what, p.id, NULL AS pipeline_execution_id, p.status, p.version, NULL AS queue, NULL AS available_at,
  NULL AS traceparent
FROM json_each(:cancelled) AS c
CROSS JOIN pipeline_executions AS p ON p.id = c.value ->> 'id';
