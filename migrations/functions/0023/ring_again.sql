-- Makes doorbells that are due, but were rung or left to their caller, ring with the next drain.
CREATE OR REPLACE FUNCTION penstock.ring_again(queue text, capacity integer)
RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET row_security = off SET jit = off
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $penstock$
#variable_conflict use_column
DECLARE
  wanted_queue ALIAS FOR queue;
  moment timestamptz := penstock.now();
  silent uuid[];
  changed integer;
BEGIN
  -- lock what is due and would ring later, and pass over what a drain has locked
  silent := ARRAY (
    SELECT o.task_execution_id
    FROM penstock.task_outbox o
    WHERE o.queue = wanted_queue AND o.available_at <= moment AND o.ring_at > moment
    LIMIT capacity
    FOR NO KEY UPDATE SKIP LOCKED);

  -- let it ring now
  UPDATE penstock.task_outbox SET ring_at = moment WHERE task_execution_id = ANY (silent);
  GET DIAGNOSTICS changed = ROW_COUNT;
  RETURN changed;
END
$penstock$;

COMMENT ON FUNCTION penstock.ring_again(text, integer) IS
'Makes doorbells of a queue that are due ring with the next drain, however lately they were rung, and answers how many. For a queue whose messages were lost.
capacity: how many at most.';
REVOKE ALL ON FUNCTION penstock.ring_again(text, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION penstock.ring_again(text, integer) TO penstock_worker;
