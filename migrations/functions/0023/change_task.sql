-- Changes a task of the catalogue, if nobody has changed it since the caller read it. Each change gives it a later updated_at.
CREATE OR REPLACE FUNCTION penstock.change_task(task_id uuid, changes jsonb, unless_changed_since timestamptz DEFAULT NULL)
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
  -- a column that the changes do not name stays as it is
  RETURN QUERY
  UPDATE penstock.tasks AS t
  SET (name, title, description, task_type, queue, config, metadata, workspace_path, priority, max_attempts, retry,
      timeout_seconds, requires_approval) = (
    SELECT c.name, c.title, c.description, c.task_type, c.queue, c.config, c.metadata, c.workspace_path, c.priority,
      c.max_attempts, c.retry, c.timeout_seconds, c.requires_approval
    FROM jsonb_populate_record(t, changes) AS c),
    updated_at = greatest(moment, t.updated_at + interval '1 microsecond')
  WHERE t.id = task_id AND (unless_changed_since IS NULL OR t.updated_at = unless_changed_since)
  RETURNING t.id, t.name, t.title, t.description, t.task_type, t.queue, t.config, t.metadata, t.workspace_path, t.priority,
    t.max_attempts, t.retry, t.timeout_seconds, t.requires_approval, t.created_at, t.updated_at;
END
$penstock$;

COMMENT ON FUNCTION penstock.change_task(uuid, jsonb, timestamptz) IS
'Changes a task of the catalogue and answers its row. No row: there is no such task, or somebody has changed it since. A name that is taken is a unique_violation.
changes: an object with the columns to change.
unless_changed_since: the updated_at that the caller has read. If it is another one by now, nothing is changed.';
REVOKE ALL ON FUNCTION penstock.change_task(uuid, jsonb, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION penstock.change_task(uuid, jsonb, timestamptz) TO penstock_operator;
