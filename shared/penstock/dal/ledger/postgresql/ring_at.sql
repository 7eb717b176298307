-- When a new doorbell rings: when it is due; if that is now, after the grace that the caller asks for to ring it himself.
-- Its search path is not pinned, so that it becomes part of the statements that use it.
CREATE OR REPLACE FUNCTION penstock.ring_at(available_at timestamptz, moment timestamptz, ring_grace interval)
RETURNS timestamptz
LANGUAGE sql IMMUTABLE
AS $penstock$
  SELECT CASE
    WHEN available_at OPERATOR(pg_catalog.>) moment THEN available_at
    ELSE available_at OPERATOR(pg_catalog.+) ring_grace
  END
$penstock$;

REVOKE ALL ON FUNCTION penstock.ring_at(timestamptz, timestamptz, interval) FROM PUBLIC;
