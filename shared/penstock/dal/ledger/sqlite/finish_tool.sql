-- How the use of a tool ended. What a tool answered is a fact, also when its execution has been taken away in the meantime.

-- step ended
UPDATE tool_executions
SET status = :status,
  output = :output,
  error = :error,
  completed_at = max(:now, created_at),
  duration_ms = min(CAST(round((julianday(max(:now, created_at)) - julianday(created_at)) * 86400000) AS INTEGER), 2147483647)
WHERE id = :id AND status = 'running'
RETURNING id;

-- step answer: whether this call has ended it, and its state now
SELECT :ended <> '[]' AS finished, status AS state
FROM tool_executions
WHERE id = :id;
