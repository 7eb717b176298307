-- Doorbells whose message was refused: why, and when they ring again. One that has been rung since is left alone.
CREATE OR REPLACE FUNCTION penstock.postpone(refused jsonb)
RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET row_security = off SET jit = off
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $penstock$
DECLARE
  moment timestamptz := penstock.now();
  changed integer;
BEGIN
  WITH
  -- lock what was rung last by this drain. One that is locked is being taken, rung or removed: its refusal is no longer news
  same AS MATERIALIZED (
    SELECT o.place, r.error, moment + make_interval(secs => r.delay_seconds) AS ring_at
    FROM jsonb_to_recordset(refused) AS r (task_execution_id uuid, rings integer, error text, delay_seconds double precision)
    CROSS JOIN LATERAL (
      SELECT o.ctid AS place
      FROM penstock.task_outbox o
      WHERE o.task_execution_id = r.task_execution_id AND o.rings = r.rings
      FOR NO KEY UPDATE SKIP LOCKED
    ) AS o
  )
  -- let it ring later
  UPDATE penstock.task_outbox o
  SET ring_at = greatest(s.ring_at, o.available_at), last_error = s.error
  FROM same AS s
  WHERE o.ctid = s.place;
  GET DIAGNOSTICS changed = ROW_COUNT;
  RETURN changed;
END
$penstock$;

COMMENT ON FUNCTION penstock.postpone(jsonb) IS
'Lets doorbells whose message was refused ring again later, and answers how many. One that has been rung, claimed or locked since is left alone.
refused: an array of {"task_execution_id", "rings", "error", "delay_seconds"}, the first two as ring answered them.';
REVOKE ALL ON FUNCTION penstock.postpone(jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION penstock.postpone(jsonb) TO penstock_worker;
