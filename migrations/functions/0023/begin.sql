-- Claims those of these executions that are due, and starts them, in one call.
CREATE OR REPLACE FUNCTION penstock.begin(worker text, ids uuid[], actor text DEFAULT NULL)
RETURNS SETOF penstock.job
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET row_security = off SET jit = off
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $penstock$
BEGIN
  RETURN QUERY SELECT * FROM penstock.claim(worker => worker, ids => ids, starting => true, actor => actor);
END
$penstock$;

COMMENT ON FUNCTION penstock.begin(text, uuid[], text) IS
'Claims those of these executions that are due, and starts them, in one call. Answers them as a worker needs them, each with its lease. The same as claim with starting.
worker: the name of the worker.
actor: who acts; the worker, unless another one is named.';
REVOKE ALL ON FUNCTION penstock.begin(text, uuid[], text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION penstock.begin(text, uuid[], text) TO penstock_worker;
