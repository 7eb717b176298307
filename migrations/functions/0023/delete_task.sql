-- Deletes a task of the catalogue that nothing refers to, if nobody has changed it since the caller read it.
CREATE OR REPLACE FUNCTION penstock.delete_task(task_id uuid, unless_changed_since timestamptz DEFAULT NULL)
RETURNS TABLE (deleted boolean, updated_at timestamptz, users text[])
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET row_security = off SET jit = off
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $penstock$
#variable_conflict use_column
DECLARE
  wanted ALIAS FOR task_id;
BEGIN
  -- lock it, against whoever is about to refer to it: of all row locks only this one waits for a foreign key that is being checked
  SELECT t.updated_at INTO updated_at FROM penstock.tasks t WHERE t.id = wanted FOR UPDATE;
  IF NOT FOUND THEN
    RETURN;
  END IF;

  -- look for its users
  users := ARRAY (
    SELECT 'task executions' WHERE EXISTS (SELECT FROM penstock.task_executions e WHERE e.task_id = wanted)
    UNION ALL
    SELECT 'workflow tasks' WHERE EXISTS (SELECT FROM penstock.workflow_tasks w WHERE w.task_id = wanted)
    UNION ALL
    SELECT 'schedules' WHERE EXISTS (SELECT FROM penstock.schedules s WHERE s.task_id = wanted));

  -- delete it
  deleted := users = '{}' AND (unless_changed_since IS NULL OR unless_changed_since = updated_at);
  IF deleted THEN
    DELETE FROM penstock.tasks t WHERE t.id = wanted;
  END IF;
  RETURN NEXT;
END
$penstock$;

COMMENT ON FUNCTION penstock.delete_task(uuid, timestamptz) IS
'Deletes a task of the catalogue that nothing refers to. Answers one row: whether it did, the updated_at of the task, and what refers to it. No row: there is no such task.
unless_changed_since: the updated_at that the caller has read. If it is another one by now, nothing is deleted.';
REVOKE ALL ON FUNCTION penstock.delete_task(uuid, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION penstock.delete_task(uuid, timestamptz) TO penstock_operator;
