-- A tool is about to be used by an execution that runs under this lease.
CREATE OR REPLACE FUNCTION penstock.start_tool(id uuid, task_execution_id uuid, lease uuid, tool_name text, arguments jsonb DEFAULT '{}')
RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET row_security = off SET jit = off
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $penstock$
#variable_conflict use_column
DECLARE
  wanted_lease ALIAS FOR lease;
BEGIN
  -- lock the execution
  PERFORM FROM penstock.task_executions e
  WHERE e.id = task_execution_id AND e.status = 'running' AND e.lease = wanted_lease
  FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    RETURN false;
  END IF;

  -- record it
  INSERT INTO penstock.tool_executions (id, task_execution_id, tool_name, arguments, status, created_at)
  VALUES (id, task_execution_id, tool_name, arguments, 'running', penstock.now());
  RETURN true;
END
$penstock$;

COMMENT ON FUNCTION penstock.start_tool(uuid, uuid, uuid, text, jsonb) IS
'Records that an execution begins to use a tool. Answers false, and records nothing, if the execution no longer runs under this lease.
id: a new UUID, for finish_tool.
arguments: a JSON object.';
REVOKE ALL ON FUNCTION penstock.start_tool(uuid, uuid, uuid, text, jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION penstock.start_tool(uuid, uuid, uuid, text, jsonb) TO penstock_worker;
