-- Writes an event that is no move, such as an operator's note. It has no version, because nothing changed.
CREATE OR REPLACE FUNCTION penstock.note(
  event_type text,
  task_execution_id uuid DEFAULT NULL,
  pipeline_execution_id uuid DEFAULT NULL,
  event_data jsonb DEFAULT '{}',
  worker_id text DEFAULT NULL,
  actor text DEFAULT session_user
) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET row_security = off SET jit = off
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $penstock$
DECLARE
  moment timestamptz := penstock.now();
  home uuid := pipeline_execution_id;
  place bigint;
BEGIN
  -- refuse what is no note, and notes about nothing
  IF event_type NOT IN ('TaskNoted', 'PipelineNoted') THEN
    RAISE EXCEPTION USING ERRCODE = 'PS001', MESSAGE = format('event_type: is %L', event_type),
      HINT = 'Only TaskNoted and PipelineNoted can be written; the other events are written by the verbs.';
  END IF;
  PERFORM penstock.check_payload('event_data', event_data);

  -- lock what it is about as a foreign key would: claims pass, and a purge leaves this history until the note is committed
  IF pipeline_execution_id IS NOT NULL THEN
    PERFORM FROM penstock.pipeline_executions p WHERE p.id = pipeline_execution_id FOR KEY SHARE;
    IF NOT FOUND THEN
      RAISE EXCEPTION USING ERRCODE = 'PS002',
        MESSAGE = format('pipeline_execution_id: there is no pipeline %s', pipeline_execution_id),
        HINT = 'Pass the id of a pipeline that has not been purged.';
    END IF;
  END IF;

  -- what is about a step of a pipeline belongs to the history of that pipeline, whether the caller says so or not
  IF task_execution_id IS NOT NULL THEN
    SELECT coalesce(e.pipeline_execution_id, home) INTO home
    FROM penstock.task_executions e WHERE e.id = task_execution_id FOR KEY SHARE;
    IF NOT FOUND THEN
      RAISE EXCEPTION USING ERRCODE = 'PS002',
        MESSAGE = format('task_execution_id: there is no execution %s', task_execution_id),
        HINT = 'Pass the id of an execution that has not been purged.';
    END IF;
  ELSIF home IS NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'PS001', MESSAGE = 'task_execution_id: is missing',
      HINT = 'Pass the id of an execution, of a pipeline, or both.';
  END IF;

  -- record it
  INSERT INTO penstock.execution_events (
    pipeline_execution_id, task_execution_id, event_type, event_data, worker_id, actor, created_at)
  VALUES (home, task_execution_id, event_type, event_data, worker_id, actor, moment)
  RETURNING sequence_num INTO place;
  RETURN place;
END
$penstock$;

COMMENT ON FUNCTION penstock.note(text, uuid, uuid, jsonb, text, text) IS
'Writes an event that is no move, and answers its place in the sequence of all events.
event_type: TaskNoted or PipelineNoted.
task_execution_id, pipeline_execution_id: what it is about, one of them or both.
event_data: a JSON object.
worker_id: the worker that it came from, if any.
actor: who goes on record as its author.';
REVOKE ALL ON FUNCTION penstock.note(text, uuid, uuid, jsonb, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION penstock.note(text, uuid, uuid, jsonb, text, text) TO penstock_client;
