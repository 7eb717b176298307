-- Ends the leases of workers that are known to be gone. The next sweep takes back what they held.

-- step expired: end their leases
UPDATE task_executions
SET lease_expires_at = :now, updated_at = max(:now, updated_at)
WHERE lease_expires_at > :now AND status IN ('claimed', 'running')
  AND substr(worker_id, 1, length(:workers)) = :workers
RETURNING id;

-- step answer
SELECT count(*) FROM json_each(:expired);
