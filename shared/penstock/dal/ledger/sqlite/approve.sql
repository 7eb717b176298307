-- Approves executions that wait for an approval. One that waits for no parent is ready at once.

-- step moved
UPDATE task_executions
SET status = iif(waiting_on = 0, 'ready', 'approved'),
  version = version + iif(waiting_on = 0, 2, 1),
  updated_at = max(:now, updated_at),
  approved_by = :actor,
  approved_at = max(:now, updated_at)
WHERE id IN (SELECT value FROM json_each(:ids)) AND status = 'pending' AND requires_approval
RETURNING id;

-- step recorded: that it is approved
INSERT INTO execution_events (
  pipeline_execution_id, task_execution_id, event_type, to_status, version, event_data, actor, created_at)
SELECT e.pipeline_execution_id, e.id, 'TaskApproved', 'approved', e.version - (e.status = 'ready'),
  iif(:note IS NULL, '{}', json_object('note', :note)), :actor, e.updated_at
FROM json_each(:moved) AS m
CROSS JOIN task_executions AS e ON e.id = m.value ->> 'id';

-- step recorded: that it is ready
INSERT INTO execution_events (
  pipeline_execution_id, task_execution_id, event_type, to_status, version, event_data, actor, created_at)
SELECT e.pipeline_execution_id, e.id, 'TaskMarkedReady', 'ready', e.version,
  iif(:note IS NULL, '{}', json_object('note', :note)), :actor, e.updated_at
FROM json_each(:moved) AS m
CROSS JOIN task_executions AS e ON e.id = m.value ->> 'id'
WHERE e.status = 'ready';

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
