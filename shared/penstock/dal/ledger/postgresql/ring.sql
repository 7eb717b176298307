-- Takes the doorbells of a queue that are due to be rung. Each is due again after a while: a lost message needs nobody to notice.
CREATE OR REPLACE FUNCTION penstock.ring(queue text, capacity integer)
RETURNS TABLE (task_execution_id uuid, bell_queue text, priority integer, rings integer, traceparent text, task_type text)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET row_security = off SET jit = off
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $penstock$
#variable_conflict use_column
DECLARE
  wanted_queue ALIAS FOR queue;
  moment timestamptz := penstock.now();
  due uuid[];
BEGIN
  -- lock what is due, and pass over what another drain has locked
  due := ARRAY (
    SELECT o.task_execution_id
    FROM penstock.task_outbox o
    CROSS JOIN LATERAL (
      SELECT FROM penstock.task_executions e
      WHERE e.id = o.task_execution_id AND e.status = 'ready'
        AND (e.pipeline_execution_id IS NULL OR EXISTS (
          SELECT FROM penstock.pipeline_executions w
          WHERE w.id = e.pipeline_execution_id AND w.status = 'running' OFFSET 0))
      OFFSET 0
    ) AS e
    WHERE o.queue = wanted_queue AND o.ring_at <= moment
    ORDER BY o.ring_at
    LIMIT capacity
    FOR NO KEY UPDATE OF o SKIP LOCKED);

  RETURN QUERY
  WITH
  -- let it ring again after 5 minutes, then 10, 20, 40, and an hour each time
  rung AS (
    UPDATE penstock.task_outbox o
    SET rings = o.rings + 1,
      ring_at = moment + CASE o.rings
        WHEN 0 THEN interval '5 minutes'
        WHEN 1 THEN interval '10 minutes'
        WHEN 2 THEN interval '20 minutes'
        WHEN 3 THEN interval '40 minutes'
        ELSE interval '1 hour' END
    WHERE o.task_execution_id = ANY (due)
    RETURNING o.id, o.task_execution_id, o.queue, o.priority, o.rings, o.traceparent
  )
  SELECT r.task_execution_id, r.queue, r.priority, r.rings, r.traceparent, e.task_type
  FROM rung AS r
  CROSS JOIN LATERAL (SELECT e.task_type FROM penstock.task_executions e WHERE e.id = r.task_execution_id OFFSET 0) AS e
  ORDER BY r.priority, r.id;
END
$penstock$;

COMMENT ON FUNCTION penstock.ring(text, integer) IS
'Takes doorbells of a queue that are due to be rung, the longest due first, and answers what their messages say, by priority. Passes over those that another drain has locked, and those whose pipeline is paused. Each rings again by itself after 5 minutes, then 10, 20, 40 and an hour, until its execution is claimed.
capacity: how many at most.';
REVOKE ALL ON FUNCTION penstock.ring(text, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION penstock.ring(text, integer) TO penstock_worker;
