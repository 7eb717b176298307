-- How the use of a tool ended. What a tool answered is a fact, also when its execution has been taken away in the meantime.
CREATE OR REPLACE FUNCTION penstock.finish_tool(id uuid, status text, output jsonb DEFAULT NULL, error text DEFAULT NULL)
RETURNS TABLE (finished boolean, state text)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET row_security = off SET jit = off
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $penstock$
#variable_conflict use_column
DECLARE
  tool ALIAS FOR id;
  ending ALIAS FOR status;
  answer ALIAS FOR output;
  failure ALIAS FOR error;
  moment timestamptz := penstock.now();
BEGIN
  -- record its end
  RETURN QUERY
  UPDATE penstock.tool_executions t
  SET status = ending,
    output = answer,
    error = failure,
    completed_at = greatest(moment, t.created_at),
    duration_ms = least(round(extract(epoch FROM greatest(moment, t.created_at) - t.created_at) * 1000), 2147483647)
  WHERE t.id = tool AND t.status = 'running'
  RETURNING true, t.status;

  -- or say how it ended before
  IF NOT FOUND THEN
    RETURN QUERY SELECT false, t.status FROM penstock.tool_executions t WHERE t.id = tool;
  END IF;
END
$penstock$;

COMMENT ON FUNCTION penstock.finish_tool(uuid, text, jsonb, text) IS
'Records how the use of a tool ended. Answers one row: whether this call has ended it, and its state now. No row: there is no such use.
status: completed, failed or timeout.
output: any JSON.';
REVOKE ALL ON FUNCTION penstock.finish_tool(uuid, text, jsonb, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION penstock.finish_tool(uuid, text, jsonb, text) TO penstock_worker;
