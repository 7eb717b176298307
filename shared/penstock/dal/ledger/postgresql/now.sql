-- The clock of the ledger. A test replaces it, as the owner.
CREATE OR REPLACE FUNCTION penstock.now()
RETURNS timestamptz
LANGUAGE sql
SET search_path = pg_catalog, pg_temp SET jit = off
AS $penstock$ SELECT clock_timestamp() $penstock$;

COMMENT ON FUNCTION penstock.now() IS 'The clock of the ledger: every moment on record is read from it.';
REVOKE ALL ON FUNCTION penstock.now() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION penstock.now() TO penstock_reader, penstock_client, penstock_worker, penstock_operator, penstock_purger;
