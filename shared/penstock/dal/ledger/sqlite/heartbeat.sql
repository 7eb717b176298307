-- Extends leases: never past the end of the run's own time, and never to an earlier moment than before. What is not in the
-- answer is no longer held under its lease.

-- step held: what is held under these leases
SELECT DISTINCT e.id
FROM json_each(:leases) AS l
CROSS JOIN task_executions AS e ON e.id = l.value ->> 'id'
WHERE e.lease = l.value ->> 'lease' AND e.status IN ('claimed', 'running');

-- step extended: what is claimed again after a deferral still has the start of its earlier run
UPDATE task_executions
SET lease_expires_at = max(lease_expires_at, min(:hold_ends,
    strftime('%Y-%m-%dT%H:%M:%f000Z', iif(status = 'running', started_at, :now), (timeout_seconds + 30) || ' seconds'))),
  updated_at = max(:now, updated_at)
WHERE id IN (SELECT value ->> 'id' FROM json_each(:held)) AND status IN ('claimed', 'running');

-- step answer
SELECT e.id, e.lease_expires_at
FROM json_each(:held) AS h
CROSS JOIN task_executions AS e ON e.id = h.value ->> 'id';
