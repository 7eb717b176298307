-- Resumes executions that are paused or deferred, and that the caller has locked: ready, or back to waiting for what each
-- still needs.
CREATE OR REPLACE FUNCTION penstock.resume_locked(
  held uuid[], actor text, moment timestamptz, ring_grace interval)
RETURNS SETOF penstock.effect
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp SET jit = off
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $penstock$
BEGIN
  RETURN QUERY
  WITH
  -- move it. A pause keeps the time before which a run may not begin; a deferral has been waiting for that time
  moved AS (
    UPDATE penstock.task_executions e
    SET status = CASE
        WHEN e.waiting_on = 0 AND (e.approved_at IS NOT NULL OR NOT e.requires_approval) THEN 'ready'
        WHEN e.approved_at IS NOT NULL THEN 'approved'
        ELSE 'pending' END,
      version = e.version + CASE
        WHEN e.waiting_on = 0 AND (e.approved_at IS NOT NULL OR NOT e.requires_approval) THEN 2
        ELSE 1 END,
      updated_at = greatest(moment, e.updated_at),
      resume_at = CASE e.status WHEN 'paused' THEN e.resume_at END
    WHERE e.id = ANY (held) AND e.status IN ('paused', 'deferred')
    RETURNING e.id, e.pipeline_execution_id, e.status, e.version, e.queue, e.priority, e.traceparent, e.updated_at,
      greatest(e.resume_at, e.updated_at) AS available_at
  ),
  -- record it
  recorded AS (
    INSERT INTO penstock.execution_events (
      pipeline_execution_id, task_execution_id, event_type, to_status, version, actor, created_at)
    SELECT m.pipeline_execution_id, m.id, 'TaskResumed', CASE m.status WHEN 'ready' THEN 'pending' ELSE m.status END,
      m.version - (m.status = 'ready')::integer, actor, m.updated_at
    FROM moved AS m
    UNION ALL
    SELECT m.pipeline_execution_id, m.id, 'TaskMarkedReady', 'ready', m.version, actor, m.updated_at
    FROM moved AS m
    WHERE m.status = 'ready'
  ),
  -- remove the pause entries
  unpaused AS (
    DELETE FROM penstock.pause_queue WHERE task_execution_id = ANY (held)
  ),
  -- ring
  rung AS (
    INSERT INTO penstock.task_outbox (task_execution_id, queue, priority, available_at, ring_at, traceparent, created_at)
    SELECT m.id, m.queue, m.priority, m.available_at, penstock.ring_at(m.available_at, moment, ring_grace), m.traceparent,
      m.updated_at
    FROM moved AS m
    WHERE m.status = 'ready'
  )
  SELECT 'moved', m.id, m.pipeline_execution_id, m.status, m.version, m.queue,
    CASE m.status WHEN 'ready' THEN m.available_at END, m.traceparent
  FROM moved AS m;
END
$penstock$;

REVOKE ALL ON FUNCTION penstock.resume_locked(uuid[], text, timestamptz, interval) FROM PUBLIC;
