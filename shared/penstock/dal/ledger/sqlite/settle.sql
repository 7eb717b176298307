-- Settles what a worker holds, each execution in its own way: complete, fail, schedule_retry, defer, release, or start the next.
-- A settlement moves its execution only under its lease. One that this lease has made before answers the same again.

-- step held: what may move; of two settlements under one lease the first counts
SELECT e.id, s.value ->> 'verb' AS verb, s.value ->> 'outcome' AS outcome, s.value ->> 'services_touched' AS services_touched,
  s.value ->> 'suggestions' AS suggestions, s.value ->> 'error' AS error, coalesce(s.value ->> 'data', '{}') AS data,
  coalesce(s.value ->> 'due',
    strftime('%Y-%m-%dT%H:%M:%f000Z', :now, (s.value ->> 'delay_seconds') || ' seconds')) AS due
FROM (
  SELECT value, min(key) FROM json_each(:settlements) GROUP BY value ->> 'id', value ->> 'lease'
) AS s
CROSS JOIN task_executions AS e ON e.id = s.value ->> 'id'
WHERE e.lease = s.value ->> 'lease'
  AND CASE s.value ->> 'verb'
    WHEN 'complete' THEN e.status = 'running'
    WHEN 'fail' THEN e.status IN ('claimed', 'running')
    WHEN 'schedule_retry' THEN e.status IN ('claimed', 'running') AND e.attempt < e.max_attempts
    WHEN 'defer' THEN e.status = 'running'
    WHEN 'release' THEN e.status = 'claimed'
    WHEN 'start' THEN e.status = 'claimed'
  END;

-- step moved
UPDATE task_executions AS e
SET status = CASE h.verb
    WHEN 'complete' THEN 'completed'
    WHEN 'fail' THEN 'failed'
    WHEN 'schedule_retry' THEN 'ready'
    WHEN 'defer' THEN 'deferred'
    WHEN 'release' THEN 'ready'
    WHEN 'start' THEN 'running'
  END,
  version = e.version + 1,
  updated_at = max(:now, e.updated_at),
  attempt = e.attempt + (h.verb = 'schedule_retry'),
  outcome = h.outcome,
  services_touched = h.services_touched,
  suggestions = h.suggestions,
  error = iif(h.verb IN ('complete', 'fail', 'schedule_retry'), h.error, e.error),
  resume_at = iif(h.verb IN ('schedule_retry', 'defer'), h.due, e.resume_at),
  started_at = CASE
    WHEN h.verb = 'start' THEN max(:now, e.updated_at)
    WHEN h.verb IN ('schedule_retry', 'release') THEN NULL
    ELSE e.started_at END,
  completed_at = iif(h.verb IN ('complete', 'fail'), max(:now, e.updated_at), NULL),
  lease = iif(h.verb = 'start', e.lease, NULL),
  lease_expires_at = iif(h.verb = 'start',
    strftime('%Y-%m-%dT%H:%M:%f000Z', max(:now, e.updated_at), (e.timeout_seconds + 30) || ' seconds'), NULL),
  settled_lease = iif(h.verb = 'start', e.settled_lease, e.lease)
FROM (
  SELECT value ->> 'id' AS id, value ->> 'verb' AS verb, value ->> 'outcome' AS outcome,
    value ->> 'services_touched' AS services_touched, value ->> 'suggestions' AS suggestions, value ->> 'error' AS error,
    value ->> 'due' AS due
  FROM json_each(:held)
) AS h
WHERE e.id = h.id AND e.status IN ('claimed', 'running');

-- step recorded
INSERT INTO execution_events (
  pipeline_execution_id, task_execution_id, event_type, to_status, version, event_data, worker_id, actor, created_at)
SELECT e.pipeline_execution_id, e.id,
  CASE h.value ->> 'verb'
    WHEN 'complete' THEN 'TaskCompleted'
    WHEN 'fail' THEN 'TaskFailed'
    WHEN 'schedule_retry' THEN 'TaskRetryScheduled'
    WHEN 'defer' THEN 'TaskDeferred'
    WHEN 'release' THEN 'TaskReleased'
    WHEN 'start' THEN 'TaskStarted'
  END,
  e.status, e.version,
  CASE h.value ->> 'verb'
    WHEN 'schedule_retry' THEN json_set(h.value ->> 'data', '$.available_at', e.resume_at)
    WHEN 'defer' THEN json_set(h.value ->> 'data', '$.resume_at', e.resume_at)
    ELSE h.value ->> 'data' END,
  e.worker_id, :actor, e.updated_at
FROM json_each(:held) AS h
CROSS JOIN task_executions AS e ON e.id = h.value ->> 'id';

-- step rung: what is ready again
INSERT INTO task_outbox (task_execution_id, queue, priority, available_at, ring_at, traceparent, created_at)
SELECT e.id, e.queue, e.priority, max(coalesce(e.resume_at, e.updated_at), e.updated_at),
  iif(e.resume_at > e.updated_at, e.resume_at, max(:ring_grace_ends, e.updated_at)), e.traceparent, e.updated_at
FROM json_each(:held) AS h
CROSS JOIN task_executions AS e ON e.id = h.value ->> 'id'
WHERE e.status = 'ready';

-- step answer: what moved now, and what this lease has moved before
SELECT 'moved' AS what, e.id, e.pipeline_execution_id, e.status, e.version, e.queue, o.available_at, e.traceparent
FROM json_each(:settlements) AS s
CROSS JOIN task_executions AS e ON e.id = s.value ->> 'id'
LEFT JOIN task_outbox AS o ON o.task_execution_id = e.id
WHERE CASE s.value ->> 'verb'
  WHEN 'start' THEN e.lease = s.value ->> 'lease' AND e.status = 'running'
  ELSE e.settled_lease = s.value ->> 'lease' AND e.status = CASE s.value ->> 'verb'
    WHEN 'complete' THEN 'completed'
    WHEN 'fail' THEN 'failed'
    WHEN 'schedule_retry' THEN 'ready'
    WHEN 'defer' THEN 'deferred'
    WHEN 'release' THEN 'ready'
  END
END
GROUP BY e.id;

-- step answer: the children that were released before, and still wait for a worker
SELECT 'child' AS what, c.id, c.pipeline_execution_id, c.status, c.version, c.queue, o.available_at, c.traceparent
FROM json_each(:settlements) AS s
CROSS JOIN task_executions AS e ON e.id = s.value ->> 'id'
CROSS JOIN task_dependencies AS d ON d.parent_id = e.id
CROSS JOIN task_executions AS c ON c.id = d.child_id
CROSS JOIN task_outbox AS o ON o.task_execution_id = c.id
WHERE e.settled_lease = s.value ->> 'lease' AND c.status = 'ready'
  AND e.status = CASE s.value ->> 'verb' WHEN 'complete' THEN 'completed' WHEN 'fail' THEN 'failed' END
  AND e.id NOT IN (SELECT value ->> 'id' FROM json_each(:held));

-- step ended
SELECT e.id, e.pipeline_execution_id, iif(e.status = 'completed', 'succeeded', 'failed') AS ending,
  e.status = 'failed' AND NOT e.failure_handled AS is_bad
FROM json_each(:held) AS h
CROSS JOIN task_executions AS e ON e.id = h.value ->> 'id'
WHERE e.status IN ('completed', 'failed') AND e.pipeline_execution_id IS NOT NULL;

-- then follow for ended
