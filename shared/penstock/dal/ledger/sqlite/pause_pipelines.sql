-- Pauses pipelines: nothing of theirs is claimed any more. What runs goes on.

-- step moved
UPDATE pipeline_executions
SET status = 'paused',
  version = version + 1,
  updated_at = max(:now, updated_at),
  pause_reason = :reason,
  paused_at = max(:now, updated_at)
WHERE id IN (SELECT value FROM json_each(:ids)) AND status = 'running'
RETURNING id;

-- step recorded
INSERT INTO execution_events (pipeline_execution_id, event_type, to_status, version, event_data, actor, created_at)
SELECT p.id, 'PipelinePaused', p.status, p.version,
  iif(:reason IS NULL, '{}', json_object('reason', :reason)), :actor, p.updated_at
FROM json_each(:moved) AS m
CROSS JOIN pipeline_executions AS p ON p.id = m.value ->> 'id';

-- step answer
SELECT 'pipeline' AS what, p.id, NULL AS pipeline_execution_id, p.status, p.version, NULL AS queue, NULL AS available_at,
  NULL AS traceparent
FROM json_each(:moved) AS m
CROSS JOIN pipeline_executions AS p ON p.id = m.value ->> 'id';
