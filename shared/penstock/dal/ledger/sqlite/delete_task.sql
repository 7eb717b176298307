-- Deletes a task of the catalogue that nothing refers to, if nobody has changed it since the caller read it.

-- step found
SELECT updated_at FROM tasks WHERE id = :task_id;

-- step used: by whom
SELECT json_group_array(kind) AS users
FROM (
  SELECT 'task executions' AS kind WHERE EXISTS (SELECT 1 FROM task_executions WHERE task_id = :task_id)
  UNION ALL
  SELECT 'workflow tasks' WHERE EXISTS (SELECT 1 FROM workflow_tasks WHERE task_id = :task_id)
  UNION ALL
  SELECT 'schedules' WHERE EXISTS (SELECT 1 FROM schedules WHERE task_id = :task_id)
);

-- step deleted
DELETE FROM tasks
WHERE id = :task_id AND :used ->> '$[0].users' = '[]' AND (:unless_changed_since IS NULL OR updated_at = :unless_changed_since)
RETURNING id;

-- step answer: whether it did, the updated_at that it has or had, and what refers to it
SELECT :deleted <> '[]' AS deleted, value ->> 'updated_at' AS updated_at, :used ->> '$[0].users' AS users
FROM json_each(:found);
