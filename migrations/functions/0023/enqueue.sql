-- Enqueues one run of a task of the catalogue, in the caller's transaction.
CREATE OR REPLACE FUNCTION penstock.enqueue(
  task text,
  arguments jsonb DEFAULT '{}',
  queue text DEFAULT NULL,
  priority integer DEFAULT NULL,
  run_at timestamptz DEFAULT NULL,
  id uuid DEFAULT NULL,
  traceparent text DEFAULT NULL,
  actor text DEFAULT session_user
) RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET row_security = off SET jit = off
AS $penstock$
#variable_conflict use_column
DECLARE
  wanted_queue ALIAS FOR queue;
  wanted_priority ALIAS FOR priority;
  execution_id uuid := coalesce(id, penstock.uuid7());
  execution jsonb;
BEGIN
  -- read the task
  SELECT jsonb_strip_nulls(jsonb_build_object(
      'id', execution_id, 'task_id', t.id, 'name', t.name, 'task_type', t.task_type, 'queue', coalesce(wanted_queue, t.queue),
      'workspace_path', t.workspace_path, 'priority', coalesce(wanted_priority, t.priority), 'max_attempts', t.max_attempts,
      'timeout_seconds', t.timeout_seconds, 'requires_approval', t.requires_approval, 'resume_at', run_at,
      'traceparent', traceparent))
    || jsonb_build_object('config', t.config || arguments, 'metadata', t.metadata, 'retry', t.retry)
  INTO execution
  FROM penstock.tasks t
  WHERE t.name = task;

  -- refuse what cannot run
  IF execution IS NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'PS002', MESSAGE = format('task: there is no task %L in the catalogue', task),
      HINT = 'Create it first; SELECT name FROM penstock.tasks lists those there are.';
  END IF;
  PERFORM penstock.check_payload('arguments', arguments);
  PERFORM penstock.check_range('priority', wanted_priority, 1, 5);

  -- create it
  PERFORM penstock.create(jsonb_build_array(execution), actor);
  RETURN execution_id;
END
$penstock$;

COMMENT ON FUNCTION penstock.enqueue(text, jsonb, text, integer, timestamptz, uuid, text, text) IS
'Enqueues one run of a task of the catalogue and answers its id. The job exists if and only if the transaction commits.
task: its name in the catalogue.
arguments: a JSON object, merged over the config of the task.
queue, priority (1 is first, 5 is last): instead of those of the task.
run_at: not before this moment.
id: an id of your own. The same call again with the same id changes nothing and answers the same.
traceparent: the W3C trace context that the job belongs to.
actor: who goes on record as its creator.';
REVOKE ALL ON FUNCTION penstock.enqueue(text, jsonb, text, integer, timestamptz, uuid, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION penstock.enqueue(text, jsonb, text, integer, timestamptz, uuid, text, text) TO penstock_client;
