-- Settlements that came before under the same lease, and whose answer the worker may have lost: what they moved, and the
-- doorbells of the children that they released. *moved* is what moved just now.
CREATE OR REPLACE FUNCTION penstock.settled_before(settlements jsonb, moved uuid[])
RETURNS SETOF penstock.effect
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp SET jit = off
AS $penstock$
BEGIN
  RETURN QUERY
  WITH again AS (
    SELECT DISTINCT ON (e.id) e.*
    FROM jsonb_to_recordset(settlements) AS s (id uuid, lease uuid, verb text)
    CROSS JOIN LATERAL (SELECT * FROM penstock.task_executions e WHERE e.id = s.id OFFSET 0) AS e
    WHERE s.id <> ALL (moved)
      AND CASE s.verb
        WHEN 'start' THEN e.lease = s.lease AND e.status = 'running'
        ELSE e.settled_lease = s.lease AND e.status = CASE s.verb
          WHEN 'complete' THEN 'completed'
          WHEN 'fail' THEN 'failed'
          WHEN 'schedule_retry' THEN 'ready'
          WHEN 'defer' THEN 'deferred'
          WHEN 'release' THEN 'ready'
        END
      END
  )
  SELECT 'moved', a.id, a.pipeline_execution_id, a.status, a.version, a.queue, o.available_at, a.traceparent
  FROM again AS a
  LEFT JOIN LATERAL (SELECT o.available_at FROM penstock.task_outbox o WHERE o.task_execution_id = a.id OFFSET 0) AS o ON true
  UNION ALL
  SELECT 'child', c.id, c.pipeline_execution_id, c.status, c.version, c.queue, o.available_at, c.traceparent
  FROM again AS a
  CROSS JOIN LATERAL (SELECT d.child_id FROM penstock.task_dependencies d WHERE d.parent_id = a.id OFFSET 0) AS d
  CROSS JOIN LATERAL (SELECT * FROM penstock.task_executions c WHERE c.id = d.child_id OFFSET 0) AS c
  CROSS JOIN LATERAL (SELECT o.available_at FROM penstock.task_outbox o WHERE o.task_execution_id = c.id OFFSET 0) AS o
  WHERE c.status = 'ready' AND a.status IN ('completed', 'failed');
END
$penstock$;

REVOKE ALL ON FUNCTION penstock.settled_before(jsonb, uuid[]) FROM PUBLIC;
