-- Refuses a payload that is not a JSON object, or that is too large or too deep for a worker to read.
CREATE OR REPLACE FUNCTION penstock.check_payload(field text, payload jsonb)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp SET jit = off
AS $penstock$
BEGIN
  IF payload IS NULL THEN
    RETURN;
  END IF;
  IF jsonb_typeof(payload) <> 'object' THEN
    RAISE EXCEPTION USING ERRCODE = 'PS001', MESSAGE = format('%s: must be a JSON object, not %s', field, jsonb_typeof(payload)),
      HINT = 'Pass an object, such as {"order": 1}.';
  END IF;
  IF octet_length(payload::text) > 262144 THEN
    RAISE EXCEPTION USING ERRCODE = 'PS001', MESSAGE = format('%s: is larger than 256 KiB', field),
      HINT = 'Store it elsewhere and pass a reference.';
  END IF;
  IF jsonb_path_exists(payload, 'strict $.**{65}') THEN
    RAISE EXCEPTION USING ERRCODE = 'PS001', MESSAGE = format('%s: is nested more than 64 levels deep', field),
      HINT = 'Flatten it, or pass it as text.';
  END IF;
END
$penstock$;

REVOKE ALL ON FUNCTION penstock.check_payload(text, jsonb) FROM PUBLIC;
