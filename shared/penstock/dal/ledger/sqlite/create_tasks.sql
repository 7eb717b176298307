-- Writes new tasks of the catalogue. A name that is taken is left out of the answer.

-- step created: without a condition SQLite would read ON CONFLICT as the ON of a join
INSERT INTO tasks (
  id, name, title, description, task_type, queue, config, metadata, workspace_path, priority, max_attempts, retry,
  timeout_seconds, requires_approval, created_at, updated_at)
SELECT
  x.value ->> 'id', x.value ->> 'name', x.value ->> 'title', x.value ->> 'description', x.value ->> 'task_type',
  coalesce(x.value ->> 'queue', 'default'), coalesce(x.value ->> 'config', '{}'), x.value ->> 'metadata',
  x.value ->> 'workspace_path', coalesce(x.value ->> 'priority', 3), coalesce(x.value ->> 'max_attempts', 3),
  x.value ->> 'retry', coalesce(x.value ->> 'timeout_seconds', 300), coalesce(x.value ->> 'requires_approval', 0), :now, :now
FROM json_each(:tasks) AS x
WHERE true
ON CONFLICT (name) DO NOTHING
RETURNING id;

-- step answer
SELECT t.id, t.name, t.title, t.description, t.task_type, t.queue, t.config, t.metadata, t.workspace_path, t.priority,
  t.max_attempts, t.retry, t.timeout_seconds, t.requires_approval, t.created_at, t.updated_at
FROM json_each(:created) AS c
CROSS JOIN tasks AS t ON t.id = c.value ->> 'id';
