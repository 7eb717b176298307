-- Resumes executions whose pause is over, the best first. A manual pause without a time is never over. Passes over what
-- others have locked.
CREATE OR REPLACE FUNCTION penstock.resume_paused(
  actor text, capacity integer, ring_grace interval DEFAULT interval '0')
RETURNS SETOF penstock.effect
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET row_security = off SET jit = off
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $penstock$
DECLARE
  moment timestamptz := penstock.now();
  held uuid[];
BEGIN
  -- lock what is over, by priority and age
  held := ARRAY (
    SELECT e.id
    FROM penstock.pause_queue q
    CROSS JOIN LATERAL (
      SELECT e.id
      FROM penstock.task_executions e
      WHERE e.id = q.task_execution_id AND e.status = 'paused'
      FOR NO KEY UPDATE SKIP LOCKED
    ) AS e
    WHERE q.resume_after <= moment OR q.resume_after IS NULL AND q.reason = 'insufficient_capacity'
    ORDER BY q.priority, q.paused_at, q.id
    LIMIT capacity
    FOR NO KEY UPDATE OF q SKIP LOCKED);

  RETURN QUERY SELECT * FROM penstock.resume_locked(held, actor, moment, ring_grace);
END
$penstock$;

COMMENT ON FUNCTION penstock.resume_paused(text, integer, interval) IS
'Resumes executions whose pause is over, by priority and age: its time has come, or it had none and waits for capacity only. A manual pause without a time stays. What others have locked is left for the next call. Answers one row for each execution that moved (''moved''; available_at is there if it has a doorbell now).
capacity: how many at most.
ring_grace: how long a new doorbell waits for the caller to ring it himself.';
REVOKE ALL ON FUNCTION penstock.resume_paused(text, integer, interval) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION penstock.resume_paused(text, integer, interval) TO penstock_worker;
