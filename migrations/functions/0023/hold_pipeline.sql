-- Locks a pipeline for the verb that follows in the same transaction.
CREATE OR REPLACE FUNCTION penstock.hold_pipeline(id uuid)
RETURNS TABLE (version integer)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET row_security = off SET jit = off
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $penstock$
#variable_conflict use_column
DECLARE
  wanted ALIAS FOR id;
BEGIN
  RETURN QUERY
  SELECT p.version
  FROM penstock.pipeline_executions p
  WHERE p.id = wanted
  FOR NO KEY UPDATE;
END
$penstock$;

COMMENT ON FUNCTION penstock.hold_pipeline(uuid) IS
'Locks a pipeline until the end of the transaction, so that a verb can follow that depends on its version. Answers its version; nothing if there is no such pipeline.';
REVOKE ALL ON FUNCTION penstock.hold_pipeline(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION penstock.hold_pipeline(uuid) TO penstock_client, penstock_operator;
