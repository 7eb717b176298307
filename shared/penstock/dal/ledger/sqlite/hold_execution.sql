-- Reads an execution for the verb that follows in the same transaction, which no other writer can interrupt.

-- step answer
SELECT version FROM task_executions WHERE id = :id;
