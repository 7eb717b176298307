-- Resumes deferred executions whose moment has come, the longest overdue first. Passes over what others have locked.
CREATE OR REPLACE FUNCTION penstock.resume_deferred(
  actor text DEFAULT session_user, capacity integer DEFAULT 100, ring_grace interval DEFAULT interval '0')
RETURNS SETOF penstock.effect
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET row_security = off SET jit = off
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $penstock$
DECLARE
  moment timestamptz := penstock.now();
  held uuid[];
BEGIN
  -- lock what is due
  held := ARRAY (
    SELECT e.id
    FROM penstock.task_executions e
    WHERE e.status = 'deferred' AND e.resume_at <= moment
    ORDER BY e.resume_at
    LIMIT capacity
    FOR NO KEY UPDATE SKIP LOCKED);

  RETURN QUERY SELECT * FROM penstock.resume_locked(held, actor, moment, ring_grace);
END
$penstock$;

COMMENT ON FUNCTION penstock.resume_deferred(text, integer, interval) IS
'Resumes deferred executions whose moment has come, the longest overdue first. What others have locked is left for the next call. Answers one row for each execution that moved (''moved''; available_at is there if it has a doorbell now).
capacity: how many at most.
ring_grace: how long a new doorbell waits for the caller to ring it himself.';
REVOKE ALL ON FUNCTION penstock.resume_deferred(text, integer, interval) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION penstock.resume_deferred(text, integer, interval) TO penstock_worker;
