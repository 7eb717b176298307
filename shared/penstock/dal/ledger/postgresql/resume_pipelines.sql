-- Resumes pipelines. What is due in them rings now: while they were paused nobody rang it.
CREATE OR REPLACE FUNCTION penstock.resume_pipelines(ids uuid[], actor text DEFAULT session_user)
RETURNS SETOF penstock.effect
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET row_security = off SET jit = off
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $penstock$
DECLARE
  moment timestamptz := penstock.now();
  held uuid[];
  waiting uuid[];
BEGIN
  -- lock the pipelines, by id
  held := ARRAY (
    SELECT p.id
    FROM penstock.pipeline_executions p
    WHERE p.id = ANY (ids) AND p.status = 'paused'
    ORDER BY p.id
    FOR NO KEY UPDATE);

  -- lock what is ready in them, by id
  waiting := ARRAY (
    SELECT e.id
    FROM penstock.task_executions e
    WHERE e.id = ANY (ARRAY (SELECT e.id FROM penstock.task_executions e WHERE e.pipeline_execution_id = ANY (held)))
      AND e.status = 'ready'
    ORDER BY e.id
    FOR NO KEY UPDATE);

  RETURN QUERY
  WITH
  -- move them
  moved AS (
    UPDATE penstock.pipeline_executions p
    SET status = 'running',
      version = p.version + 1,
      updated_at = greatest(moment, p.updated_at),
      pause_reason = NULL,
      paused_at = NULL
    WHERE p.id = ANY (held) AND p.status = 'paused'
    RETURNING p.id, p.status, p.version, p.updated_at
  ),
  -- record it
  recorded AS (
    INSERT INTO penstock.execution_events (pipeline_execution_id, event_type, to_status, version, actor, created_at)
    SELECT m.id, 'PipelineResumed', m.status, m.version, actor, m.updated_at
    FROM moved AS m
  ),
  -- ring what is due
  rung AS (
    UPDATE penstock.task_outbox o
    SET ring_at = moment
    WHERE o.task_execution_id = ANY (waiting) AND o.available_at <= moment
  )
  SELECT 'pipeline', m.id, NULL::uuid, m.status, m.version, NULL::text, NULL::timestamptz, NULL::text
  FROM moved AS m;
END
$penstock$;

COMMENT ON FUNCTION penstock.resume_pipelines(uuid[], text) IS
'Resumes pipelines that are paused; the doorbells of what is due in them ring at once. Answers one row for each pipeline that moved (''pipeline'').
ids: the pipelines; those that are not paused stay as they are.';
REVOKE ALL ON FUNCTION penstock.resume_pipelines(uuid[], text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION penstock.resume_pipelines(uuid[], text) TO penstock_operator;
