-- Skips executions that have not begun and are not ready: they will not run.
CREATE OR REPLACE FUNCTION penstock.skip(
  ids uuid[], actor text DEFAULT session_user, reason text DEFAULT NULL, ring_grace interval DEFAULT interval '0')
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
  PERFORM FROM penstock.pipeline_executions p
  WHERE p.id = ANY (ARRAY (SELECT e.pipeline_execution_id FROM penstock.task_executions e WHERE e.id = ANY (ids)))
  ORDER BY p.id
  FOR NO KEY UPDATE;

  -- lock what may move, by id
  held := ARRAY (
    SELECT e.id
    FROM penstock.task_executions e
    WHERE e.id = ANY (ids) AND e.status IN ('pending', 'approved', 'paused')
    ORDER BY e.id
    FOR NO KEY UPDATE);

  RETURN QUERY
  WITH
  -- move it
  moved AS (
    UPDATE penstock.task_executions e
    SET status = 'skipped',
      version = e.version + 1,
      updated_at = greatest(moment, e.updated_at),
      completed_at = greatest(moment, e.updated_at)
    WHERE e.id = ANY (held) AND e.status IN ('pending', 'approved', 'paused')
    RETURNING e.id, e.pipeline_execution_id, e.status, e.version, e.queue, e.traceparent, e.updated_at
  ),
  -- record it
  recorded AS (
    INSERT INTO penstock.execution_events (
      pipeline_execution_id, task_execution_id, event_type, to_status, version, event_data, actor, created_at)
    SELECT m.pipeline_execution_id, m.id, 'TaskSkipped', 'skipped', m.version,
      jsonb_strip_nulls(jsonb_build_object('reason', reason)), actor, m.updated_at
    FROM moved AS m
  ),
  -- remove the pause entries
  unpaused AS (
    DELETE FROM penstock.pause_queue WHERE task_execution_id = ANY (held)
  )
  SELECT 'moved', m.id, m.pipeline_execution_id, m.status, m.version, m.queue, NULL::timestamptz, m.traceparent
  FROM moved AS m;

  -- release the children, end the pipelines
  RETURN QUERY SELECT * FROM penstock.follow(held, actor, moment, ring_grace);
END
$penstock$;

COMMENT ON FUNCTION penstock.skip(uuid[], text, text, interval) IS
'Skips executions that are pending, approved or paused: they end without having run. Answers one row for each execution that moved (''moved''), each child that was released or skipped (''child'') and each pipeline that ended (''pipeline'').
ids: the executions; those in another state stay as they are.
reason: kept with the event.
ring_grace: how long a doorbell of a released child waits for the caller to ring it himself.';
REVOKE ALL ON FUNCTION penstock.skip(uuid[], text, text, interval) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION penstock.skip(uuid[], text, text, interval) TO penstock_operator;
