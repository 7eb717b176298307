-- Resumes deferred executions whose moment has come, the longest overdue first.

-- step held: what is due
SELECT id
FROM task_executions
WHERE status = 'deferred' AND resume_at <= :now
ORDER BY resume_at
LIMIT :capacity;

-- then resume_locked for held
