-- Takes back executions whose lease has expired, the longest expired first: ready again, or failed if their workers have
-- gone silent too often.

-- step held: what has expired
SELECT id
FROM task_executions
WHERE lease_expires_at < :now
ORDER BY lease_expires_at
LIMIT :capacity;

-- step moved
UPDATE task_executions
SET status = iif(status = 'running' AND recoveries >= 3, 'failed', 'ready'),
  version = version + 1,
  updated_at = max(:now, updated_at),
  recoveries = recoveries + (status = 'running' AND recoveries < 3),
  lease = NULL,
  lease_expires_at = NULL,
  started_at = iif(status = 'running' AND recoveries >= 3, started_at, NULL),
  completed_at = iif(status = 'running' AND recoveries >= 3, max(:now, updated_at), NULL),
  error = iif(status = 'running' AND recoveries >= 3, 'its worker went silent once too often', error)
WHERE id IN (SELECT value ->> 'id' FROM json_each(:held)) AND status IN ('claimed', 'running')
RETURNING id;

-- step recorded
INSERT INTO execution_events (
  pipeline_execution_id, task_execution_id, event_type, to_status, version, worker_id, actor, created_at)
SELECT e.pipeline_execution_id, e.id, iif(e.status = 'ready', 'TaskRecovered', 'TaskAbandoned'), e.status, e.version,
  e.worker_id, :actor, e.updated_at
FROM json_each(:moved) AS m
CROSS JOIN task_executions AS e ON e.id = m.value ->> 'id';

-- step rung
INSERT INTO task_outbox (task_execution_id, queue, priority, available_at, ring_at, traceparent, created_at)
SELECT e.id, e.queue, e.priority, max(coalesce(e.resume_at, e.updated_at), e.updated_at),
  iif(e.resume_at > e.updated_at, e.resume_at, max(:ring_grace_ends, e.updated_at)), e.traceparent, e.updated_at
FROM json_each(:moved) AS m
CROSS JOIN task_executions AS e ON e.id = m.value ->> 'id'
WHERE e.status = 'ready';

-- step answer
SELECT 'moved' AS what, e.id, e.pipeline_execution_id, e.status, e.version, e.queue, o.available_at, e.traceparent
FROM json_each(:moved) AS m
CROSS JOIN task_executions AS e ON e.id = m.value ->> 'id'
LEFT JOIN task_outbox AS o ON o.task_execution_id = e.id;

-- step ended
SELECT e.id, e.pipeline_execution_id, 'failed' AS ending, NOT e.failure_handled AS is_bad
FROM json_each(:moved) AS m
CROSS JOIN task_executions AS e ON e.id = m.value ->> 'id'
WHERE e.status = 'failed' AND e.pipeline_execution_id IS NOT NULL;

-- then follow for ended
