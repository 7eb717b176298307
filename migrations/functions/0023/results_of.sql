-- The output of a pipeline: the results of its completed leaves, by name; when that is more than a payload may be, a hint
-- instead.
CREATE OR REPLACE FUNCTION penstock.results_of(pipeline uuid)
RETURNS jsonb
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp SET jit = off
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $penstock$
DECLARE
  results jsonb;
BEGIN
  SELECT jsonb_object_agg(e.name, e.outcome) INTO results
  FROM penstock.task_executions e
  WHERE e.pipeline_execution_id = pipeline AND e.status = 'completed'
    AND NOT EXISTS (SELECT FROM penstock.task_dependencies d WHERE d.parent_id = e.id OFFSET 0);
  IF octet_length(results::text) > 262144 THEN
    RETURN jsonb_build_object('omitted', 'the results are larger than 256 KiB; read them from the steps');
  END IF;
  RETURN coalesce(results, '{}');
END
$penstock$;

REVOKE ALL ON FUNCTION penstock.results_of(uuid) FROM PUBLIC;
