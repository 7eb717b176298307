-- Counts pipelines down by what has ended in them. The last step ends its pipeline: with the results of its leaves, or with
-- the step that failed and why.
CREATE OR REPLACE FUNCTION penstock.end_pipelines(ended uuid[], actor text, moment timestamptz)
RETURNS SETOF penstock.effect
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp SET jit = off
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $penstock$
#variable_conflict use_column
BEGIN
  RETURN QUERY
  WITH
  -- count, by pipeline
  counted AS (
    SELECT e.pipeline_execution_id AS id, count(*)::integer AS ended,
      (count(*) FILTER (WHERE e.status IN ('failed', 'cancelled', 'rejected') AND NOT e.failure_handled))::integer AS failed
    FROM penstock.task_executions e
    WHERE e.id = ANY (ended)
    GROUP BY e.pipeline_execution_id
  ),
  counting AS MATERIALIZED (
    SELECT p.*, c.ended, c.failed
    FROM counted AS c
    CROSS JOIN LATERAL (
      SELECT p.ctid AS place, p.unfinished = c.ended AS is_over, p.failed + c.failed = 0 AS succeeded
      FROM penstock.pipeline_executions p
      WHERE p.id = c.id AND p.status IN ('running', 'paused')
      OFFSET 0
    ) AS p
  ),
  -- move it
  moved AS (
    UPDATE penstock.pipeline_executions p
    SET unfinished = p.unfinished - c.ended,
      failed = p.failed + c.failed,
      updated_at = greatest(moment, p.updated_at),
      status = CASE WHEN NOT c.is_over THEN p.status WHEN c.succeeded THEN 'completed' ELSE 'failed' END,
      version = p.version + c.is_over::integer,
      completed_at = CASE WHEN c.is_over THEN greatest(moment, p.updated_at) END,
      output = CASE WHEN c.is_over AND c.succeeded THEN penstock.results_of(p.id) END,
      error = CASE WHEN c.is_over AND NOT c.succeeded THEN penstock.failure_of(p.id) END
    FROM counting AS c
    WHERE p.ctid = c.place
    RETURNING p.id, p.status, p.version, p.error, p.updated_at, c.is_over
  ),
  -- record it
  recorded AS (
    INSERT INTO penstock.execution_events (pipeline_execution_id, event_type, to_status, version, event_data, actor, created_at)
    SELECT m.id, CASE m.status WHEN 'completed' THEN 'PipelineCompleted' ELSE 'PipelineFailed' END, m.status, m.version,
      CASE m.status WHEN 'completed' THEN '{}' ELSE jsonb_build_object('error', m.error) END, actor, m.updated_at
    FROM moved AS m
    WHERE m.is_over
  )
  SELECT 'pipeline', m.id, NULL::uuid, m.status, m.version, NULL::text, NULL::timestamptz, NULL::text
  FROM moved AS m
  WHERE m.is_over;
END
$penstock$;

REVOKE ALL ON FUNCTION penstock.end_pipelines(uuid[], text, timestamptz) FROM PUBLIC;
