-- Starts pipelines: the rows of the pipelines, all their steps, and the edges between them. Steps without parents are ready.
-- The same call again with the same ids changes nothing.
CREATE OR REPLACE FUNCTION penstock.start_pipelines(
  pipelines jsonb, steps jsonb, edges jsonb, actor text DEFAULT session_user, ring_grace interval DEFAULT interval '0')
RETURNS SETOF penstock.effect
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET row_security = off SET jit = off
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $penstock$
#variable_conflict use_column
DECLARE
  moment timestamptz := penstock.now();
BEGIN
  -- refuse what no worker could read
  IF jsonb_path_exists(steps, 'strict $.**{67}') THEN
    RAISE EXCEPTION USING ERRCODE = 'PS001', MESSAGE = 'steps: one of them is nested more than 64 levels deep',
      HINT = 'Flatten its config, or pass it as text.';
  END IF;

  -- find out whether an earlier call has started them
  IF EXISTS (
    SELECT FROM jsonb_to_recordset(pipelines) AS x (id uuid)
    WHERE (SELECT p.id FROM penstock.pipeline_executions p WHERE p.id = x.id) IS NOT NULL
  ) THEN
    RETURN QUERY SELECT * FROM penstock.started_before(pipelines);
    RETURN;
  END IF;

  RETURN QUERY
  WITH
  -- insert the pipelines
  started AS (
    INSERT INTO penstock.pipeline_executions (
      id, workflow_id, workflow_version, name, input, unfinished, retry_of, traceparent,
      status, version, created_by, created_at, updated_at, started_at)
    SELECT x.id, x.workflow_id, x.workflow_version, x.name, coalesce(x.input, '{}'), x.unfinished, x.retry_of, x.traceparent,
      'running', 1, actor, moment, moment, moment
    FROM jsonb_to_recordset(pipelines) AS x (
      id uuid, workflow_id uuid, workflow_version integer, name text, input jsonb, unfinished integer, retry_of uuid,
      traceparent text)
    RETURNING id, status, version
  ),
  -- insert their steps
  created AS (
    INSERT INTO penstock.task_executions (
      id, pipeline_execution_id, task_id, name, sequence, task_type, queue, config, metadata, workspace_path, priority,
      max_attempts, retry, timeout_seconds, requires_approval, trigger_rule, failure_handled, waiting_on, resume_at, retry_of,
      traceparent, status, version, created_by, created_at, updated_at)
    SELECT
      x.id, x.pipeline_execution_id, x.task_id, x.name, coalesce(x.sequence, 0), x.task_type, coalesce(x.queue, 'default'),
      coalesce(x.config, '{}'), x.metadata, x.workspace_path, coalesce(x.priority, 3), coalesce(x.max_attempts, 3), x.retry,
      coalesce(x.timeout_seconds, 300), coalesce(x.requires_approval, false), coalesce(x.trigger_rule, 'all_success'),
      coalesce(x.failure_handled, false), coalesce(x.waiting_on, 0), x.resume_at, x.retry_of, x.traceparent,
      CASE WHEN x.waiting_on > 0 OR x.requires_approval THEN 'pending' ELSE 'ready' END,
      CASE WHEN x.waiting_on > 0 OR x.requires_approval THEN 1 ELSE 2 END,
      actor, moment, moment
    FROM jsonb_to_recordset(steps) AS x (
      id uuid, pipeline_execution_id uuid, task_id uuid, name text, sequence integer, task_type text, queue text, config jsonb,
      metadata jsonb, workspace_path text, priority integer, max_attempts integer, retry jsonb, timeout_seconds integer,
      requires_approval boolean, trigger_rule text, failure_handled boolean, waiting_on integer, resume_at timestamptz,
      retry_of uuid, traceparent text)
    RETURNING id, pipeline_execution_id, status, version, queue, priority, traceparent, greatest(resume_at, moment) AS available_at
  ),
  -- insert the edges
  connected AS (
    INSERT INTO penstock.task_dependencies (parent_id, child_id)
    SELECT x.parent_id, x.child_id FROM jsonb_to_recordset(edges) AS x (parent_id uuid, child_id uuid)
  ),
  -- record it
  recorded AS (
    INSERT INTO penstock.execution_events (
      pipeline_execution_id, task_execution_id, event_type, to_status, version, actor, created_at)
    SELECT s.id, NULL, 'PipelineStarted', s.status, s.version, actor, moment FROM started AS s
    UNION ALL
    SELECT c.pipeline_execution_id, c.id, 'TaskCreated', 'pending', 1, actor, moment FROM created AS c
    UNION ALL
    SELECT c.pipeline_execution_id, c.id, 'TaskMarkedReady', 'ready', 2, actor, moment FROM created AS c WHERE c.status = 'ready'
  ),
  -- ring
  rung AS (
    INSERT INTO penstock.task_outbox (task_execution_id, queue, priority, available_at, ring_at, traceparent, created_at)
    SELECT c.id, c.queue, c.priority, c.available_at, penstock.ring_at(c.available_at, moment, ring_grace), c.traceparent, moment
    FROM created AS c
    WHERE c.status = 'ready'
  )
  SELECT 'moved', c.id, c.pipeline_execution_id, c.status, c.version, c.queue,
    CASE c.status WHEN 'ready' THEN c.available_at END, c.traceparent
  FROM created AS c
  UNION ALL
  SELECT 'pipeline', s.id, NULL, s.status, s.version, NULL, NULL, NULL
  FROM started AS s;
END
$penstock$;

COMMENT ON FUNCTION penstock.start_pipelines(jsonb, jsonb, jsonb, text, interval) IS
'Starts pipelines with all their steps and edges, and answers a row for each step and each pipeline.
pipelines: [{"id", "name", "input", "unfinished": the number of its steps, ...}].
steps: as the executions of create, with "pipeline_execution_id", "sequence", "trigger_rule", "failure_handled" and
"waiting_on": the number of its parents.
edges: [{"parent_id", "child_id"}].
The same call again with the same ids changes nothing and answers where they stand.';
REVOKE ALL ON FUNCTION penstock.start_pipelines(jsonb, jsonb, jsonb, text, interval) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION penstock.start_pipelines(jsonb, jsonb, jsonb, text, interval) TO penstock_client;
