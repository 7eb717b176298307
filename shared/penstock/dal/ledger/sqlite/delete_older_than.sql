-- Deletes whole histories of what ended before the cutoff, the oldest first, in one bounded step that is on record in purge_log.
-- A history is a single execution or a whole pipeline, with its events and everything that refers to it. Live and held work stays.

-- step last: where the last step with this cutoff stopped
SELECT position_at, position_id
FROM purge_log
WHERE cutoff = :cutoff AND closed_at IS NOT NULL AND position_at IS NOT NULL
ORDER BY position_at DESC, position_id DESC
LIMIT 1;

-- step chosen: the oldest that nobody holds, as many as fit into the capacity, and at least one
SELECT kind, id, version, completed_at
FROM (
  SELECT *, sum(size) OVER oldest_first AS total, row_number() OVER oldest_first AS place
  FROM (
    SELECT * FROM (
      SELECT 'job' AS kind, e.id, e.version, e.completed_at, 1 AS size
      FROM task_executions AS e
      WHERE e.completed_at < :cutoff AND e.pipeline_execution_id IS NULL
        AND (e.completed_at, e.id) > (coalesce(:last ->> '$[0].position_at', ''), coalesce(:last ->> '$[0].position_id', ''))
        AND NOT EXISTS (SELECT 1 FROM holds AS h WHERE h.task_execution_id = e.id AND h.released_at IS NULL)
      ORDER BY e.completed_at, e.id
      LIMIT :capacity)
    UNION ALL
    SELECT * FROM (
      SELECT 'pipeline', p.id, p.version, p.completed_at,
        (SELECT count(*) FROM task_executions AS e WHERE e.pipeline_execution_id = p.id)
      FROM pipeline_executions AS p
      WHERE p.completed_at < :cutoff
        AND (p.completed_at, p.id) > (coalesce(:last ->> '$[0].position_at', ''), coalesce(:last ->> '$[0].position_id', ''))
        AND NOT EXISTS (SELECT 1 FROM holds AS h WHERE h.pipeline_execution_id = p.id AND h.released_at IS NULL)
        AND NOT EXISTS (
          SELECT 1 FROM task_executions AS e
          WHERE e.pipeline_execution_id = p.id AND (e.completed_at IS NULL OR e.completed_at >= :cutoff OR EXISTS (
            SELECT 1 FROM holds AS h WHERE h.task_execution_id = e.id AND h.released_at IS NULL)))
      ORDER BY p.completed_at, p.id
      LIMIT :capacity))
  WINDOW oldest_first AS (ORDER BY completed_at, id ROWS UNBOUNDED PRECEDING))
WHERE total <= :capacity OR place = 1
ORDER BY completed_at, id;

-- step pipelines
SELECT value ->> 'id' AS id FROM json_each(:chosen) WHERE value ->> 'kind' = 'pipeline';

-- step tasks: the single executions, and those of the pipelines
SELECT value ->> 'id' AS id FROM json_each(:chosen) WHERE value ->> 'kind' = 'job'
UNION ALL
SELECT e.id
FROM json_each(:pipelines) AS p
CROSS JOIN task_executions AS e ON e.pipeline_execution_id = p.value ->> 'id';

-- step opened: the record, which lets the guards pass what follows
INSERT INTO purge_log (id, actor, cutoff, opened_at) SELECT :token, :actor, :cutoff, :now WHERE :chosen <> '[]';

-- step events_of_tasks: delete the histories, leaves first
DELETE FROM execution_events
WHERE task_execution_id IN (SELECT value ->> 'id' FROM json_each(:tasks))
RETURNING 1;

-- step events_of_pipelines
DELETE FROM execution_events
WHERE pipeline_execution_id IN (SELECT value ->> 'id' FROM json_each(:pipelines))
RETURNING 1;

-- step deleted
DELETE FROM tool_executions WHERE task_execution_id IN (SELECT value ->> 'id' FROM json_each(:tasks));

-- step deleted
DELETE FROM annotations WHERE task_execution_id IN (SELECT value ->> 'id' FROM json_each(:tasks));

-- step deleted
DELETE FROM annotations WHERE pipeline_execution_id IN (SELECT value ->> 'id' FROM json_each(:pipelines));

-- step deleted
DELETE FROM holds WHERE task_execution_id IN (SELECT value ->> 'id' FROM json_each(:tasks));

-- step deleted
DELETE FROM holds WHERE pipeline_execution_id IN (SELECT value ->> 'id' FROM json_each(:pipelines));

-- step deleted
DELETE FROM task_dependencies WHERE child_id IN (SELECT value ->> 'id' FROM json_each(:tasks));

-- step deleted: and what has no business there any more, but would keep its execution for good
DELETE FROM task_dependencies WHERE parent_id IN (SELECT value ->> 'id' FROM json_each(:tasks));

-- step deleted
DELETE FROM task_outbox WHERE task_execution_id IN (SELECT value ->> 'id' FROM json_each(:tasks));

-- step deleted
DELETE FROM pause_queue WHERE task_execution_id IN (SELECT value ->> 'id' FROM json_each(:tasks));

-- step freed
UPDATE slots SET holder = NULL, taken_at = NULL WHERE holder IN (SELECT value ->> 'id' FROM json_each(:tasks));

-- step deleted
DELETE FROM task_executions WHERE id IN (SELECT value ->> 'id' FROM json_each(:tasks));

-- step deleted
DELETE FROM pipeline_executions WHERE id IN (SELECT value ->> 'id' FROM json_each(:pipelines));

-- step closed: the record, with the fingerprint of what went: kinds, ids and last versions, the oldest first
UPDATE purge_log
SET closed_at = :now,
  digest = (
    SELECT sha256(group_concat(line, char(10)))
    FROM (SELECT format('%s %s %s', value ->> 'kind', value ->> 'id', value ->> 'version') AS line FROM json_each(:chosen))),
  position_at = :chosen ->> '$[#-1].completed_at',
  position_id = :chosen ->> '$[#-1].id',
  task_executions = json_array_length(:tasks),
  pipeline_executions = json_array_length(:pipelines),
  events = json_array_length(:events_of_tasks) + json_array_length(:events_of_pipelines)
WHERE id = :token;

-- step answer
SELECT task_executions, pipeline_executions, events, position_at, position_id FROM purge_log WHERE id = :token;
