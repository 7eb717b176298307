-- Keeps the answer of a request under the key that its transaction has taken.
CREATE OR REPLACE FUNCTION penstock.keep_answer(scope text, key text, response jsonb)
RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET row_security = off SET jit = off
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $penstock$
#variable_conflict use_column
DECLARE
  wanted_scope ALIAS FOR scope;
  wanted_key ALIAS FOR key;
  answer ALIAS FOR response;
BEGIN
  UPDATE penstock.idempotency_keys k SET response = answer WHERE k.scope = wanted_scope AND k.key = wanted_key;
  RETURN FOUND;
END
$penstock$;

COMMENT ON FUNCTION penstock.keep_answer(text, text, jsonb) IS
'Keeps the response to whoever comes with this key from now on. Answers false if nobody has taken the key.
response: any JSON but null.';
REVOKE ALL ON FUNCTION penstock.keep_answer(text, text, jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION penstock.keep_answer(text, text, jsonb) TO penstock_client;
