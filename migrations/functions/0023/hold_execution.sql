-- Locks an execution, and its pipeline before it, for the verb that follows in the same transaction.
CREATE OR REPLACE FUNCTION penstock.hold_execution(id uuid)
RETURNS TABLE (version integer)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET row_security = off SET jit = off
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $penstock$
#variable_conflict use_column
DECLARE
  wanted ALIAS FOR id;
BEGIN
  -- lock the pipeline
  PERFORM FROM penstock.pipeline_executions p
  WHERE p.id = (SELECT e.pipeline_execution_id FROM penstock.task_executions e WHERE e.id = wanted)
  FOR NO KEY UPDATE;

  -- lock the execution
  RETURN QUERY
  SELECT e.version
  FROM penstock.task_executions e
  WHERE e.id = wanted
  FOR NO KEY UPDATE;
END
$penstock$;

COMMENT ON FUNCTION penstock.hold_execution(uuid) IS
'Locks an execution, and its pipeline, until the end of the transaction, so that a verb can follow that depends on its version. Answers its version; nothing if there is no such execution.';
REVOKE ALL ON FUNCTION penstock.hold_execution(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION penstock.hold_execution(uuid) TO penstock_client, penstock_worker, penstock_operator;
