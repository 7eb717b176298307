-- Pauses pipelines: nothing of theirs is claimed any more. What runs goes on.
CREATE OR REPLACE FUNCTION penstock.pause_pipelines(
  ids uuid[], actor text DEFAULT session_user, reason text DEFAULT NULL)
RETURNS SETOF penstock.effect
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET row_security = off SET jit = off
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $penstock$
DECLARE
  moment timestamptz := penstock.now();
  held uuid[];
BEGIN
  -- lock the pipelines, by id
  held := ARRAY (
    SELECT p.id
    FROM penstock.pipeline_executions p
    WHERE p.id = ANY (ids) AND p.status = 'running'
    ORDER BY p.id
    FOR NO KEY UPDATE);

  RETURN QUERY
  WITH
  -- move them
  moved AS (
    UPDATE penstock.pipeline_executions p
    SET status = 'paused',
      version = p.version + 1,
      updated_at = greatest(moment, p.updated_at),
      pause_reason = reason,
      paused_at = greatest(moment, p.updated_at)
    WHERE p.id = ANY (held) AND p.status = 'running'
    RETURNING p.id, p.status, p.version, p.updated_at
  ),
  -- record it
  recorded AS (
    INSERT INTO penstock.execution_events (pipeline_execution_id, event_type, to_status, version, event_data, actor, created_at)
    SELECT m.id, 'PipelinePaused', m.status, m.version, jsonb_strip_nulls(jsonb_build_object('reason', reason)), actor,
      m.updated_at
    FROM moved AS m
  )
  SELECT 'pipeline', m.id, NULL::uuid, m.status, m.version, NULL::text, NULL::timestamptz, NULL::text
  FROM moved AS m;
END
$penstock$;

COMMENT ON FUNCTION penstock.pause_pipelines(uuid[], text, text) IS
'Pauses pipelines: nothing of theirs is claimed until they are resumed; what runs goes on. Answers one row for each pipeline that moved (''pipeline'').
ids: the pipelines; those that do not run stay as they are.
reason: kept with the pipeline and with the event.';
REVOKE ALL ON FUNCTION penstock.pause_pipelines(uuid[], text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION penstock.pause_pipelines(uuid[], text, text) TO penstock_operator;
