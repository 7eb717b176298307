-- What the functions of the ledger answer with.

-- One thing that a verb changed: what it moved ('moved'), a child that followed ('child'), a pipeline ('pipeline').
-- available_at is there if and only if the execution now has a doorbell.
DO $penstock$ BEGIN
CREATE TYPE penstock.effect AS (
  what text,
  id uuid,
  pipeline_execution_id uuid,
  status text,
  version integer,
  queue text,
  available_at timestamptz,
  traceparent text
);
EXCEPTION WHEN duplicate_object THEN NULL;
END $penstock$;

-- An execution as its worker needs it. Only who has the lease can settle it.
DO $penstock$ BEGIN
CREATE TYPE penstock.job AS (
  id uuid,
  lease uuid,
  pipeline_execution_id uuid,
  task_id uuid,
  name text,
  task_type text,
  queue text,
  status text,
  config jsonb,
  metadata jsonb,
  workspace_path text,
  priority integer,
  attempt integer,
  max_attempts integer,
  retry jsonb,
  timeout_seconds integer,
  lease_expires_at timestamptz,
  traceparent text,
  created_at timestamptz,
  version integer
);
EXCEPTION WHEN duplicate_object THEN NULL;
END $penstock$;

-- A settlement whose execution is locked: what the worker says, and where the row is.
DO $penstock$ BEGIN
CREATE TYPE penstock.settlement AS (
  id uuid,
  verb text,
  outcome jsonb,
  services_touched text[],
  suggestions jsonb,
  error text,
  due timestamptz,
  data jsonb,
  place tid
);
EXCEPTION WHEN duplicate_object THEN NULL;
END $penstock$;
