-- Resumes executions whose pause is over, the best first. A manual pause without a time is never over.

-- step held: what is over, by priority and age
SELECT q.task_execution_id AS id
FROM pause_queue AS q
WHERE q.resume_after <= :now OR q.resume_after IS NULL AND q.reason = 'insufficient_capacity'
ORDER BY q.priority, q.paused_at, q.id
LIMIT :capacity;

-- then resume_locked for held
