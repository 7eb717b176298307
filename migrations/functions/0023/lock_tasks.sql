-- The tasks of these names, as their runs need them. None of them is deleted before this transaction ends.
CREATE OR REPLACE FUNCTION penstock.lock_tasks(names text[])
RETURNS TABLE (
  id uuid, name text, task_type text, queue text, config jsonb, metadata jsonb, workspace_path text, priority integer,
  max_attempts integer, retry jsonb, timeout_seconds integer, requires_approval boolean)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET row_security = off SET jit = off
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $penstock$
#variable_conflict use_column
DECLARE
  wanted uuid[];
BEGIN
  -- find them
  wanted := ARRAY (SELECT t.id FROM penstock.tasks t WHERE t.name = ANY (names));

  -- lock them, by id
  RETURN QUERY
  SELECT t.id, t.name, t.task_type, t.queue, t.config, t.metadata, t.workspace_path, t.priority, t.max_attempts, t.retry,
    t.timeout_seconds, t.requires_approval
  FROM penstock.tasks t
  WHERE t.id = ANY (wanted)
  ORDER BY t.id
  FOR KEY SHARE;
END
$penstock$;

COMMENT ON FUNCTION penstock.lock_tasks(text[]) IS
'Answers the tasks of these names. None of them can be deleted before this transaction ends, so that it can refer to them.';
REVOKE ALL ON FUNCTION penstock.lock_tasks(text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION penstock.lock_tasks(text[]) TO penstock_client;
