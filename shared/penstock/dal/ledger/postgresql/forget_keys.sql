-- Deletes idempotency keys that have expired, the oldest first.
CREATE OR REPLACE FUNCTION penstock.forget_keys(capacity integer)
RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET row_security = off SET jit = off
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $penstock$
DECLARE
  moment timestamptz := penstock.now();
  expired tid[];
  gone integer;
BEGIN
  -- lock what has expired, and pass over what is being taken again
  expired := ARRAY (
    SELECT k.ctid
    FROM penstock.idempotency_keys k
    WHERE k.expires_at <= moment
    ORDER BY k.expires_at
    LIMIT capacity
    FOR NO KEY UPDATE SKIP LOCKED);

  -- delete it
  DELETE FROM penstock.idempotency_keys k WHERE k.ctid = ANY (expired);
  GET DIAGNOSTICS gone = ROW_COUNT;
  RETURN gone;
END
$penstock$;

COMMENT ON FUNCTION penstock.forget_keys(integer) IS
'Deletes idempotency keys that have expired, the oldest first, and answers how many. Passes over those that somebody is taking again.
capacity: how many at most.';
REVOKE ALL ON FUNCTION penstock.forget_keys(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION penstock.forget_keys(integer) TO penstock_purger;
