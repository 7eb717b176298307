-- Writes new tasks of the catalogue. A name that is taken is left out of the answer.
CREATE OR REPLACE FUNCTION penstock.create_tasks(tasks jsonb)
RETURNS TABLE (
  id uuid, name text, title text, description text, task_type text, queue text, config jsonb, metadata jsonb, workspace_path text,
  priority integer, max_attempts integer, retry jsonb, timeout_seconds integer, requires_approval boolean,
  created_at timestamptz, updated_at timestamptz)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET row_security = off SET jit = off
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $penstock$
#variable_conflict use_column
DECLARE
  moment timestamptz := penstock.now();
BEGIN
  RETURN QUERY
  INSERT INTO penstock.tasks AS t (
    id, name, title, description, task_type, queue, config, metadata, workspace_path, priority, max_attempts, retry,
    timeout_seconds, requires_approval, created_at, updated_at)
  SELECT
    x.id, x.name, x.title, x.description, x.task_type, coalesce(x.queue, 'default'), coalesce(x.config, '{}'), x.metadata,
    x.workspace_path, coalesce(x.priority, 3), coalesce(x.max_attempts, 3), x.retry, coalesce(x.timeout_seconds, 300),
    coalesce(x.requires_approval, false), moment, moment
  FROM jsonb_to_recordset(tasks) AS x (
    id uuid, name text, title text, description text, task_type text, queue text, config jsonb, metadata jsonb,
    workspace_path text, priority integer, max_attempts integer, retry jsonb, timeout_seconds integer,
    requires_approval boolean)
  ON CONFLICT (name) DO NOTHING
  RETURNING t.id, t.name, t.title, t.description, t.task_type, t.queue, t.config, t.metadata, t.workspace_path, t.priority,
    t.max_attempts, t.retry, t.timeout_seconds, t.requires_approval, t.created_at, t.updated_at;
END
$penstock$;

COMMENT ON FUNCTION penstock.create_tasks(jsonb) IS
'Writes new tasks of the catalogue and answers their rows. A task whose name is taken is neither written nor answered: roll back then.
tasks: an array of objects with the columns of a task; id, name, title and task_type are required.';
REVOKE ALL ON FUNCTION penstock.create_tasks(jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION penstock.create_tasks(jsonb) TO penstock_operator;
