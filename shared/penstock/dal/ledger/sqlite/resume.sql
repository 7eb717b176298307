-- Resumes executions that are paused or deferred.

-- step held: what may move
SELECT id FROM task_executions WHERE id IN (SELECT value FROM json_each(:ids)) AND status IN ('paused', 'deferred');

-- then resume_locked for held
