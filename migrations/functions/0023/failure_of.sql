-- Why a pipeline failed: the first of its steps that failed and that no other step handles, and its error.
CREATE OR REPLACE FUNCTION penstock.failure_of(pipeline uuid)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp SET jit = off
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $penstock$
BEGIN
  RETURN (
    SELECT left(format('step %s %s%s', e.name, e.status, ': ' || e.error), 10000)
    FROM penstock.task_executions e
    WHERE e.pipeline_execution_id = pipeline AND e.status IN ('failed', 'cancelled', 'rejected') AND NOT e.failure_handled
    ORDER BY e.completed_at, e.id
    LIMIT 1);
END
$penstock$;

REVOKE ALL ON FUNCTION penstock.failure_of(uuid) FROM PUBLIC;
