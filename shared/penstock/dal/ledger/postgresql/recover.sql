-- Takes back executions whose lease has expired, the longest expired first: ready again, or failed if their workers have
-- gone silent too often. Passes over what others have locked.
CREATE OR REPLACE FUNCTION penstock.recover(
  actor text DEFAULT session_user, capacity integer DEFAULT 100, ring_grace interval DEFAULT interval '0')
RETURNS SETOF penstock.effect
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET row_security = off SET jit = off
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $penstock$
DECLARE
  moment timestamptz := penstock.now();
  held uuid[];
  moved penstock.effect[];
  abandoned uuid[];
BEGIN
  -- lock what has expired, and before it the pipeline of what will be abandoned
  held := ARRAY (
    SELECT e.id
    FROM (
      SELECT e.id, e.pipeline_execution_id, e.status = 'running' AND e.recoveries >= 3 AS is_spent
      FROM penstock.task_executions e
      WHERE e.lease_expires_at < moment
      ORDER BY e.lease_expires_at
      OFFSET 0
    ) AS x
    LEFT JOIN LATERAL (
      SELECT p.id
      FROM penstock.pipeline_executions p
      WHERE p.id = x.pipeline_execution_id AND x.is_spent
      FOR NO KEY UPDATE SKIP LOCKED
    ) AS p ON true
    CROSS JOIN LATERAL (
      SELECT e.id
      FROM penstock.task_executions e
      WHERE e.id = x.id AND e.lease_expires_at < moment
        AND (e.status <> 'running' OR e.recoveries < 3 OR e.pipeline_execution_id IS NULL OR p.id IS NOT NULL)
      FOR NO KEY UPDATE SKIP LOCKED
    ) AS e
    LIMIT capacity);

  WITH
  -- move it
  moved AS (
    UPDATE penstock.task_executions e
    SET status = CASE WHEN e.status = 'running' AND e.recoveries >= 3 THEN 'failed' ELSE 'ready' END,
      version = e.version + 1,
      updated_at = greatest(moment, e.updated_at),
      recoveries = e.recoveries + (e.status = 'running' AND e.recoveries < 3)::integer,
      lease = NULL,
      lease_expires_at = NULL,
      started_at = CASE WHEN e.status = 'running' AND e.recoveries >= 3 THEN e.started_at END,
      completed_at = CASE WHEN e.status = 'running' AND e.recoveries >= 3 THEN greatest(moment, e.updated_at) END,
      error = CASE
        WHEN e.status = 'running' AND e.recoveries >= 3 THEN 'its worker went silent once too often'
        ELSE e.error END
    WHERE e.id = ANY (held) AND e.status IN ('claimed', 'running')
    RETURNING e.id, e.pipeline_execution_id, e.status, e.version, e.queue, e.priority, e.traceparent, e.worker_id,
      e.updated_at, greatest(e.resume_at, e.updated_at) AS available_at
  ),
  -- record it
  recorded AS (
    INSERT INTO penstock.execution_events (
      pipeline_execution_id, task_execution_id, event_type, to_status, version, worker_id, actor, created_at)
    SELECT m.pipeline_execution_id, m.id, CASE m.status WHEN 'ready' THEN 'TaskRecovered' ELSE 'TaskAbandoned' END, m.status,
      m.version, m.worker_id, actor, m.updated_at
    FROM moved AS m
  ),
  -- ring
  rung AS (
    INSERT INTO penstock.task_outbox (task_execution_id, queue, priority, available_at, ring_at, traceparent, created_at)
    SELECT m.id, m.queue, m.priority, m.available_at, penstock.ring_at(m.available_at, moment, ring_grace), m.traceparent,
      m.updated_at
    FROM moved AS m
    WHERE m.status = 'ready'
  )
  SELECT array_agg(ROW('moved', m.id, m.pipeline_execution_id, m.status, m.version, m.queue,
      CASE m.status WHEN 'ready' THEN m.available_at END, m.traceparent)::penstock.effect),
    array_agg(m.id) FILTER (WHERE m.status = 'failed' AND m.pipeline_execution_id IS NOT NULL)
  INTO moved, abandoned
  FROM moved AS m;
  RETURN QUERY SELECT * FROM unnest(moved);

  -- release the children, end the pipelines
  IF abandoned IS NOT NULL THEN
    RETURN QUERY SELECT * FROM penstock.follow(abandoned, actor, moment, ring_grace);
  END IF;
END
$penstock$;

COMMENT ON FUNCTION penstock.recover(text, integer, interval) IS
'Takes back executions whose lease has expired, the longest expired first. They are ready again; one that has been taken back three times while it ran has failed. What others have locked is left for the next call. Answers one row for each execution that moved (''moved''), each child that was released or skipped (''child'') and each pipeline that ended (''pipeline'').
capacity: how many at most.
ring_grace: how long a new doorbell waits for the caller to ring it himself.';
REVOKE ALL ON FUNCTION penstock.recover(text, integer, interval) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION penstock.recover(text, integer, interval) TO penstock_worker;
