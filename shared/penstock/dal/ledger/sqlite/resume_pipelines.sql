-- Resumes pipelines. What is due in them rings now: while they were paused nobody rang it.

-- step moved
UPDATE pipeline_executions
SET status = 'running',
  version = version + 1,
  updated_at = max(:now, updated_at),
  pause_reason = NULL,
  paused_at = NULL
WHERE id IN (SELECT value FROM json_each(:ids)) AND status = 'paused'
RETURNING id;

-- step recorded
INSERT INTO execution_events (pipeline_execution_id, event_type, to_status, version, actor, created_at)
SELECT p.id, 'PipelineResumed', p.status, p.version, :actor, p.updated_at
FROM json_each(:moved) AS m
CROSS JOIN pipeline_executions AS p ON p.id = m.value ->> 'id';

-- step rung: what is due
UPDATE task_outbox
SET ring_at = :now
WHERE available_at <= :now AND task_execution_id IN (
  SELECT e.id
  FROM json_each(:moved) AS m
  CROSS JOIN task_executions AS e ON e.pipeline_execution_id = m.value ->> 'id'
  WHERE e.status = 'ready');

-- step answer
SELECT 'pipeline' AS what, p.id, NULL AS pipeline_execution_id, p.status, p.version, NULL AS queue, NULL AS available_at,
  NULL AS traceparent
FROM json_each(:moved) AS m
CROSS JOIN pipeline_executions AS p ON p.id = m.value ->> 'id';
