-- Settles what a worker holds, each execution in its own way: complete, fail, schedule_retry, defer, release, or start the next.
-- A settlement moves its execution only under its lease. One that this lease has made before answers the same again.
CREATE OR REPLACE FUNCTION penstock.settle(settlements jsonb, actor text DEFAULT session_user, ring_grace interval DEFAULT interval '0')
RETURNS SETOF penstock.effect
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET row_security = off SET jit = off
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $penstock$
#variable_conflict use_column
DECLARE
  moment timestamptz := penstock.now();
  pipelines uuid[];
  held penstock.settlement[];
  moved penstock.effect[];
  ended uuid[];
BEGIN
  -- lock the pipelines, by id
  SELECT array_agg(DISTINCT e.pipeline_execution_id) INTO pipelines
  FROM jsonb_to_recordset(settlements) AS s (id uuid)
  CROSS JOIN LATERAL (SELECT e.pipeline_execution_id FROM penstock.task_executions e WHERE e.id = s.id OFFSET 0) AS e
  WHERE e.pipeline_execution_id IS NOT NULL;
  IF pipelines IS NOT NULL THEN
    PERFORM FROM penstock.pipeline_executions p WHERE p.id = ANY (pipelines) ORDER BY p.id FOR NO KEY UPDATE;
  END IF;

  -- lock what may move, by id
  SELECT array_agg(ROW(s.id, s.verb, s.outcome, s.services_touched, s.suggestions, s.error,
      coalesce(s.due, moment + make_interval(secs => s.delay_seconds)), s.data, e.ctid)::penstock.settlement)
  INTO held
  FROM (
    SELECT DISTINCT ON (id, lease) *
    FROM ROWS FROM (jsonb_to_recordset(settlements) AS (
      id uuid, lease uuid, verb text, outcome jsonb, services_touched text[], suggestions jsonb, error text,
      due timestamptz, delay_seconds double precision, data jsonb)) WITH ORDINALITY AS s
    ORDER BY id, lease, ordinality
  ) AS s
  CROSS JOIN LATERAL (
    SELECT e.ctid
    FROM penstock.task_executions e
    WHERE e.id = s.id AND e.lease = s.lease
      AND CASE s.verb
        WHEN 'complete' THEN e.status = 'running'
        WHEN 'fail' THEN e.status IN ('claimed', 'running')
        WHEN 'schedule_retry' THEN e.status IN ('claimed', 'running') AND e.attempt < e.max_attempts
        WHEN 'defer' THEN e.status = 'running'
        WHEN 'release' THEN e.status = 'claimed'
        WHEN 'start' THEN e.status = 'claimed'
      END
    FOR NO KEY UPDATE
  ) AS e;

  WITH
  -- move it
  moved AS (
    UPDATE penstock.task_executions e
    SET status = CASE h.verb
        WHEN 'complete' THEN 'completed'
        WHEN 'fail' THEN 'failed'
        WHEN 'schedule_retry' THEN 'ready'
        WHEN 'defer' THEN 'deferred'
        WHEN 'release' THEN 'ready'
        WHEN 'start' THEN 'running'
      END,
      version = e.version + 1,
      updated_at = greatest(moment, e.updated_at),
      attempt = CASE h.verb WHEN 'schedule_retry' THEN e.attempt + 1 ELSE e.attempt END,
      outcome = h.outcome,
      services_touched = h.services_touched,
      suggestions = h.suggestions,
      error = CASE WHEN h.verb IN ('complete', 'fail', 'schedule_retry') THEN h.error ELSE e.error END,
      resume_at = CASE WHEN h.verb IN ('schedule_retry', 'defer') THEN h.due ELSE e.resume_at END,
      started_at = CASE
        WHEN h.verb = 'start' THEN greatest(moment, e.updated_at)
        WHEN h.verb IN ('schedule_retry', 'release') THEN NULL
        ELSE e.started_at END,
      completed_at = CASE WHEN h.verb IN ('complete', 'fail') THEN greatest(moment, e.updated_at) END,
      lease = CASE h.verb WHEN 'start' THEN e.lease END,
      lease_expires_at = CASE h.verb
        WHEN 'start' THEN greatest(moment, e.updated_at) + make_interval(secs => e.timeout_seconds + 30) END,
      settled_lease = CASE h.verb WHEN 'start' THEN e.settled_lease ELSE e.lease END
    FROM unnest(held) AS h
    WHERE e.ctid = h.place AND e.status IN ('claimed', 'running')
    RETURNING e.id, e.pipeline_execution_id, e.status, e.version, e.queue, e.priority, e.traceparent, e.worker_id, e.updated_at,
      greatest(e.resume_at, e.updated_at) AS available_at, h.verb, h.due, h.data
  ),
  -- record it
  recorded AS (
    INSERT INTO penstock.execution_events (
      pipeline_execution_id, task_execution_id, event_type, to_status, version, event_data, worker_id, actor, created_at)
    SELECT m.pipeline_execution_id, m.id,
      CASE m.verb
        WHEN 'complete' THEN 'TaskCompleted'
        WHEN 'fail' THEN 'TaskFailed'
        WHEN 'schedule_retry' THEN 'TaskRetryScheduled'
        WHEN 'defer' THEN 'TaskDeferred'
        WHEN 'release' THEN 'TaskReleased'
        WHEN 'start' THEN 'TaskStarted'
      END,
      m.status, m.version,
      CASE m.verb
        WHEN 'schedule_retry' THEN coalesce(m.data, '{}') || jsonb_build_object('available_at', to_char(m.due AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))
        WHEN 'defer' THEN coalesce(m.data, '{}') || jsonb_build_object('resume_at', to_char(m.due AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))
        ELSE coalesce(m.data, '{}') END,
      m.worker_id, actor, m.updated_at
    FROM moved AS m
  ),
  -- ring what is ready again
  rung AS (
    INSERT INTO penstock.task_outbox (task_execution_id, queue, priority, available_at, ring_at, traceparent, created_at)
    SELECT m.id, m.queue, m.priority, m.available_at, penstock.ring_at(m.available_at, moment, ring_grace), m.traceparent, m.updated_at
    FROM moved AS m
    WHERE m.status = 'ready'
  )
  SELECT array_agg(ROW('moved', m.id, m.pipeline_execution_id, m.status, m.version, m.queue,
      CASE m.status WHEN 'ready' THEN m.available_at END, m.traceparent)::penstock.effect),
    array_agg(m.id) FILTER (WHERE m.status IN ('completed', 'failed') AND m.pipeline_execution_id IS NOT NULL)
  INTO moved, ended
  FROM moved AS m;
  RETURN QUERY SELECT * FROM unnest(moved);

  -- release the children, end the pipelines
  IF ended IS NOT NULL THEN
    RETURN QUERY SELECT * FROM penstock.follow(ended, actor, moment, ring_grace);
  END IF;

  -- answer once more for what this lease has settled before
  IF coalesce(cardinality(held), 0) < jsonb_array_length(settlements) THEN
    RETURN QUERY SELECT * FROM penstock.settled_before(settlements, ARRAY (SELECT h.id FROM unnest(held) AS h));
  END IF;
END
$penstock$;

COMMENT ON FUNCTION penstock.settle(jsonb, text, interval) IS
'Settles what a worker holds, and answers what moved: the executions, the children that were released or skipped, the pipelines that ended.
settlements: [{"id", "lease", "verb": complete, fail, schedule_retry, defer, release or start, and with it "outcome",
"services_touched", "suggestions", "error", "data" for the event, "due" or "delay_seconds"}].
An execution that is not held under that lease, or is not in a state that the verb moves, stays as it is and is not in the answer.
The same call again answers the same.';
REVOKE ALL ON FUNCTION penstock.settle(jsonb, text, interval) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION penstock.settle(jsonb, text, interval) TO penstock_worker;
