-- Takes the doorbells of a queue that are due to be rung. Each is due again after a while: a lost message needs nobody to notice.

-- step due
SELECT o.task_execution_id AS id
FROM task_outbox AS o
CROSS JOIN task_executions AS e ON e.id = o.task_execution_id
LEFT JOIN pipeline_executions AS p ON p.id = e.pipeline_execution_id
WHERE o.queue = :queue AND o.ring_at <= :now AND e.status = 'ready' AND (e.pipeline_execution_id IS NULL OR p.status = 'running')
ORDER BY o.ring_at
LIMIT :capacity;

-- step rung: again after 5 minutes, then 10, 20, 40, and an hour each time
UPDATE task_outbox
SET rings = rings + 1,
  ring_at = strftime('%Y-%m-%dT%H:%M:%S', substr(:now, 1, 19),
    CASE rings WHEN 0 THEN 5 WHEN 1 THEN 10 WHEN 2 THEN 20 WHEN 3 THEN 40 ELSE 60 END || ' minutes') || substr(:now, 20)
WHERE task_execution_id IN (SELECT value ->> 'id' FROM json_each(:due));

-- step answer
SELECT o.task_execution_id, o.queue, o.priority, o.rings, o.traceparent, e.task_type
FROM json_each(:due) AS d
CROSS JOIN task_outbox AS o ON o.task_execution_id = d.value ->> 'id'
CROSS JOIN task_executions AS e ON e.id = o.task_execution_id
ORDER BY o.priority, o.id;
