-- A tool is about to be used by an execution that runs under this lease.

-- step recorded
INSERT INTO tool_executions (id, task_execution_id, tool_name, arguments, status, created_at)
SELECT :id, e.id, :tool_name, :arguments, 'running', :now
FROM task_executions AS e
WHERE e.id = :task_execution_id AND e.status = 'running' AND e.lease = :lease
RETURNING id;

-- step answer
SELECT :recorded <> '[]';
