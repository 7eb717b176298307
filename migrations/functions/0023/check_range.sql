-- Refuses a number outside its bounds.
CREATE OR REPLACE FUNCTION penstock.check_range(field text, number integer, low integer, high integer)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp SET jit = off
AS $penstock$
BEGIN
  IF number NOT BETWEEN low AND high THEN
    RAISE EXCEPTION USING ERRCODE = 'PS001', MESSAGE = format('%s: is %s', field, number),
      HINT = format('It must be a whole number from %s to %s.', low, high);
  END IF;
END
$penstock$;

REVOKE ALL ON FUNCTION penstock.check_range(text, integer, integer, integer) FROM PUBLIC;
