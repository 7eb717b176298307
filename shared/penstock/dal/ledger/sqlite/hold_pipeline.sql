-- Reads a pipeline for the verb that follows in the same transaction, which no other writer can interrupt.

-- step answer
SELECT version FROM pipeline_executions WHERE id = :id;
