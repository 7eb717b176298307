-- Resumes executions that are paused or deferred.
CREATE OR REPLACE FUNCTION penstock.resume(
  ids uuid[], actor text DEFAULT session_user, ring_grace interval DEFAULT interval '0')
RETURNS SETOF penstock.effect
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET row_security = off SET jit = off
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $penstock$
DECLARE
  moment timestamptz := penstock.now();
  held uuid[];
BEGIN
  -- lock the pipelines, by id
  PERFORM FROM penstock.pipeline_executions p
  WHERE p.id = ANY (ARRAY (SELECT e.pipeline_execution_id FROM penstock.task_executions e WHERE e.id = ANY (ids)))
  ORDER BY p.id
  FOR NO KEY UPDATE;

  -- lock what may move, by id
  held := ARRAY (
    SELECT e.id
    FROM penstock.task_executions e
    WHERE e.id = ANY (ids) AND e.status IN ('paused', 'deferred')
    ORDER BY e.id
    FOR NO KEY UPDATE);

  RETURN QUERY SELECT * FROM penstock.resume_locked(held, actor, moment, ring_grace);
END
$penstock$;

COMMENT ON FUNCTION penstock.resume(uuid[], text, interval) IS
'Resumes executions that are paused or deferred: each is then ready, or waits for what it still needs. Answers one row for each execution that moved (''moved''; available_at is there if it has a doorbell now).
ids: the executions; those in another state stay as they are.
ring_grace: how long a new doorbell waits for the caller to ring it himself.';
REVOKE ALL ON FUNCTION penstock.resume(uuid[], text, interval) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION penstock.resume(uuid[], text, interval) TO penstock_operator;
