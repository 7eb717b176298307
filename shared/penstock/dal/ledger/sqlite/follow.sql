-- What follows when executions of pipelines have ended (*rows*: id, pipeline_execution_id, ending, is_bad): their pipelines
-- are counted down; their children too, and released or skipped as their rules say.

-- then end_pipelines for rows

-- step decided: how many parents of each child have ended now, and how; what its rule says then
WITH counted AS (
  SELECT d.child_id AS id, count(*) AS ended, sum(r.value ->> 'ending' = 'succeeded') AS succeeded,
    sum(r.value ->> 'ending' = 'failed') AS failed, sum(r.value ->> 'ending' = 'skipped') AS skipped
  FROM json_each(:rows) AS r
  CROSS JOIN task_dependencies AS d ON d.parent_id = r.value ->> 'id'
  GROUP BY d.child_id
),
summed AS (
  SELECT c.*, e.trigger_rule, e.waiting_on, max(e.waiting_on - c.ended, 0) AS left_over,
    e.parents_succeeded + c.succeeded AS all_succeeded, e.parents_failed + c.failed AS all_failed,
    e.parents_skipped + c.skipped AS all_skipped
  FROM counted AS c
  CROSS JOIN task_executions AS e ON e.id = c.id
  WHERE e.status IN ('pending', 'approved', 'paused')
)
SELECT id, succeeded, failed, skipped, left_over,
  CASE
    WHEN waiting_on = 0 THEN 'waits'
    WHEN CASE trigger_rule
      WHEN 'all_success' THEN all_failed + all_skipped > 0
      WHEN 'all_failed' THEN all_succeeded + all_skipped > 0
      WHEN 'none_failed' THEN all_failed > 0
      WHEN 'one_success' THEN left_over = 0 AND all_succeeded = 0
      WHEN 'one_failed' THEN left_over = 0 AND all_failed = 0
      ELSE false END THEN 'impossible'
    WHEN CASE trigger_rule
      WHEN 'one_success' THEN all_succeeded > 0
      WHEN 'one_failed' THEN all_failed > 0
      ELSE left_over = 0 END THEN 'fires'
    ELSE 'waits'
  END AS decision
FROM summed
ORDER BY id;

-- step moved: the children whose rule is decided
UPDATE task_executions AS e
SET status = iif(d.decision = 'impossible', 'skipped', 'ready'),
  version = e.version + 1,
  updated_at = max(:now, e.updated_at),
  completed_at = iif(d.decision = 'impossible', max(:now, e.updated_at), NULL),
  waiting_on = iif(d.decision = 'fires', 0, d.left_over),
  parents_succeeded = e.parents_succeeded + d.succeeded,
  parents_failed = e.parents_failed + d.failed,
  parents_skipped = e.parents_skipped + d.skipped
FROM (
  SELECT value ->> 'id' AS id, value ->> 'decision' AS decision, value ->> 'left_over' AS left_over,
    value ->> 'succeeded' AS succeeded, value ->> 'failed' AS failed, value ->> 'skipped' AS skipped
  FROM json_each(:decided)
) AS d
WHERE e.id = d.id
  AND (d.decision = 'impossible'
    OR d.decision = 'fires' AND e.status <> 'paused' AND (e.approved_at IS NOT NULL OR NOT e.requires_approval))
RETURNING id, status;

-- step counted: the children that still wait
UPDATE task_executions AS e
SET updated_at = max(:now, e.updated_at),
  waiting_on = iif(d.decision = 'fires', 0, d.left_over),
  parents_succeeded = e.parents_succeeded + d.succeeded,
  parents_failed = e.parents_failed + d.failed,
  parents_skipped = e.parents_skipped + d.skipped
FROM (
  SELECT value ->> 'id' AS id, value ->> 'decision' AS decision, value ->> 'left_over' AS left_over,
    value ->> 'succeeded' AS succeeded, value ->> 'failed' AS failed, value ->> 'skipped' AS skipped
  FROM json_each(:decided)
) AS d
WHERE e.id = d.id AND e.id NOT IN (SELECT value ->> 'id' FROM json_each(:moved));

-- step recorded
INSERT INTO execution_events (
  pipeline_execution_id, task_execution_id, event_type, to_status, version, event_data, actor, created_at)
SELECT e.pipeline_execution_id, e.id, iif(e.status = 'ready', 'TaskMarkedReady', 'TaskSkipped'), e.status, e.version,
  CASE
    WHEN e.status = 'ready' THEN '{}'
    WHEN e.parents_failed > 0 AND e.trigger_rule IN ('all_success', 'one_success', 'none_failed')
      THEN '{"because": "a parent failed"}'
    ELSE '{"because": "its trigger rule can no longer hold"}' END,
  :actor, e.updated_at
FROM json_each(:moved) AS m
CROSS JOIN task_executions AS e ON e.id = m.value ->> 'id'
ORDER BY e.status, e.id;

-- step rung: what is ready
INSERT INTO task_outbox (task_execution_id, queue, priority, available_at, ring_at, traceparent, created_at)
SELECT e.id, e.queue, e.priority, max(coalesce(e.resume_at, e.updated_at), e.updated_at),
  iif(e.resume_at > e.updated_at, e.resume_at, max(:ring_grace_ends, e.updated_at)), e.traceparent, e.updated_at
FROM json_each(:moved) AS m
CROSS JOIN task_executions AS e ON e.id = m.value ->> 'id'
WHERE e.status = 'ready';

-- step unpaused: the pause entries of what was skipped while it was paused
DELETE FROM pause_queue
WHERE task_execution_id IN (SELECT value ->> 'id' FROM json_each(:moved) WHERE value ->> 'status' = 'skipped');

-- step answer
SELECT 'child' AS what, e.id, e.pipeline_execution_id, e.status, e.version, e.queue, o.available_at, e.traceparent
FROM json_each(:moved) AS m
CROSS JOIN task_executions AS e ON e.id = m.value ->> 'id'
LEFT JOIN task_outbox AS o ON o.task_execution_id = e.id;

-- step skipped: what was skipped has ended too. If a parent failed, it counts as failed
SELECT e.id, e.pipeline_execution_id, 0 AS is_bad,
  iif(e.parents_failed > 0 AND e.trigger_rule IN ('all_success', 'one_success', 'none_failed'), 'failed', 'skipped') AS ending
FROM json_each(:moved) AS m
CROSS JOIN task_executions AS e ON e.id = m.value ->> 'id'
WHERE e.status = 'skipped';

-- then follow for skipped
