-- Starts what was claimed.
CREATE OR REPLACE FUNCTION penstock.start(leases jsonb, actor text DEFAULT session_user)
RETURNS SETOF penstock.effect
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET row_security = off SET jit = off
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $penstock$
BEGIN
  RETURN QUERY
  SELECT *
  FROM penstock.settle(
    (SELECT coalesce(jsonb_agg(l || '{"verb": "start"}'), '[]') FROM jsonb_array_elements(leases) AS l), actor);
END
$penstock$;

COMMENT ON FUNCTION penstock.start(jsonb, text) IS
'Starts executions that were claimed. Answers one row for each that runs under its lease now (''moved'').
leases: a JSON array of objects with id and lease.';
REVOKE ALL ON FUNCTION penstock.start(jsonb, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION penstock.start(jsonb, text) TO penstock_worker;
