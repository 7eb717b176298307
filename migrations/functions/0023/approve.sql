-- Approves executions that wait for an approval. One that waits for no parent is ready at once.
CREATE OR REPLACE FUNCTION penstock.approve(
  ids uuid[], actor text DEFAULT session_user, note text DEFAULT NULL, ring_grace interval DEFAULT interval '0')
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
    WHERE e.id = ANY (ids) AND e.status = 'pending' AND e.requires_approval
    ORDER BY e.id
    FOR NO KEY UPDATE);

  RETURN QUERY
  WITH
  -- move it
  moved AS (
    UPDATE penstock.task_executions e
    SET status = CASE e.waiting_on WHEN 0 THEN 'ready' ELSE 'approved' END,
      version = e.version + CASE e.waiting_on WHEN 0 THEN 2 ELSE 1 END,
      updated_at = greatest(moment, e.updated_at),
      approved_by = actor,
      approved_at = greatest(moment, e.updated_at)
    WHERE e.id = ANY (held) AND e.status = 'pending'
    RETURNING e.id, e.pipeline_execution_id, e.status, e.version, e.queue, e.priority, e.traceparent, e.updated_at,
      greatest(e.resume_at, e.updated_at) AS available_at
  ),
  -- record it
  recorded AS (
    INSERT INTO penstock.execution_events (
      pipeline_execution_id, task_execution_id, event_type, to_status, version, event_data, actor, created_at)
    SELECT m.pipeline_execution_id, m.id, 'TaskApproved', 'approved', m.version - (m.status = 'ready')::integer,
      jsonb_strip_nulls(jsonb_build_object('note', note)), actor, m.updated_at
    FROM moved AS m
    UNION ALL
    SELECT m.pipeline_execution_id, m.id, 'TaskMarkedReady', 'ready', m.version,
      jsonb_strip_nulls(jsonb_build_object('note', note)), actor, m.updated_at
    FROM moved AS m
    WHERE m.status = 'ready'
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

COMMENT ON FUNCTION penstock.approve(uuid[], text, text, interval) IS
'Approves executions that wait for an approval: one that waits for no parent is ready at once, another one when its parents have ended. Answers one row for each execution that moved (''moved''; available_at is there if it has a doorbell now).
ids: the executions; what does not wait for an approval stays as it is.
note: kept with the event.
ring_grace: how long a new doorbell waits for the caller to ring it himself.';
REVOKE ALL ON FUNCTION penstock.approve(uuid[], text, text, interval) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION penstock.approve(uuid[], text, text, interval) TO penstock_operator;
