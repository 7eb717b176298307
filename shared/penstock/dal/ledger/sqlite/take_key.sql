-- Takes an idempotency key for the effect that this transaction is about to have, or answers what was kept under it.

-- step taken: if it is new, has expired, or was taken by a transaction that kept no answer
INSERT INTO idempotency_keys (scope, key, fingerprint, created_at, expires_at)
VALUES (:scope, :key, :fingerprint, :now, :expires_at)
ON CONFLICT (scope, key) DO UPDATE
SET fingerprint = excluded.fingerprint, created_at = excluded.created_at, expires_at = excluded.expires_at, response = NULL
WHERE expires_at <= :now OR response IS NULL
RETURNING key;

-- step answer: what is kept
SELECT :taken <> '[]' AS taken, fingerprint AS kept_fingerprint, CAST(response AS TEXT) AS response
FROM idempotency_keys
WHERE scope = :scope AND key = :key;
