-- Counts pipelines down by what has ended in them (*rows*: pipeline_execution_id, is_bad). The last step ends its pipeline:
-- with the results of its leaves, or with the step that failed and why.

-- step over: those without an unfinished step
SELECT p.id, p.failed + c.bad AS failed
FROM (
  SELECT value ->> 'pipeline_execution_id' AS id, count(*) AS ended, sum(value ->> 'is_bad') AS bad
  FROM json_each(:rows)
  GROUP BY 1
) AS c
CROSS JOIN pipeline_executions AS p ON p.id = c.id
WHERE p.status IN ('running', 'paused') AND p.unfinished = c.ended;

-- step counted
UPDATE pipeline_executions AS p
SET unfinished = p.unfinished - c.ended,
  failed = p.failed + c.bad,
  updated_at = max(:now, p.updated_at)
FROM (
  SELECT value ->> 'pipeline_execution_id' AS id, count(*) AS ended, sum(value ->> 'is_bad') AS bad
  FROM json_each(:rows)
  GROUP BY 1
) AS c
WHERE p.id = c.id AND p.status IN ('running', 'paused') AND p.unfinished > c.ended;

-- step moved
UPDATE pipeline_executions AS p
SET unfinished = 0,
  failed = o.failed,
  updated_at = max(:now, p.updated_at),
  status = iif(o.failed = 0, 'completed', 'failed'),
  version = p.version + 1,
  completed_at = max(:now, p.updated_at),
  output = iif(o.failed = 0, (
    SELECT iif(sum(length(e.outcome)) > 262144,
      '{"omitted": "the results are larger than 256 KiB; read them from the steps"}',
      json_group_object(e.name, json(e.outcome)))
    FROM task_executions AS e
    WHERE e.pipeline_execution_id = p.id AND e.status = 'completed'
      AND e.id NOT IN (SELECT d.parent_id FROM task_dependencies AS d WHERE d.parent_id = e.id)
  ), NULL),
  error = iif(o.failed = 0, NULL, (
    SELECT substr('step ' || e.name || ' ' || e.status || coalesce(': ' || e.error, ''), 1, 10000)
    FROM task_executions AS e
    WHERE e.pipeline_execution_id = p.id AND e.status IN ('failed', 'cancelled', 'rejected') AND NOT e.failure_handled
    ORDER BY e.completed_at, e.id
    LIMIT 1
  ))
FROM (SELECT value ->> 'id' AS id, value ->> 'failed' AS failed FROM json_each(:over)) AS o
WHERE p.id = o.id;

-- step recorded
INSERT INTO execution_events (pipeline_execution_id, event_type, to_status, version, event_data, actor, created_at)
SELECT p.id, iif(p.status = 'completed', 'PipelineCompleted', 'PipelineFailed'), p.status, p.version,
  iif(p.status = 'completed', '{}', json_object('error', p.error)), :actor, p.updated_at
FROM json_each(:over) AS o
CROSS JOIN pipeline_executions AS p ON p.id = o.value ->> 'id';

-- step answer
SELECT 'pipeline' AS what, p.id, NULL AS pipeline_execution_id, p.status, p.version, NULL AS queue, NULL AS available_at,
  NULL AS traceparent
FROM json_each(:over) AS o
CROSS JOIN pipeline_executions AS p ON p.id = o.value ->> 'id';
