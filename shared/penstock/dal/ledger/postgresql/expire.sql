-- Ends the leases of workers that are known to be gone. The next sweep takes back what they held.
CREATE OR REPLACE FUNCTION penstock.expire(workers text)
RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET row_security = off SET jit = off
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $penstock$
DECLARE
  moment timestamptz := penstock.now();
  held uuid[];
BEGIN
  IF workers !~ '\S' THEN
    RAISE EXCEPTION USING ERRCODE = 'PS001', MESSAGE = 'workers: is blank',
      HINT = 'Pass what the names of the workers that are gone begin with.';
  END IF;

  -- lock what they hold, by id
  held := ARRAY (
    SELECT e.id
    FROM penstock.task_executions e
    WHERE e.id = ANY (ARRAY (SELECT e.id FROM penstock.task_executions e WHERE e.lease_expires_at > moment))
      AND e.lease_expires_at > moment AND e.status IN ('claimed', 'running') AND starts_with(e.worker_id, workers)
    ORDER BY e.id
    FOR NO KEY UPDATE);

  -- end their leases
  UPDATE penstock.task_executions e
  SET lease_expires_at = moment, updated_at = greatest(moment, e.updated_at)
  WHERE e.id = ANY (held) AND e.status IN ('claimed', 'running');

  RETURN cardinality(held);
END
$penstock$;

COMMENT ON FUNCTION penstock.expire(text) IS
'Ends the leases of workers that are known to be gone, so that the next recover takes back what they held. Answers how many leases it ended. A worker that is not gone after all can no longer settle what it held.
workers: what the names of these workers begin with.';
REVOKE ALL ON FUNCTION penstock.expire(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION penstock.expire(text) TO penstock_operator;
