-- Gives due executions to a worker: the best of a queue, or those of *ids* that are due.

-- step due
SELECT id FROM (
  SELECT e.id
  FROM task_outbox AS o
  CROSS JOIN task_executions AS e ON e.id = o.task_execution_id
  LEFT JOIN pipeline_executions AS p ON p.id = e.pipeline_execution_id
  WHERE :ids IS NULL AND o.queue = :queue AND o.priority IN (1, 2, 3, 4, 5)
    AND o.available_at <= :now AND e.status = 'ready' AND (e.pipeline_execution_id IS NULL OR p.status = 'running')
  ORDER BY o.priority, o.available_at, o.id
  LIMIT :capacity)
UNION ALL
SELECT id FROM (
  SELECT DISTINCT e.id
  FROM json_each(:ids) AS i
  CROSS JOIN task_executions AS e ON e.id = i.value
  CROSS JOIN task_outbox AS o ON o.task_execution_id = e.id
  LEFT JOIN pipeline_executions AS p ON p.id = e.pipeline_execution_id
  WHERE o.available_at <= :now AND e.status = 'ready' AND (e.pipeline_execution_id IS NULL OR p.status = 'running'));

-- step moved
UPDATE task_executions
SET status = iif(:starting, 'running', 'claimed'),
  version = version + iif(:starting, 2, 1),
  updated_at = max(:now, updated_at),
  lease = :token,
  lease_expires_at = iif(:starting,
    strftime('%Y-%m-%dT%H:%M:%f000Z', max(:now, updated_at), (timeout_seconds + 30) || ' seconds'), :hold_ends),
  worker_id = :worker,
  resume_at = NULL,
  started_at = iif(:starting, max(:now, updated_at), started_at)
WHERE id IN (SELECT value ->> 'id' FROM json_each(:due)) AND status = 'ready'
RETURNING id;

-- step recorded
INSERT INTO execution_events (
  pipeline_execution_id, task_execution_id, event_type, to_status, version, worker_id, actor, created_at)
SELECT e.pipeline_execution_id, e.id, 'TaskClaimed', 'claimed', e.version - iif(:starting, 1, 0), e.worker_id,
  coalesce(:actor, :worker), e.updated_at
FROM json_each(:moved) AS m
CROSS JOIN task_executions AS e ON e.id = m.value ->> 'id'
UNION ALL
SELECT e.pipeline_execution_id, e.id, 'TaskStarted', 'running', e.version, e.worker_id, coalesce(:actor, :worker), e.updated_at
FROM json_each(:moved) AS m
CROSS JOIN task_executions AS e ON e.id = m.value ->> 'id'
WHERE :starting;

-- step unrung
DELETE FROM task_outbox WHERE task_execution_id IN (SELECT value ->> 'id' FROM json_each(:moved));

-- step answer
SELECT e.id, e.lease, e.pipeline_execution_id, e.task_id, e.name, e.task_type, e.queue, e.status, e.config, e.metadata,
  e.workspace_path, e.priority, e.attempt, e.max_attempts, e.retry, e.timeout_seconds, e.lease_expires_at, e.traceparent,
  e.created_at, e.version
FROM json_each(:moved) AS m
CROSS JOIN task_executions AS e ON e.id = m.value ->> 'id';
