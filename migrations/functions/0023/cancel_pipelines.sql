-- Cancels pipelines, with every step that has not ended.
CREATE OR REPLACE FUNCTION penstock.cancel_pipelines(
  ids uuid[], actor text DEFAULT session_user, reason text DEFAULT NULL)
RETURNS SETOF penstock.effect
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET row_security = off SET jit = off
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $penstock$
DECLARE
  moment timestamptz := penstock.now();
  held uuid[];
  live uuid[];
BEGIN
  -- lock the pipelines, by id
  held := ARRAY (
    SELECT p.id
    FROM penstock.pipeline_executions p
    WHERE p.id = ANY (ids) AND p.status IN ('running', 'paused')
    ORDER BY p.id
    FOR NO KEY UPDATE);

  -- lock their steps, by id
  live := ARRAY (
    SELECT e.id
    FROM penstock.task_executions e
    WHERE e.id = ANY (ARRAY (SELECT e.id FROM penstock.task_executions e WHERE e.pipeline_execution_id = ANY (held)))
      AND e.status IN ('pending', 'approved', 'ready', 'claimed', 'running', 'deferred', 'paused')
    ORDER BY e.id
    FOR NO KEY UPDATE);

  RETURN QUERY
  WITH
  -- move the steps
  moved AS (
    UPDATE penstock.task_executions e
    SET status = 'cancelled',
      version = e.version + 1,
      updated_at = greatest(moment, e.updated_at),
      completed_at = greatest(moment, e.updated_at),
      lease = NULL,
      lease_expires_at = NULL
    WHERE e.id = ANY (live) AND e.status IN ('pending', 'approved', 'ready', 'claimed', 'running', 'deferred', 'paused')
    RETURNING e.id, e.pipeline_execution_id, e.status, e.version, e.queue, e.traceparent, e.updated_at
  ),
  -- move the pipelines
  cancelled AS (
    UPDATE penstock.pipeline_executions p
    SET status = 'cancelled',
      version = p.version + 1,
      updated_at = greatest(moment, p.updated_at),
      completed_at = greatest(moment, p.updated_at),
      unfinished = 0,
      error = reason
    WHERE p.id = ANY (held) AND p.status IN ('running', 'paused')
    RETURNING p.id, p.status, p.version, p.updated_at
  ),
  -- record it
  recorded AS (
    INSERT INTO penstock.execution_events (
      pipeline_execution_id, task_execution_id, event_type, to_status, version, event_data, actor, created_at)
    SELECT m.pipeline_execution_id, m.id, 'TaskCancelled', m.status, m.version, '{}', actor, m.updated_at
    FROM moved AS m
    UNION ALL
    SELECT c.id, NULL, 'PipelineCancelled', c.status, c.version, jsonb_strip_nulls(jsonb_build_object('reason', reason)),
      actor, c.updated_at
    FROM cancelled AS c
  ),
  -- unring
  unrung AS (
    DELETE FROM penstock.task_outbox WHERE task_execution_id = ANY (live)
  ),
  -- remove the pause entries
  unpaused AS (
    DELETE FROM penstock.pause_queue WHERE task_execution_id = ANY (live)
  )
  SELECT 'moved', m.id, m.pipeline_execution_id, m.status, m.version, m.queue, NULL::timestamptz, m.traceparent
  FROM moved AS m
  UNION ALL
  SELECT 'pipeline', c.id, NULL, c.status, c.version, NULL, NULL, NULL
  FROM cancelled AS c;
END
$penstock$;

COMMENT ON FUNCTION penstock.cancel_pipelines(uuid[], text, text) IS
'Cancels pipelines, with every step that has not ended. A worker that runs one of the steps can no longer settle it. Answers one row for each step (''moved'') and each pipeline (''pipeline'') that was cancelled.
ids: the pipelines; those that have ended stay as they are.
reason: kept as the error of the pipeline and with its event.';
REVOKE ALL ON FUNCTION penstock.cancel_pipelines(uuid[], text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION penstock.cancel_pipelines(uuid[], text, text) TO penstock_client, penstock_operator;
