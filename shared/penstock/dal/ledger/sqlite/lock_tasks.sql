-- The tasks of these names, as their runs need them. None of them is deleted before this transaction ends.

-- step answer
SELECT id, name, task_type, queue, config, metadata, workspace_path, priority, max_attempts, retry, timeout_seconds,
  requires_approval
FROM tasks
WHERE name IN (SELECT value FROM json_each(:names))
ORDER BY id;
