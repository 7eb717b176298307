-- Keeps the answer of a request under the key that its transaction has taken.

-- step kept
UPDATE idempotency_keys SET response = :response WHERE scope = :scope AND key = :key RETURNING key;

-- step answer
SELECT :kept <> '[]';
