-- Takes an idempotency key for the effect that this transaction is about to have, or answers what was kept under it.
-- A rival with the same key waits here until the transaction that took it has ended.
CREATE OR REPLACE FUNCTION penstock.take_key(scope text, key text, fingerprint text, expires_at timestamptz)
RETURNS TABLE (taken boolean, kept_fingerprint text, response text)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET row_security = off SET jit = off
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $penstock$
#variable_conflict use_column
DECLARE
  wanted_scope ALIAS FOR scope;
  wanted_key ALIAS FOR key;
  moment timestamptz := penstock.now();
BEGIN
  -- take it, if it is new, has expired, or was taken by a transaction that kept no answer
  INSERT INTO penstock.idempotency_keys AS k (scope, key, fingerprint, created_at, expires_at)
  VALUES (scope, key, fingerprint, moment, expires_at)
  ON CONFLICT (scope, key) DO UPDATE
  SET fingerprint = excluded.fingerprint, created_at = excluded.created_at, expires_at = excluded.expires_at, response = NULL
  WHERE k.expires_at <= moment OR k.response IS NULL;
  taken := FOUND;

  -- answer what is kept: by a statement of its own, which sees what a rival has just committed
  RETURN QUERY
  SELECT taken, k.fingerprint, k.response::text
  FROM penstock.idempotency_keys k
  WHERE k.scope = wanted_scope AND k.key = wanted_key;
END
$penstock$;

COMMENT ON FUNCTION penstock.take_key(text, text, text, timestamptz) IS
'Takes an idempotency key in the transaction of its effect, before it. Answers one row: whether the key now belongs to this transaction; if not, the fingerprint and the response, as JSON text, that were kept under it. A rival with the same key waits until this transaction has ended.
scope: whose key it is.
fingerprint: what tells this request from others.
expires_at: from then on the key is new again.';
REVOKE ALL ON FUNCTION penstock.take_key(text, text, text, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION penstock.take_key(text, text, text, timestamptz) TO penstock_client;
