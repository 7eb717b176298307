-- Extends leases: never past the end of the run's own time, and never to an earlier moment than before. What is not in the
-- answer is no longer held under its lease.
CREATE OR REPLACE FUNCTION penstock.heartbeat(
  leases jsonb, hold interval)
RETURNS TABLE (id uuid, lease_expires_at timestamptz)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET row_security = off SET jit = off
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $penstock$
#variable_conflict use_column
DECLARE
  moment timestamptz := penstock.now();
  held tid[];
BEGIN
  -- lock what is held under these leases, by id
  held := ARRAY (
    SELECT e.ctid
    FROM (
      SELECT DISTINCT id, lease
      FROM jsonb_to_recordset(leases) AS l (id uuid, lease uuid)
      ORDER BY id
    ) AS l
    CROSS JOIN LATERAL (
      SELECT e.ctid
      FROM penstock.task_executions e
      WHERE e.id = l.id AND e.lease = l.lease AND e.status IN ('claimed', 'running')
      FOR NO KEY UPDATE
    ) AS e);

  -- extend the leases. What is claimed again after a deferral still has the start of its earlier run
  RETURN QUERY
  UPDATE penstock.task_executions e
  SET lease_expires_at = greatest(e.lease_expires_at, least(moment + hold,
      CASE e.status WHEN 'running' THEN e.started_at ELSE moment END + make_interval(secs => e.timeout_seconds + 30))),
    updated_at = greatest(moment, e.updated_at)
  WHERE e.ctid = ANY (held) AND e.status IN ('claimed', 'running')
  RETURNING e.id, e.lease_expires_at;
END
$penstock$;

COMMENT ON FUNCTION penstock.heartbeat(jsonb, interval) IS
'Extends the leases of a worker. Answers one row for each execution that is still held under its lease, with the moment at which the lease expires now; the worker stops working on the others.
leases: a JSON array of objects with id and lease.
hold: for how long from now. A lease never lasts longer than the run may take (timeout_seconds and 30 seconds more), and never ends earlier than before.';
REVOKE ALL ON FUNCTION penstock.heartbeat(jsonb, interval) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION penstock.heartbeat(jsonb, interval) TO penstock_worker;
