-- Deletes whole histories of what ended before the cutoff, the oldest first, in one bounded step that is on record in purge_log.
-- A history is a single execution or a whole pipeline, with its events and everything that refers to it. Live and held work stays.
CREATE OR REPLACE FUNCTION penstock.delete_older_than(cutoff timestamptz, capacity integer, actor text DEFAULT session_user)
RETURNS TABLE (task_executions integer, pipeline_executions integer, events integer, position_at timestamptz, position_id uuid)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET row_security = off SET jit = off
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $penstock$
#variable_conflict use_column
DECLARE
  wanted_cutoff ALIAS FOR cutoff;
  moment timestamptz := penstock.now();
  log uuid := penstock.uuid7();
  place_at timestamptz := '-infinity';
  place_id uuid := '00000000-0000-0000-0000-000000000000';
  last record;
  history record;
  total bigint;
  jobs uuid[];
  pipelines uuid[];
  tasks uuid[];
  fingerprint text;
  deleted_events integer;
  gone integer;
BEGIN
  IF cutoff > moment THEN
    RAISE EXCEPTION USING ERRCODE = 'PS001', MESSAGE = 'cutoff: lies in the future',
      HINT = 'Pass a moment in the past: only what ended before it is deleted.';
  END IF;
  PERFORM penstock.check_range('capacity', coalesce(capacity, 0), 1, 20000);

  -- go on where the last step with this cutoff stopped
  SELECT l.position_at, l.position_id INTO last
  FROM penstock.purge_log l
  WHERE l.cutoff = wanted_cutoff AND l.closed_at IS NOT NULL AND l.position_at IS NOT NULL
  ORDER BY l.position_at DESC, l.position_id DESC
  LIMIT 1;
  IF FOUND THEN
    place_at := last.position_at;
    place_id := last.position_id;
  END IF;

  LOOP
    -- choose the oldest that nobody holds: as many as fit into the capacity, and at least one
    total := 0;
    jobs := '{}';
    pipelines := '{}';
    FOR history IN
      SELECT * FROM (
        SELECT 'job' AS kind, e.id, e.completed_at, 1::bigint AS size
        FROM penstock.task_executions e
        WHERE e.completed_at < wanted_cutoff AND (e.completed_at, e.id) > (place_at, place_id)
          AND e.pipeline_execution_id IS NULL
          AND NOT EXISTS (
            SELECT FROM penstock.holds h WHERE h.task_execution_id = e.id AND h.released_at IS NULL OFFSET 0)
        ORDER BY e.completed_at, e.id
        LIMIT capacity
      ) AS jobs
      UNION ALL
      SELECT * FROM (
        SELECT 'pipeline', w.id, w.completed_at, t.size
        FROM penstock.pipeline_executions w
        CROSS JOIN LATERAL (
          SELECT count(*) AS size,
            bool_or(e.completed_at IS NULL OR e.completed_at >= wanted_cutoff OR EXISTS (
              SELECT FROM penstock.holds h WHERE h.task_execution_id = e.id AND h.released_at IS NULL OFFSET 0)) AS stays
          FROM penstock.task_executions e
          WHERE e.pipeline_execution_id = w.id
        ) AS t
        WHERE w.completed_at < wanted_cutoff AND (w.completed_at, w.id) > (place_at, place_id) AND t.stays IS NOT TRUE
          AND NOT EXISTS (
            SELECT FROM penstock.holds h WHERE h.pipeline_execution_id = w.id AND h.released_at IS NULL OFFSET 0)
        ORDER BY w.completed_at, w.id
        LIMIT capacity
      ) AS pipelines
      ORDER BY completed_at, id
    LOOP
      EXIT WHEN total > 0 AND total + history.size > capacity;
      total := total + history.size;
      IF history.kind = 'job' THEN
        jobs := jobs || history.id;
      ELSE
        pipelines := pipelines || history.id;
      END IF;
      place_at := history.completed_at;
      place_id := history.id;
    END LOOP;
    IF jobs = '{}' AND pipelines = '{}' THEN
      RETURN;
    END IF;

    -- lock them. Plain, against the rule: who adds to a history by a foreign key waits, or his history is passed over
    pipelines := ARRAY (
      SELECT w.id FROM penstock.pipeline_executions w WHERE w.id = ANY (pipelines) FOR UPDATE SKIP LOCKED);
    tasks := ARRAY (
      SELECT e.id
      FROM unnest(pipelines) AS p (id)
      CROSS JOIN LATERAL (
        SELECT e.id FROM penstock.task_executions e WHERE e.pipeline_execution_id = p.id FOR UPDATE SKIP LOCKED) AS e);
    jobs := ARRAY (
      SELECT e.id FROM penstock.task_executions e WHERE e.id = ANY (jobs) FOR UPDATE SKIP LOCKED);

    -- leave those that are locked in part, or have been held since
    pipelines := ARRAY (
      SELECT p.id
      FROM unnest(pipelines) AS p (id)
      WHERE NOT EXISTS (
          SELECT FROM penstock.holds h WHERE h.pipeline_execution_id = p.id AND h.released_at IS NULL OFFSET 0)
        AND NOT EXISTS (
          SELECT FROM penstock.task_executions e
          WHERE e.pipeline_execution_id = p.id AND (e.id <> ALL (tasks) OR EXISTS (
            SELECT FROM penstock.holds h WHERE h.task_execution_id = e.id AND h.released_at IS NULL OFFSET 0))
          OFFSET 0));
    jobs := ARRAY (
      SELECT j.id
      FROM unnest(jobs) AS j (id)
      WHERE NOT EXISTS (
        SELECT FROM penstock.holds h WHERE h.task_execution_id = j.id AND h.released_at IS NULL OFFSET 0));
    EXIT WHEN jobs <> '{}' OR pipelines <> '{}';
  END LOOP;
  tasks := jobs || ARRAY (
    SELECT e.id
    FROM unnest(pipelines) AS p (id)
    CROSS JOIN LATERAL (
      SELECT e.id FROM penstock.task_executions e WHERE e.pipeline_execution_id = p.id OFFSET 0) AS e);

  -- open the record, which lets the guards pass what follows
  INSERT INTO penstock.purge_log (id, actor, cutoff, opened_at) VALUES (log, actor, cutoff, moment);

  -- take the fingerprint of what goes: kinds, ids and last versions, the oldest first
  SELECT encode(sha256(convert_to(string_agg(format('%s %s %s', h.kind, h.id, h.version), E'\n' ORDER BY h.completed_at, h.id),
    'UTF8')), 'hex')
  INTO fingerprint
  FROM (
    SELECT 'job' AS kind, e.id, e.version, e.completed_at FROM penstock.task_executions e WHERE e.id = ANY (jobs)
    UNION ALL
    SELECT 'pipeline', w.id, w.version, w.completed_at FROM penstock.pipeline_executions w WHERE w.id = ANY (pipelines)
  ) AS h;

  -- delete the histories, leaves first. Each partial index is named by its predicate
  DELETE FROM penstock.execution_events v WHERE v.task_execution_id = ANY (tasks) AND v.task_execution_id IS NOT NULL;
  GET DIAGNOSTICS deleted_events = ROW_COUNT;
  DELETE FROM penstock.execution_events v
  WHERE v.pipeline_execution_id = ANY (pipelines) AND v.pipeline_execution_id IS NOT NULL;
  GET DIAGNOSTICS gone = ROW_COUNT;
  deleted_events := deleted_events + gone;
  DELETE FROM penstock.tool_executions t WHERE t.task_execution_id = ANY (tasks);
  DELETE FROM penstock.annotations a WHERE a.task_execution_id = ANY (tasks) AND a.task_execution_id IS NOT NULL;
  DELETE FROM penstock.annotations a
  WHERE a.pipeline_execution_id = ANY (pipelines) AND a.pipeline_execution_id IS NOT NULL;
  DELETE FROM penstock.holds h WHERE h.task_execution_id = ANY (tasks) AND h.task_execution_id IS NOT NULL;
  DELETE FROM penstock.holds h WHERE h.pipeline_execution_id = ANY (pipelines) AND h.pipeline_execution_id IS NOT NULL;
  DELETE FROM penstock.task_dependencies d WHERE d.child_id = ANY (tasks);

  -- and what has no business there any more, but would keep its execution for good
  DELETE FROM penstock.task_dependencies d WHERE d.parent_id = ANY (tasks);
  DELETE FROM penstock.task_outbox o WHERE o.task_execution_id = ANY (tasks);
  DELETE FROM penstock.pause_queue q WHERE q.task_execution_id = ANY (tasks);
  UPDATE penstock.slots s SET holder = NULL, taken_at = NULL WHERE s.holder = ANY (tasks) AND s.holder IS NOT NULL;

  DELETE FROM penstock.task_executions e WHERE e.id = ANY (tasks);
  DELETE FROM penstock.pipeline_executions w WHERE w.id = ANY (pipelines);

  -- close the record
  RETURN QUERY
  UPDATE penstock.purge_log l
  SET closed_at = moment, digest = fingerprint, position_at = place_at, position_id = place_id,
    task_executions = cardinality(tasks), pipeline_executions = cardinality(pipelines), events = deleted_events
  WHERE l.id = log
  RETURNING l.task_executions, l.pipeline_executions, l.events, l.position_at, l.position_id;
END
$penstock$;

COMMENT ON FUNCTION penstock.delete_older_than(timestamptz, integer, text) IS
'Deletes whole histories of what ended before the cutoff, the oldest first, in one bounded step that is on record in purge_log. Answers one row: how many task executions, pipelines and events it deleted, and up to where. No row: nothing is left; call it again until then. Passes over live and held work, and histories that somebody is adding to. What refers to a deleted execution by mistake, such as a doorbell or a slot, goes with it.
cutoff: a moment in the past. All steps with the same cutoff are one run.
capacity: about how many task executions, from 1 to 20,000. A pipeline that is larger goes by itself.
actor: who goes on record as having deleted them.';
REVOKE ALL ON FUNCTION penstock.delete_older_than(timestamptz, integer, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION penstock.delete_older_than(timestamptz, integer, text) TO penstock_purger;
