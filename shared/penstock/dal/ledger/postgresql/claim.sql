-- Gives due executions to a worker: the best of a queue, passing over what others have locked, or those of *ids* that are due.
CREATE OR REPLACE FUNCTION penstock.claim(
  worker text,
  queue text DEFAULT NULL,
  ids uuid[] DEFAULT NULL,
  capacity integer DEFAULT 1,
  hold interval DEFAULT interval '5 minutes',
  starting boolean DEFAULT false,
  actor text DEFAULT NULL
) RETURNS SETOF penstock.job
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET row_security = off SET jit = off
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $penstock$
#variable_conflict use_column
DECLARE
  wanted_queue ALIAS FOR queue;
  moment timestamptz := penstock.now();
  token uuid := gen_random_uuid();
  chosen uuid[];
BEGIN
  -- lock what is due. A doorbell may be an older one than the execution's state: due time and state are read from the row
  IF ids IS NULL THEN
    chosen := ARRAY (
      SELECT best.id
      FROM (VALUES (1), (2), (3), (4), (5)) AS p (priority)
      CROSS JOIN LATERAL (
        SELECT e.id
        FROM penstock.task_outbox o
        CROSS JOIN LATERAL (
          SELECT e.id
          FROM penstock.task_executions e
          WHERE e.id = o.task_execution_id AND e.status = 'ready' AND (e.resume_at IS NULL OR e.resume_at <= moment)
            AND (e.pipeline_execution_id IS NULL OR EXISTS (
              SELECT FROM penstock.pipeline_executions w
              WHERE w.id = e.pipeline_execution_id AND w.status = 'running' OFFSET 0))
          FOR NO KEY UPDATE SKIP LOCKED
        ) AS e
        WHERE o.queue = wanted_queue AND o.priority = p.priority AND o.available_at <= moment
        ORDER BY o.available_at, o.id
        LIMIT capacity
        FOR NO KEY UPDATE OF o SKIP LOCKED
      ) AS best
      LIMIT capacity);
  ELSE
    chosen := ARRAY (
      SELECT e.id
      FROM penstock.task_executions e
      WHERE e.id = ANY (ids) AND e.status = 'ready' AND (e.resume_at IS NULL OR e.resume_at <= moment)
        AND EXISTS (
          SELECT FROM penstock.task_outbox o WHERE o.task_execution_id = e.id AND o.available_at <= moment OFFSET 0)
        AND (e.pipeline_execution_id IS NULL OR EXISTS (
          SELECT FROM penstock.pipeline_executions w
          WHERE w.id = e.pipeline_execution_id AND w.status = 'running' OFFSET 0))
      ORDER BY e.id
      FOR NO KEY UPDATE);
  END IF;

  RETURN QUERY
  WITH
  -- move it
  moved AS (
    UPDATE penstock.task_executions e
    SET status = CASE WHEN starting THEN 'running' ELSE 'claimed' END,
      version = e.version + CASE WHEN starting THEN 2 ELSE 1 END,
      updated_at = greatest(moment, e.updated_at),
      lease = token,
      lease_expires_at = CASE
        WHEN starting THEN greatest(moment, e.updated_at) + make_interval(secs => e.timeout_seconds + 30)
        ELSE moment + hold END,
      worker_id = worker,
      resume_at = NULL,
      started_at = CASE WHEN starting THEN greatest(moment, e.updated_at) ELSE e.started_at END
    WHERE e.id = ANY (chosen) AND e.status = 'ready'
    RETURNING e.*
  ),
  -- record it
  recorded AS (
    INSERT INTO penstock.execution_events (
      pipeline_execution_id, task_execution_id, event_type, to_status, version, worker_id, actor, created_at)
    SELECT m.pipeline_execution_id, m.id, 'TaskClaimed', 'claimed', m.version - starting::integer, worker,
      coalesce(actor, worker), m.updated_at
    FROM moved AS m
    UNION ALL
    SELECT m.pipeline_execution_id, m.id, 'TaskStarted', 'running', m.version, worker, coalesce(actor, worker), m.updated_at
    FROM moved AS m
    WHERE starting
  ),
  -- unring
  unrung AS (
    DELETE FROM penstock.task_outbox WHERE task_execution_id = ANY (chosen)
  )
  SELECT m.id, m.lease, m.pipeline_execution_id, m.task_id, m.name, m.task_type, m.queue, m.status, m.config, m.metadata,
    m.workspace_path, m.priority, m.attempt, m.max_attempts, m.retry, m.timeout_seconds, m.lease_expires_at, m.traceparent,
    m.created_at, m.version
  FROM moved AS m;
END
$penstock$;

COMMENT ON FUNCTION penstock.claim(text, text, uuid[], integer, interval, boolean, text) IS
'Gives due executions to a worker, and answers them as it needs them. Each is held under the lease in its row until lease_expires_at.
worker: its name, which goes on record.
queue: the best of this queue, by priority and then by age; or ids: those of these executions that are due.
capacity: how many at the most of a queue.
hold: for how long they are held before they start.
starting: claims and starts in one step; the lease then ends 30 seconds after the time-out of the run.
What others have locked is passed over in a queue, and waited for where ids name it.';
REVOKE ALL ON FUNCTION penstock.claim(text, text, uuid[], integer, interval, boolean, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION penstock.claim(text, text, uuid[], integer, interval, boolean, text) TO penstock_worker;
