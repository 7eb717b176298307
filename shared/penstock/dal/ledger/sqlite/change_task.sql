-- Changes a task of the catalogue, if nobody has changed it since the caller read it. Each change gives it a later updated_at.

-- step changed: a column that the changes do not name stays as it is. The clock of SQLite knows no microseconds
UPDATE tasks
SET name = iif(json_type(:changes, '$.name') IS NULL, name, :changes ->> 'name'),
  title = iif(json_type(:changes, '$.title') IS NULL, title, :changes ->> 'title'),
  description = iif(json_type(:changes, '$.description') IS NULL, description, :changes ->> 'description'),
  task_type = iif(json_type(:changes, '$.task_type') IS NULL, task_type, :changes ->> 'task_type'),
  queue = iif(json_type(:changes, '$.queue') IS NULL, queue, :changes ->> 'queue'),
  config = iif(json_type(:changes, '$.config') IS NULL, config, :changes ->> 'config'),
  metadata = iif(json_type(:changes, '$.metadata') IS NULL, metadata, :changes ->> 'metadata'),
  workspace_path = iif(json_type(:changes, '$.workspace_path') IS NULL, workspace_path, :changes ->> 'workspace_path'),
  priority = iif(json_type(:changes, '$.priority') IS NULL, priority, :changes ->> 'priority'),
  max_attempts = iif(json_type(:changes, '$.max_attempts') IS NULL, max_attempts, :changes ->> 'max_attempts'),
  retry = iif(json_type(:changes, '$.retry') IS NULL, retry, :changes ->> 'retry'),
  timeout_seconds = iif(json_type(:changes, '$.timeout_seconds') IS NULL, timeout_seconds, :changes ->> 'timeout_seconds'),
  requires_approval = iif(json_type(:changes, '$.requires_approval') IS NULL, requires_approval,
    :changes ->> 'requires_approval'),
  updated_at = max(:now, iif(substr(updated_at, 21, 6) = '999999',
    strftime('%Y-%m-%dT%H:%M:%S.000000Z', substr(updated_at, 1, 19), '+1 second'),
    substr(updated_at, 1, 20) || printf('%06dZ', substr(updated_at, 21, 6) + 1)))
WHERE id = :task_id AND (:unless_changed_since IS NULL OR updated_at = :unless_changed_since)
RETURNING id;

-- step answer
SELECT t.id, t.name, t.title, t.description, t.task_type, t.queue, t.config, t.metadata, t.workspace_path, t.priority,
  t.max_attempts, t.retry, t.timeout_seconds, t.requires_approval, t.created_at, t.updated_at
FROM json_each(:changed) AS c
CROSS JOIN tasks AS t ON t.id = c.value ->> 'id';
