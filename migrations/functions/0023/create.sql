-- Creates executions that belong to no pipeline. The same call again with the same ids changes nothing.
CREATE OR REPLACE FUNCTION penstock.create(executions jsonb, actor text DEFAULT session_user, ring_grace interval DEFAULT interval '0')
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
  -- refuse what no worker could read
  IF jsonb_path_exists(executions, 'strict $.**{67}') THEN
    RAISE EXCEPTION USING ERRCODE = 'PS001', MESSAGE = 'executions: one of them is nested more than 64 levels deep',
      HINT = 'Flatten its config, or pass it as text.';
  END IF;

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
      timeout_seconds, requires_approval, resume_at, retry_of, traceparent,
      status, version, created_by, created_at, updated_at)
    SELECT
      x.id, x.task_id, x.name, x.task_type, coalesce(x.queue, 'default'), coalesce(x.config, '{}'), x.metadata, x.workspace_path,
      coalesce(x.priority, 3), coalesce(x.max_attempts, 3), x.retry, coalesce(x.timeout_seconds, 300),
      coalesce(x.requires_approval, false), x.resume_at, x.retry_of, x.traceparent,
      CASE WHEN x.requires_approval THEN 'pending' ELSE 'ready' END,
      CASE WHEN x.requires_approval THEN 1 ELSE 2 END,
      actor, moment, moment
    FROM jsonb_to_recordset(executions) AS x (
      id uuid, task_id uuid, name text, task_type text, queue text, config jsonb, metadata jsonb, workspace_path text,
      priority integer, max_attempts integer, retry jsonb, timeout_seconds integer, requires_approval boolean,
      resume_at timestamptz, retry_of uuid, traceparent text)
    WHERE there IS NULL OR x.id NOT IN (SELECT t.id FROM unnest(there) AS t)
    RETURNING id, status, version, queue, priority, traceparent, greatest(resume_at, moment) AS available_at
  ),
  -- record it
  recorded AS (
    INSERT INTO penstock.execution_events (task_execution_id, event_type, to_status, version, actor, created_at)
    SELECT c.id, 'TaskCreated', 'pending', 1, actor, moment FROM created AS c
    UNION ALL
    SELECT c.id, 'TaskMarkedReady', 'ready', 2, actor, moment FROM created AS c WHERE c.status = 'ready'
  ),
  -- ring
  rung AS (
    INSERT INTO penstock.task_outbox (task_execution_id, queue, priority, available_at, ring_at, traceparent, created_at)
    SELECT c.id, c.queue, c.priority, c.available_at, penstock.ring_at(c.available_at, moment, ring_grace), c.traceparent, moment
    FROM created AS c
    WHERE c.status = 'ready'
  )
  SELECT 'moved', c.id, NULL::uuid, c.status, c.version, c.queue,
    CASE c.status WHEN 'ready' THEN c.available_at END, c.traceparent
  FROM created AS c;
END
$penstock$;

COMMENT ON FUNCTION penstock.create(jsonb, text, interval) IS
'Creates executions, each a job of its own, and answers one row for each: its state, and when it is due if it is ready.
executions: [{"id", "name", "task_type", and what differs from the defaults: "task_id", "queue", "config", "metadata",
"workspace_path", "priority", "max_attempts", "retry", "timeout_seconds", "requires_approval", "resume_at", "retry_of",
"traceparent"}]. The same call again with the same ids changes nothing and answers where they stand.
actor: who goes on record.
ring_grace: how long the drain leaves the doorbells to a caller who rings himself.';
REVOKE ALL ON FUNCTION penstock.create(jsonb, text, interval) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION penstock.create(jsonb, text, interval) TO penstock_client;
