-- Deletes idempotency keys that have expired, the oldest first.

-- step expired
SELECT rowid AS place FROM idempotency_keys WHERE expires_at <= :now ORDER BY expires_at LIMIT :capacity;

-- step gone
DELETE FROM idempotency_keys WHERE rowid IN (SELECT value ->> 'place' FROM json_each(:expired));

-- step answer
SELECT json_array_length(:expired);
