-- Pauses executions that no worker has claimed.
CREATE OR REPLACE FUNCTION penstock.pause(
  ids uuid[], actor text DEFAULT session_user, reason text DEFAULT 'manual_pause', work_plan jsonb DEFAULT '{}', resume_after timestamptz DEFAULT NULL)
RETURNS SETOF penstock.effect
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET row_security = off SET jit = off
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $penstock$
DECLARE
  moment timestamptz := penstock.now();
  held uuid[];
BEGIN
  IF (reason IN ('manual_pause', 'insufficient_capacity')) IS NOT TRUE THEN
    RAISE EXCEPTION USING ERRCODE = 'PS001', MESSAGE = format('reason: is %L', reason),
      HINT = 'It must be manual_pause or insufficient_capacity.';
  END IF;

  -- lock the pipelines, by id
  PERFORM FROM penstock.pipeline_executions p
  WHERE p.id = ANY (ARRAY (SELECT e.pipeline_execution_id FROM penstock.task_executions e WHERE e.id = ANY (ids)))
  ORDER BY p.id
  FOR NO KEY UPDATE;

  -- lock what may move, by id
  held := ARRAY (
    SELECT e.id
    FROM penstock.task_executions e
    WHERE e.id = ANY (ids) AND e.status IN ('pending', 'approved', 'ready')
    ORDER BY e.id
    FOR NO KEY UPDATE);

  RETURN QUERY
  WITH
  -- move it
  moved AS (
    UPDATE penstock.task_executions e
    SET status = 'paused',
      version = e.version + 1,
      updated_at = greatest(moment, e.updated_at)
    WHERE e.id = ANY (held) AND e.status IN ('pending', 'approved', 'ready')
    RETURNING e.id, e.pipeline_execution_id, e.status, e.version, e.queue, e.priority, e.traceparent, e.updated_at
  ),
  -- record it
  recorded AS (
    INSERT INTO penstock.execution_events (
      pipeline_execution_id, task_execution_id, event_type, to_status, version, event_data, actor, created_at)
    SELECT m.pipeline_execution_id, m.id, 'TaskPaused', 'paused', m.version, jsonb_build_object('reason', reason), actor,
      m.updated_at
    FROM moved AS m
  ),
  -- unring
  unrung AS (
    DELETE FROM penstock.task_outbox WHERE task_execution_id = ANY (held)
  ),
  -- write the pause entries
  paused AS (
    INSERT INTO penstock.pause_queue (task_execution_id, work_plan, reason, paused_at, resume_after, priority)
    SELECT m.id, work_plan, reason, m.updated_at, resume_after, m.priority
    FROM moved AS m
  )
  SELECT 'moved', m.id, m.pipeline_execution_id, m.status, m.version, m.queue, NULL::timestamptz, m.traceparent
  FROM moved AS m;
END
$penstock$;

COMMENT ON FUNCTION penstock.pause(uuid[], text, text, jsonb, timestamptz) IS
'Pauses executions that are pending, approved or ready. Answers one row for each execution that moved (''moved'').
ids: the executions; those in another state stay as they are.
reason: manual_pause or insufficient_capacity. A manual pause without a time lasts until somebody resumes it; the other kind ends as soon as resume_paused has the capacity.
work_plan: a JSON object that is kept with the pause.
resume_after: when the pause ends by itself.';
REVOKE ALL ON FUNCTION penstock.pause(uuid[], text, text, jsonb, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION penstock.pause(uuid[], text, text, jsonb, timestamptz) TO penstock_operator;
