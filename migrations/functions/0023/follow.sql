-- What follows when executions of pipelines have ended: their children are counted down, and released or skipped as their
-- rules say; then their pipelines. The caller has locked the pipelines.
-- A child is counted down on its own row. Two parents that end at once would each see the other unfinished.
CREATE OR REPLACE FUNCTION penstock.follow(ended uuid[], actor text, moment timestamptz, ring_grace interval)
RETURNS SETOF penstock.effect
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp SET jit = off
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $penstock$
#variable_conflict use_column
DECLARE
  parents uuid[] := ended;
  all_ended uuid[] := ended;
  skipped_by_rule boolean := false;
  waiting uuid[];
  moved penstock.effect[];
BEGIN
  LOOP
    -- lock the children that still wait, by id
    waiting := ARRAY (
      SELECT e.id
      FROM penstock.task_executions e
      WHERE e.id = ANY (ARRAY (SELECT d.child_id FROM penstock.task_dependencies d WHERE d.parent_id = ANY (parents)))
        AND e.status IN ('pending', 'approved', 'paused')
      ORDER BY e.id
      FOR NO KEY UPDATE);
    EXIT WHEN cardinality(waiting) = 0;

    WITH
    -- count down: how many parents of each child have ended now, and how. A step that was skipped because a parent
    -- failed counts as failed
    counted AS (
      SELECT d.child_id AS id, count(*)::integer AS ended,
        (count(*) FILTER (WHERE p.ending = 'succeeded'))::integer AS succeeded,
        (count(*) FILTER (WHERE p.ending = 'failed'))::integer AS failed,
        (count(*) FILTER (WHERE p.ending = 'skipped'))::integer AS skipped
      FROM penstock.task_dependencies d
      CROSS JOIN LATERAL (
        SELECT CASE
          WHEN e.status = 'completed' THEN 'succeeded'
          WHEN e.status IN ('failed', 'cancelled', 'rejected') THEN 'failed'
          WHEN skipped_by_rule AND e.parents_failed > 0
            AND e.trigger_rule IN ('all_success', 'one_success', 'none_failed') THEN 'failed'
          ELSE 'skipped' END AS ending
        FROM penstock.task_executions e
        WHERE e.id = d.parent_id
        OFFSET 0
      ) AS p
      WHERE d.parent_id = ANY (parents)
      GROUP BY d.child_id
    ),
    -- decide: what each child's rule says now
    decided AS MATERIALIZED (
      SELECT e.ctid AS place, c.*, e.left_over,
        CASE
          WHEN e.waiting_on = 0 THEN 'waits'
          WHEN CASE e.trigger_rule
            WHEN 'all_success' THEN e.failed + e.skipped > 0
            WHEN 'all_failed' THEN e.succeeded + e.skipped > 0
            WHEN 'none_failed' THEN e.failed > 0
            WHEN 'one_success' THEN e.left_over = 0 AND e.succeeded = 0
            WHEN 'one_failed' THEN e.left_over = 0 AND e.failed = 0
            ELSE false END THEN 'impossible'
          WHEN CASE e.trigger_rule
            WHEN 'one_success' THEN e.succeeded > 0
            WHEN 'one_failed' THEN e.failed > 0
            ELSE e.left_over = 0 END THEN 'fires'
          ELSE 'waits'
        END AS decision
      FROM counted AS c
      CROSS JOIN LATERAL (
        SELECT e.ctid, e.trigger_rule, e.waiting_on, greatest(e.waiting_on - c.ended, 0) AS left_over,
          e.parents_succeeded + c.succeeded AS succeeded, e.parents_failed + c.failed AS failed,
          e.parents_skipped + c.skipped AS skipped
        FROM penstock.task_executions e
        WHERE e.id = c.id AND e.status IN ('pending', 'approved', 'paused')
        OFFSET 0
      ) AS e
    ),
    -- move it
    moved AS (
      UPDATE penstock.task_executions e
      SET status = CASE
          WHEN d.decision = 'impossible' THEN 'skipped'
          WHEN d.decision = 'fires' AND e.status <> 'paused' AND (e.approved_at IS NOT NULL OR NOT e.requires_approval) THEN 'ready'
          ELSE e.status END,
        version = e.version + CASE
          WHEN d.decision = 'impossible' THEN 1
          WHEN d.decision = 'fires' AND e.status <> 'paused' AND (e.approved_at IS NOT NULL OR NOT e.requires_approval) THEN 1
          ELSE 0 END,
        waiting_on = CASE d.decision WHEN 'fires' THEN 0 ELSE d.left_over END,
        parents_succeeded = e.parents_succeeded + d.succeeded,
        parents_failed = e.parents_failed + d.failed,
        parents_skipped = e.parents_skipped + d.skipped,
        updated_at = greatest(moment, e.updated_at),
        completed_at = CASE d.decision WHEN 'impossible' THEN greatest(moment, e.updated_at) END
      FROM decided AS d
      WHERE e.ctid = d.place AND e.status IN ('pending', 'approved', 'paused')
      RETURNING e.id, e.pipeline_execution_id, e.status, e.version, e.queue, e.priority, e.traceparent, e.updated_at,
        greatest(e.resume_at, e.updated_at) AS available_at,
        e.parents_failed > 0 AND e.trigger_rule IN ('all_success', 'one_success', 'none_failed') AS parent_failed
    ),
    -- record it
    recorded AS (
      INSERT INTO penstock.execution_events (
        pipeline_execution_id, task_execution_id, event_type, to_status, version, event_data, actor, created_at)
      SELECT m.pipeline_execution_id, m.id,
        CASE m.status WHEN 'ready' THEN 'TaskMarkedReady' ELSE 'TaskSkipped' END, m.status, m.version,
        CASE
          WHEN m.status = 'ready' THEN '{}'
          WHEN m.parent_failed THEN '{"because": "a parent failed"}'
          ELSE '{"because": "its trigger rule can no longer hold"}' END::jsonb,
        actor, m.updated_at
      FROM moved AS m
      WHERE m.status IN ('ready', 'skipped')
      ORDER BY m.status, m.id
    ),
    -- ring what is ready
    rung AS (
      INSERT INTO penstock.task_outbox (task_execution_id, queue, priority, available_at, ring_at, traceparent, created_at)
      SELECT m.id, m.queue, m.priority, m.available_at, penstock.ring_at(m.available_at, moment, ring_grace), m.traceparent, m.updated_at
      FROM moved AS m
      WHERE m.status = 'ready'
    ),
    -- remove the pause entries of what was skipped while it was paused
    unpaused AS (
      DELETE FROM penstock.pause_queue
      WHERE task_execution_id = ANY (ARRAY (SELECT m.id FROM moved AS m WHERE m.status = 'skipped'))
    )
    SELECT array_agg(ROW('child', m.id, m.pipeline_execution_id, m.status, m.version, m.queue,
        CASE m.status WHEN 'ready' THEN m.available_at END, m.traceparent)::penstock.effect)
        FILTER (WHERE m.status IN ('ready', 'skipped')),
      coalesce(array_agg(m.id) FILTER (WHERE m.status = 'skipped'), '{}')
    INTO moved, parents
    FROM moved AS m;
    RETURN QUERY SELECT * FROM unnest(moved);

    -- what was skipped has ended too: on with its children
    EXIT WHEN cardinality(parents) = 0;
    all_ended := all_ended || parents;
    skipped_by_rule := true;
  END LOOP;

  RETURN QUERY SELECT * FROM penstock.end_pipelines(all_ended, actor, moment);
END
$penstock$;

REVOKE ALL ON FUNCTION penstock.follow(uuid[], text, timestamptz, interval) FROM PUBLIC;
