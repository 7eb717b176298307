-- Makes due at once what waits for a retry or for a moment, with all its attempts before it.
CREATE OR REPLACE FUNCTION penstock.reset(
  ids uuid[], actor text DEFAULT session_user, ring_grace interval DEFAULT interval '0')
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
    WHERE e.id = ANY (ids) AND (e.status = 'deferred' OR e.status = 'ready' AND e.resume_at IS NOT NULL)
    ORDER BY e.id
    FOR NO KEY UPDATE);

  RETURN QUERY
  WITH
  -- move it
  moved AS (
    UPDATE penstock.task_executions e
    SET status = 'ready',
      version = e.version + 1,
      updated_at = greatest(moment, e.updated_at),
      attempt = 1,
      resume_at = NULL,
      error = NULL
    WHERE e.id = ANY (held) AND e.status IN ('ready', 'deferred')
    RETURNING e.id, e.pipeline_execution_id, e.status, e.version, e.queue, e.priority, e.traceparent, e.updated_at,
      greatest(e.resume_at, e.updated_at) AS available_at
  ),
  -- record it
  recorded AS (
    INSERT INTO penstock.execution_events (
      pipeline_execution_id, task_execution_id, event_type, to_status, version, actor, created_at)
    SELECT m.pipeline_execution_id, m.id, 'TaskReset', 'ready', m.version, actor, m.updated_at
    FROM moved AS m
  ),
  -- ring. What was ready before has a doorbell, which is due anew
  rung AS (
    INSERT INTO penstock.task_outbox (task_execution_id, queue, priority, available_at, ring_at, traceparent, created_at)
    SELECT m.id, m.queue, m.priority, m.available_at, penstock.ring_at(m.available_at, moment, ring_grace), m.traceparent,
      m.updated_at
    FROM moved AS m
    ON CONFLICT (task_execution_id) DO UPDATE
    SET available_at = excluded.available_at, ring_at = excluded.ring_at, rings = 0, last_error = NULL
  )
  SELECT 'moved', m.id, m.pipeline_execution_id, m.status, m.version, m.queue, m.available_at, m.traceparent
  FROM moved AS m;
END
$penstock$;

COMMENT ON FUNCTION penstock.reset(uuid[], text, interval) IS
'Makes executions due at once that wait for a retry or for a moment, and gives them all their attempts back. Answers one row for each execution that moved (''moved''; available_at is there if it has a doorbell now).
ids: the executions; one that is due already, or in another state, stays as it is.
ring_grace: how long a new doorbell waits for the caller to ring it himself.';
REVOKE ALL ON FUNCTION penstock.reset(uuid[], text, interval) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION penstock.reset(uuid[], text, interval) TO penstock_operator;
