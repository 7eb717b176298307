-- Runs again what has ended: a new execution for each, as it was asked for, that belongs to no pipeline. The same call
-- again with the same ids changes nothing.
CREATE OR REPLACE FUNCTION penstock.retry(
  executions jsonb, actor text DEFAULT session_user, ring_grace interval DEFAULT interval '0')
RETURNS SETOF penstock.effect
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET row_security = off SET jit = off
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $penstock$
#variable_conflict use_column
DECLARE
  moment timestamptz := penstock.now();
  there penstock.effect[];
BEGIN
  -- find those that an earlier call has created
  SELECT array_agg(ROW('moved', e.id, e.pipeline_execution_id, e.status, e.version, e.queue, o.available_at, e.traceparent)::penstock.effect)
  INTO there
  FROM jsonb_to_recordset(executions) AS x (id uuid)
  CROSS JOIN LATERAL (SELECT * FROM penstock.task_executions e WHERE e.id = x.id OFFSET 0) AS e
  LEFT JOIN LATERAL (SELECT o.available_at FROM penstock.task_outbox o WHERE o.task_execution_id = e.id OFFSET 0) AS o ON true;
  RETURN QUERY SELECT * FROM unnest(there);

  RETURN QUERY
  WITH
  -- insert the others: ready at once, unless they need an approval
  created AS (
    INSERT INTO penstock.task_executions (
      id, task_id, name, task_type, queue, config, metadata, workspace_path, priority, max_attempts, retry,
      timeout_seconds, requires_approval, retry_of, traceparent,
      status, version, created_by, created_at, updated_at)
    SELECT
      x.id, e.task_id, e.name, e.task_type, e.queue, e.config, e.metadata, e.workspace_path, e.priority, e.max_attempts,
      e.retry, e.timeout_seconds, e.requires_approval, e.id, e.traceparent,
      CASE WHEN e.requires_approval THEN 'pending' ELSE 'ready' END,
      CASE WHEN e.requires_approval THEN 1 ELSE 2 END,
      actor, moment, moment
    FROM jsonb_to_recordset(executions) AS x (id uuid, retry_of uuid)
    CROSS JOIN LATERAL (SELECT * FROM penstock.task_executions e WHERE e.id = x.retry_of OFFSET 0) AS e
    WHERE e.status IN ('completed', 'failed', 'skipped', 'cancelled', 'rejected')
      AND (there IS NULL OR x.id NOT IN (SELECT t.id FROM unnest(there) AS t))
    RETURNING id, status, version, queue, priority, traceparent
  ),
  -- record it
  recorded AS (
    INSERT INTO penstock.execution_events (task_execution_id, event_type, to_status, version, actor, created_at)
    SELECT c.id, v.event_type, v.to_status, v.version, actor, moment
    FROM (VALUES (1, 'TaskCreated', 'pending'), (2, 'TaskMarkedReady', 'ready')) AS v (version, event_type, to_status)
    CROSS JOIN created AS c
    WHERE v.version <= c.version
  ),
  -- ring
  rung AS (
    INSERT INTO penstock.task_outbox (task_execution_id, queue, priority, available_at, ring_at, traceparent, created_at)
    SELECT c.id, c.queue, c.priority, moment, penstock.ring_at(moment, moment, ring_grace), c.traceparent, moment
    FROM created AS c
    WHERE c.status = 'ready'
  )
  SELECT 'moved', c.id, NULL::uuid, c.status, c.version, c.queue, CASE c.status WHEN 'ready' THEN moment END, c.traceparent
  FROM created AS c;
END
$penstock$;

COMMENT ON FUNCTION penstock.retry(jsonb, text, interval) IS
'Runs again what has ended: a new execution for each, as that one was asked for, from its first attempt, that belongs to no pipeline. Answers one row for each execution that created (''moved''; available_at is there if it has a doorbell now). The same call again with the same ids answers for the same executions, as they are then, and changes nothing.
executions: a JSON array of objects with id, of the new execution, and retry_of, of the one that has ended; what has not ended is not run again.
ring_grace: how long a new doorbell waits for the caller to ring it himself.';
REVOKE ALL ON FUNCTION penstock.retry(jsonb, text, interval) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION penstock.retry(jsonb, text, interval) TO penstock_client;
