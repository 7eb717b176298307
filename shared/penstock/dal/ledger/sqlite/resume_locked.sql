-- Resumes executions that are paused or deferred (*rows*: id): ready, or back to waiting for what each still needs.

-- step moved: a pause keeps the time before which a run may not begin; a deferral has been waiting for that time
UPDATE task_executions
SET status = CASE
    WHEN waiting_on = 0 AND (approved_at IS NOT NULL OR NOT requires_approval) THEN 'ready'
    WHEN approved_at IS NOT NULL THEN 'approved'
    ELSE 'pending' END,
  version = version + iif(waiting_on = 0 AND (approved_at IS NOT NULL OR NOT requires_approval), 2, 1),
  updated_at = max(:now, updated_at),
  resume_at = iif(status = 'paused', resume_at, NULL)
WHERE id IN (SELECT value ->> 'id' FROM json_each(:rows)) AND status IN ('paused', 'deferred')
RETURNING id;

-- step recorded: that it is resumed
INSERT INTO execution_events (
  pipeline_execution_id, task_execution_id, event_type, to_status, version, actor, created_at)
SELECT e.pipeline_execution_id, e.id, 'TaskResumed', iif(e.status = 'ready', 'pending', e.status),
  e.version - (e.status = 'ready'), :actor, e.updated_at
FROM json_each(:moved) AS m
CROSS JOIN task_executions AS e ON e.id = m.value ->> 'id';

-- step recorded: that it is ready
INSERT INTO execution_events (
  pipeline_execution_id, task_execution_id, event_type, to_status, version, actor, created_at)
SELECT e.pipeline_execution_id, e.id, 'TaskMarkedReady', 'ready', e.version, :actor, e.updated_at
FROM json_each(:moved) AS m
CROSS JOIN task_executions AS e ON e.id = m.value ->> 'id'
WHERE e.status = 'ready';

-- step unpaused: remove the pause entries
DELETE FROM pause_queue WHERE task_execution_id IN (SELECT value ->> 'id' FROM json_each(:moved));

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
