-- Pipelines that an earlier call has started, and their steps, as they are now.
CREATE OR REPLACE FUNCTION penstock.started_before(pipelines jsonb)
RETURNS SETOF penstock.effect
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp SET jit = off
AS $penstock$
BEGIN
  RETURN QUERY
  SELECT 'moved', e.id, e.pipeline_execution_id, e.status, e.version, e.queue, o.available_at, e.traceparent
  FROM jsonb_to_recordset(pipelines) AS x (id uuid)
  CROSS JOIN LATERAL (SELECT * FROM penstock.task_executions e WHERE e.pipeline_execution_id = x.id OFFSET 0) AS e
  LEFT JOIN LATERAL (SELECT o.available_at FROM penstock.task_outbox o WHERE o.task_execution_id = e.id OFFSET 0) AS o ON true
  UNION ALL
  SELECT 'pipeline', p.id, NULL, p.status, p.version, NULL, NULL, NULL
  FROM jsonb_to_recordset(pipelines) AS x (id uuid)
  CROSS JOIN LATERAL (SELECT * FROM penstock.pipeline_executions p WHERE p.id = x.id OFFSET 0) AS p;
END
$penstock$;

REVOKE ALL ON FUNCTION penstock.started_before(jsonb) FROM PUBLIC;
