-- Gives back what was claimed and has not been started.
CREATE OR REPLACE FUNCTION penstock.release(
  leases jsonb, actor text DEFAULT session_user, ring_grace interval DEFAULT interval '0')
RETURNS SETOF penstock.effect
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET row_security = off SET jit = off
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $penstock$
BEGIN
  RETURN QUERY
  SELECT *
  FROM penstock.settle(
    (SELECT coalesce(jsonb_agg(l || '{"verb": "release"}'), '[]') FROM jsonb_array_elements(leases) AS l), actor, ring_grace);
END
$penstock$;

COMMENT ON FUNCTION penstock.release(jsonb, text, interval) IS
'Gives back executions that were claimed and not started: they are ready again. Answers one row for each execution that moved (''moved''; available_at is there if it has a doorbell now).
leases: a JSON array of objects with id and lease.
ring_grace: how long a new doorbell waits for the caller to ring it himself.';
REVOKE ALL ON FUNCTION penstock.release(jsonb, text, interval) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION penstock.release(jsonb, text, interval) TO penstock_worker;
