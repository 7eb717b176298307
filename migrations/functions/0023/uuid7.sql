-- A new UUID of version 7: its first 48 bits are the time in milliseconds, so ids are in the order of time.
CREATE OR REPLACE FUNCTION penstock.uuid7()
RETURNS uuid
LANGUAGE sql
SET search_path = pg_catalog, pg_temp SET jit = off
AS $penstock$
  SELECT encode(
    set_bit(set_bit(
      overlay(uuid_send(gen_random_uuid())
        PLACING substring(int8send(floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3) FROM 1 FOR 6),
      52, 1), 53, 1), 'hex')::uuid
$penstock$;

COMMENT ON FUNCTION penstock.uuid7() IS 'A new UUID in the order of time, for the id of an execution.';
REVOKE ALL ON FUNCTION penstock.uuid7() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION penstock.uuid7() TO penstock_client, penstock_worker, penstock_operator;
