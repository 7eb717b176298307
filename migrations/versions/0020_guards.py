"""The database as the last judge: it refuses illegal moves, any change of what has ended, and any of an active workflow.

Generated once from the table of legal moves (penstock/domain/lifecycle.py) by penstock/dal/guards.py. A test
compares what is live with what these would generate today; when they differ, the answer is a new revision.
"""

from collections.abc import Callable, Mapping, Sequence

Statements = Mapping[str, Sequence[str]]

revision: str = "0020"
down_revision: str | None = "0019"

UP: Statements = {
    "postgresql": (
        """
        CREATE OR REPLACE FUNCTION penstock.touch() RETURNS trigger
        LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $penstock$
        BEGIN
          IF NEW.updated_at IS NOT DISTINCT FROM OLD.updated_at THEN
            NEW.updated_at := greatest(clock_timestamp(), OLD.updated_at);
          END IF;
          RETURN NEW;
        END
        $penstock$
        """,
        """
        CREATE OR REPLACE FUNCTION penstock.keep() RETURNS trigger
        LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $penstock$
        BEGIN
          RAISE EXCEPTION '% is history; it cannot be truncated', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
        END
        $penstock$
        """,
        """
        CREATE OR REPLACE FUNCTION penstock.only_functions() RETURNS trigger
        LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $penstock$
        BEGIN
          RAISE EXCEPTION '% is written by the functions of the schema penstock only', TG_TABLE_NAME
            USING ERRCODE = 'restrict_violation', HINT = 'Call a function, such as penstock.enqueue.';
        END
        $penstock$
        """,
        """
        CREATE OR REPLACE TRIGGER task_executions_functions BEFORE INSERT OR UPDATE OR DELETE ON
            penstock.task_executions FOR EACH STATEMENT WHEN (current_setting('row_security') <> 'off') EXECUTE FUNCTION penstock.only_functions()
        """,
        """
        CREATE OR REPLACE TRIGGER pipeline_executions_functions BEFORE INSERT OR UPDATE OR DELETE ON
            penstock.pipeline_executions FOR EACH STATEMENT WHEN (current_setting('row_security') <> 'off') EXECUTE FUNCTION penstock.only_functions()
        """,
        """
        CREATE OR REPLACE TRIGGER execution_events_functions BEFORE INSERT OR UPDATE OR DELETE ON
            penstock.execution_events FOR EACH STATEMENT WHEN (current_setting('row_security') <> 'off') EXECUTE FUNCTION penstock.only_functions()
        """,
        """
        CREATE OR REPLACE TRIGGER task_outbox_functions BEFORE INSERT OR UPDATE OR DELETE ON penstock.task_outbox FOR
            EACH STATEMENT WHEN (current_setting('row_security') <> 'off') EXECUTE FUNCTION
            penstock.only_functions()
        """,
        """
        CREATE OR REPLACE TRIGGER task_dependencies_functions BEFORE INSERT OR UPDATE OR DELETE ON
            penstock.task_dependencies FOR EACH STATEMENT WHEN (current_setting('row_security') <> 'off') EXECUTE FUNCTION penstock.only_functions()
        """,
        """
        CREATE OR REPLACE TRIGGER pause_queue_functions BEFORE INSERT OR UPDATE OR DELETE ON penstock.pause_queue FOR
            EACH STATEMENT WHEN (current_setting('row_security') <> 'off') EXECUTE FUNCTION
            penstock.only_functions()
        """,
        """
        CREATE OR REPLACE TRIGGER tool_executions_functions BEFORE INSERT OR UPDATE OR DELETE ON
            penstock.tool_executions FOR EACH STATEMENT WHEN (current_setting('row_security') <> 'off') EXECUTE FUNCTION penstock.only_functions()
        """,
        """
        CREATE OR REPLACE TRIGGER purge_log_functions BEFORE INSERT OR UPDATE OR DELETE ON penstock.purge_log FOR EACH
            STATEMENT WHEN (current_setting('row_security') <> 'off') EXECUTE FUNCTION
            penstock.only_functions()
        """,
        """
        CREATE OR REPLACE FUNCTION penstock.append_only() RETURNS trigger
        LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $penstock$
        BEGIN
          IF TG_OP = 'DELETE' AND EXISTS (SELECT FROM penstock.purge_log p WHERE p.closed_at IS NULL AND
              p.transaction_id = pg_current_xact_id()) THEN
            RETURN OLD;
          END IF;
          RAISE EXCEPTION '% is history; it is only ever added to, and deleted by a purge on record', TG_TABLE_NAME
              USING ERRCODE = 'restrict_violation';
        END
        $penstock$
        """,
        """
        CREATE OR REPLACE FUNCTION penstock.guard_task_executions() RETURNS trigger
        LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $penstock$
        BEGIN
          IF TG_OP = 'DELETE' THEN
            IF OLD.status IN ('rejected', 'completed', 'failed', 'skipped', 'cancelled') AND EXISTS (SELECT FROM
                penstock.purge_log p WHERE p.closed_at IS NULL AND p.transaction_id = pg_current_xact_id() AND
                OLD.completed_at < p.cutoff) THEN
              RETURN OLD;
            END IF;
            RAISE EXCEPTION 'task_executions % is %; only a purge on record deletes, and only what ended before its cutoff', OLD.id, OLD.status USING ERRCODE = 'restrict_violation';
          END IF;
          IF ((NEW.attempt BETWEEN 1 AND NEW.max_attempts)
             AND (NEW.config IS NULL OR jsonb_typeof(NEW.config) = 'object')
             AND (NEW.status <> 'deferred' OR NEW.resume_at IS NOT NULL)
             AND ((NEW.status IN ('rejected', 'completed', 'failed', 'skipped', 'cancelled')) = (NEW.completed_at IS
                 NOT NULL))
             AND ((NEW.lease IS NULL) = (NEW.lease_expires_at IS NULL))
             AND ((NEW.status IN ('claimed', 'running')) = (NEW.lease IS NOT NULL))
             AND (NEW.outcome IS NULL OR jsonb_typeof(NEW.outcome) = 'object')
             AND (NEW.priority BETWEEN 1 AND 5)
             AND (NEW.status <> 'ready' OR (NEW.waiting_on = 0 AND (NEW.approved_at IS NOT NULL OR NOT
                 NEW.requires_approval)))
             AND (NEW.retry IS NULL OR jsonb_typeof(NEW.retry) = 'object')
             AND (NEW.status IN ('pending', 'ready', 'approved', 'rejected', 'claimed', 'running', 'completed',
                 'failed', 'deferred', 'paused', 'skipped', 'cancelled'))
             AND (NEW.timeout_seconds BETWEEN 1 AND 86400)
             AND (NEW.trigger_rule IN ('all_success', 'all_done', 'one_success', 'one_failed', 'all_failed',
                 'none_failed'))
             AND (NEW.waiting_on >= 0 AND (NEW.waiting_on = 0 OR NEW.pipeline_execution_id IS NOT NULL))) IS FALSE
                 THEN
            RAISE EXCEPTION 'task_executions % breaks the rule %', NEW.id, CASE
              WHEN (NEW.attempt BETWEEN 1 AND NEW.max_attempts) IS FALSE THEN 'ck_task_executions_attempt'
              WHEN (NEW.config IS NULL OR jsonb_typeof(NEW.config) = 'object') IS FALSE THEN
                  'ck_task_executions_config'
              WHEN (NEW.status <> 'deferred' OR NEW.resume_at IS NOT NULL) IS FALSE THEN 'ck_task_executions_deferred'
              WHEN ((NEW.status IN ('rejected', 'completed', 'failed', 'skipped', 'cancelled')) = (NEW.completed_at IS
                  NOT NULL)) IS FALSE THEN 'ck_task_executions_ended'
              WHEN ((NEW.lease IS NULL) = (NEW.lease_expires_at IS NULL)) IS FALSE THEN 'ck_task_executions_expires'
              WHEN ((NEW.status IN ('claimed', 'running')) = (NEW.lease IS NOT NULL)) IS FALSE THEN
                  'ck_task_executions_held'
              WHEN (NEW.outcome IS NULL OR jsonb_typeof(NEW.outcome) = 'object') IS FALSE THEN
                  'ck_task_executions_outcome'
              WHEN (NEW.priority BETWEEN 1 AND 5) IS FALSE THEN 'ck_task_executions_priority'
              WHEN (NEW.status <> 'ready' OR (NEW.waiting_on = 0 AND (NEW.approved_at IS NOT NULL OR NOT
                  NEW.requires_approval))) IS FALSE THEN 'ck_task_executions_ready'
              WHEN (NEW.retry IS NULL OR jsonb_typeof(NEW.retry) = 'object') IS FALSE THEN 'ck_task_executions_retry'
              WHEN (NEW.status IN ('pending', 'ready', 'approved', 'rejected', 'claimed', 'running', 'completed',
                  'failed', 'deferred', 'paused', 'skipped', 'cancelled')) IS FALSE THEN 'ck_task_executions_status'
              WHEN (NEW.timeout_seconds BETWEEN 1 AND 86400) IS FALSE THEN 'ck_task_executions_timeout_seconds'
              WHEN (NEW.trigger_rule IN ('all_success', 'all_done', 'one_success', 'one_failed', 'all_failed',
                  'none_failed')) IS FALSE THEN 'ck_task_executions_trigger_rule'
              WHEN (NEW.waiting_on >= 0 AND (NEW.waiting_on = 0 OR NEW.pipeline_execution_id IS NOT NULL)) IS FALSE
                  THEN 'ck_task_executions_waiting_on'
            END USING ERRCODE = 'check_violation';
          END IF;
          IF TG_OP = 'INSERT' THEN
            RETURN NEW;
          END IF;
          IF OLD.status IN ('rejected', 'completed', 'failed', 'skipped', 'cancelled') THEN
            RAISE EXCEPTION 'task_executions % is %; what has ended cannot be changed', OLD.id, OLD.status USING
                ERRCODE = 'restrict_violation';
          END IF;
          IF NEW.id <> OLD.id OR NEW.created_at <> OLD.created_at OR NEW.created_by <> OLD.created_by THEN
            RAISE EXCEPTION 'task_executions % keeps its id, its creator and the time of its creation', OLD.id USING
                ERRCODE = 'restrict_violation';
          END IF;
          IF NEW.status <> OLD.status THEN
            IF NOT (OLD.status = 'approved' AND NEW.status IN ('cancelled', 'paused', 'ready', 'skipped') OR
                OLD.status = 'claimed' AND NEW.status IN ('cancelled', 'failed', 'ready', 'running') OR OLD.status =
                'deferred' AND NEW.status IN ('cancelled', 'ready') OR OLD.status = 'paused' AND NEW.status IN
                ('approved', 'cancelled', 'pending', 'ready', 'skipped') OR OLD.status = 'pending' AND NEW.status IN
                ('approved', 'cancelled', 'paused', 'ready', 'rejected', 'skipped') OR OLD.status = 'ready' AND
                NEW.status IN ('cancelled', 'claimed', 'paused', 'running') OR OLD.status = 'running' AND NEW.status
                IN ('cancelled', 'completed', 'deferred', 'failed', 'ready')) THEN
              RAISE EXCEPTION 'task_executions % cannot go from % to %', OLD.id, OLD.status, NEW.status USING ERRCODE
                  = 'restrict_violation';
            END IF;
            IF NEW.version <= OLD.version THEN
              RAISE EXCEPTION 'task_executions % moves only with a new version', OLD.id USING ERRCODE =
                  'restrict_violation';
            END IF;
          END IF;
          IF NEW.updated_at IS NOT DISTINCT FROM OLD.updated_at THEN
            NEW.updated_at := greatest(clock_timestamp(), OLD.updated_at);
          END IF;
          RETURN NEW;
        END
        $penstock$
        """,
        """
        CREATE OR REPLACE TRIGGER task_executions_guard BEFORE INSERT OR UPDATE OR DELETE ON penstock.task_executions
            FOR EACH ROW EXECUTE FUNCTION penstock.guard_task_executions()
        """,
        """
        CREATE OR REPLACE FUNCTION penstock.guard_pipeline_executions() RETURNS trigger
        LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $penstock$
        BEGIN
          IF TG_OP = 'DELETE' THEN
            IF OLD.status IN ('completed', 'failed', 'cancelled') AND EXISTS (SELECT FROM penstock.purge_log p WHERE
                p.closed_at IS NULL AND p.transaction_id = pg_current_xact_id() AND OLD.completed_at < p.cutoff) THEN
              RETURN OLD;
            END IF;
            RAISE EXCEPTION 'pipeline_executions % is %; only a purge on record deletes, and only what ended before its cutoff', OLD.id, OLD.status USING ERRCODE = 'restrict_violation';
          END IF;
          IF OLD.status IN ('completed', 'failed', 'cancelled') THEN
            RAISE EXCEPTION 'pipeline_executions % is %; what has ended cannot be changed', OLD.id, OLD.status USING
                ERRCODE = 'restrict_violation';
          END IF;
          IF NEW.id <> OLD.id OR NEW.created_at <> OLD.created_at OR NEW.created_by <> OLD.created_by THEN
            RAISE EXCEPTION 'pipeline_executions % keeps its id, its creator and the time of its creation', OLD.id
                USING ERRCODE = 'restrict_violation';
          END IF;
          IF NEW.status <> OLD.status THEN
            IF NOT (OLD.status = 'paused' AND NEW.status IN ('cancelled', 'completed', 'failed', 'running') OR
                OLD.status = 'running' AND NEW.status IN ('cancelled', 'completed', 'failed', 'paused')) THEN
              RAISE EXCEPTION 'pipeline_executions % cannot go from % to %', OLD.id, OLD.status, NEW.status USING
                  ERRCODE = 'restrict_violation';
            END IF;
            IF NEW.version <= OLD.version THEN
              RAISE EXCEPTION 'pipeline_executions % moves only with a new version', OLD.id USING ERRCODE =
                  'restrict_violation';
            END IF;
          END IF;
          IF NEW.updated_at IS NOT DISTINCT FROM OLD.updated_at THEN
            NEW.updated_at := greatest(clock_timestamp(), OLD.updated_at);
          END IF;
          RETURN NEW;
        END
        $penstock$
        """,
        """
        CREATE OR REPLACE TRIGGER pipeline_executions_guard BEFORE UPDATE OR DELETE ON penstock.pipeline_executions
            FOR EACH ROW EXECUTE FUNCTION penstock.guard_pipeline_executions()
        """,
        """
        CREATE OR REPLACE FUNCTION penstock.guard_tool_executions() RETURNS trigger
        LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $penstock$
        BEGIN
          IF TG_OP = 'DELETE' THEN
            IF EXISTS (SELECT FROM penstock.purge_log p WHERE p.closed_at IS NULL AND p.transaction_id =
                pg_current_xact_id()) THEN
              RETURN OLD;
            END IF;
            RAISE EXCEPTION 'tool_executions % is %; only a purge on record deletes', OLD.id, OLD.status USING ERRCODE
                = 'restrict_violation';
          END IF;
          IF OLD.status IN ('completed', 'failed', 'timeout') THEN
            RAISE EXCEPTION 'tool_executions % is %; what has ended cannot be changed', OLD.id, OLD.status USING
                ERRCODE = 'restrict_violation';
          END IF;
          IF NEW.id <> OLD.id OR NEW.created_at <> OLD.created_at THEN
            RAISE EXCEPTION 'tool_executions % keeps its id, its creator and the time of its creation', OLD.id USING
                ERRCODE = 'restrict_violation';
          END IF;
          IF NEW.status <> OLD.status THEN
            IF NOT (OLD.status = 'pending' AND NEW.status IN ('running') OR OLD.status = 'running' AND NEW.status IN
                ('completed', 'failed', 'timeout')) THEN
              RAISE EXCEPTION 'tool_executions % cannot go from % to %', OLD.id, OLD.status, NEW.status USING ERRCODE
                  = 'restrict_violation';
            END IF;
          END IF;
          RETURN NEW;
        END
        $penstock$
        """,
        """
        CREATE OR REPLACE TRIGGER tool_executions_guard BEFORE UPDATE OR DELETE ON penstock.tool_executions FOR EACH
            ROW EXECUTE FUNCTION penstock.guard_tool_executions()
        """,
        """
        CREATE OR REPLACE TRIGGER execution_events_guard BEFORE UPDATE OR DELETE ON penstock.execution_events FOR EACH
            ROW EXECUTE FUNCTION penstock.append_only()
        """,
        """
        CREATE OR REPLACE TRIGGER task_dependencies_guard BEFORE UPDATE OR DELETE ON penstock.task_dependencies FOR
            EACH ROW EXECUTE FUNCTION penstock.append_only()
        """,
        """
        CREATE OR REPLACE TRIGGER annotations_guard BEFORE UPDATE OR DELETE ON penstock.annotations FOR EACH ROW
            EXECUTE FUNCTION penstock.append_only()
        """,
        """
        CREATE OR REPLACE FUNCTION penstock.guard_purge_log() RETURNS trigger
        LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $penstock$
        BEGIN
          IF TG_OP = 'UPDATE' AND OLD.closed_at IS NULL AND NEW.closed_at IS NOT NULL
             AND NEW.id = OLD.id AND NEW.actor = OLD.actor AND NEW.cutoff = OLD.cutoff AND NEW.opened_at =
                 OLD.opened_at
             AND NEW.transaction_id = OLD.transaction_id AND OLD.transaction_id = pg_current_xact_id() THEN
            RETURN NEW;
          END IF;
          RAISE EXCEPTION 'purge_log is history; a row is closed once, by the purge that opened it' USING ERRCODE =
              'restrict_violation';
        END
        $penstock$
        """,
        """
        CREATE OR REPLACE TRIGGER purge_log_guard BEFORE UPDATE OR DELETE ON penstock.purge_log FOR EACH ROW EXECUTE
            FUNCTION penstock.guard_purge_log()
        """,
        """
        CREATE OR REPLACE FUNCTION penstock.guard_workflows() RETURNS trigger
        LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $penstock$
        BEGIN
          IF TG_OP = 'DELETE' THEN
            IF OLD.status = 'draft' THEN
              RETURN OLD;
            END IF;
            RAISE EXCEPTION 'workflows % is %; only a draft can be deleted', OLD.id, OLD.status USING ERRCODE =
                'restrict_violation';
          END IF;
          IF OLD.status <> 'draft' THEN
            IF NEW.status = 'draft' THEN
              RAISE EXCEPTION 'workflows % is %; it cannot be a draft again', OLD.id, OLD.status USING ERRCODE =
                  'restrict_violation';
            END IF;
            IF NEW.name <> OLD.name OR NEW.version <> OLD.version OR NEW.definition <> OLD.definition THEN
              RAISE EXCEPTION 'workflows % is %; it keeps its name, version and definition', OLD.id, OLD.status USING
                  ERRCODE = 'restrict_violation';
            END IF;
          END IF;
          RETURN NEW;
        END
        $penstock$
        """,
        """
        CREATE OR REPLACE TRIGGER workflows_guard BEFORE UPDATE OR DELETE ON penstock.workflows FOR EACH ROW EXECUTE
            FUNCTION penstock.guard_workflows()
        """,
        """
        CREATE OR REPLACE FUNCTION penstock.guard_configurations() RETURNS trigger
        LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $penstock$
        BEGIN
          IF NEW.value_type = 'json' THEN
            BEGIN
              PERFORM NEW.value::json;
            EXCEPTION
              WHEN data_exception THEN
                RAISE EXCEPTION 'configurations %: the value is not JSON', NEW.key USING ERRCODE =
                    'restrict_violation';
            END;
          END IF;
          RETURN NEW;
        END
        $penstock$
        """,
        """
        CREATE OR REPLACE TRIGGER configurations_guard BEFORE INSERT OR UPDATE ON penstock.configurations FOR EACH ROW
            EXECUTE FUNCTION penstock.guard_configurations()
        """,
        """
        CREATE OR REPLACE TRIGGER task_executions_keep BEFORE TRUNCATE ON penstock.task_executions FOR EACH STATEMENT
            EXECUTE FUNCTION penstock.keep()
        """,
        """
        CREATE OR REPLACE TRIGGER pipeline_executions_keep BEFORE TRUNCATE ON penstock.pipeline_executions FOR EACH
            STATEMENT EXECUTE FUNCTION penstock.keep()
        """,
        """
        CREATE OR REPLACE TRIGGER tool_executions_keep BEFORE TRUNCATE ON penstock.tool_executions FOR EACH STATEMENT
            EXECUTE FUNCTION penstock.keep()
        """,
        """
        CREATE OR REPLACE TRIGGER execution_events_keep BEFORE TRUNCATE ON penstock.execution_events FOR EACH
            STATEMENT EXECUTE FUNCTION penstock.keep()
        """,
        """
        CREATE OR REPLACE TRIGGER task_dependencies_keep BEFORE TRUNCATE ON penstock.task_dependencies FOR EACH
            STATEMENT EXECUTE FUNCTION penstock.keep()
        """,
        """
        CREATE OR REPLACE TRIGGER annotations_keep BEFORE TRUNCATE ON penstock.annotations FOR EACH STATEMENT EXECUTE
            FUNCTION penstock.keep()
        """,
        """
        CREATE OR REPLACE TRIGGER purge_log_keep BEFORE TRUNCATE ON penstock.purge_log FOR EACH STATEMENT EXECUTE
            FUNCTION penstock.keep()
        """,
        """
        CREATE OR REPLACE TRIGGER tasks_touch BEFORE UPDATE ON penstock.tasks FOR EACH ROW EXECUTE FUNCTION
            penstock.touch()
        """,
        """
        CREATE OR REPLACE TRIGGER workflows_touch BEFORE UPDATE ON penstock.workflows FOR EACH ROW EXECUTE FUNCTION
            penstock.touch()
        """,
        """
        CREATE OR REPLACE TRIGGER sessions_touch BEFORE UPDATE ON penstock.sessions FOR EACH ROW EXECUTE FUNCTION
            penstock.touch()
        """,
        """
        CREATE OR REPLACE TRIGGER configurations_touch BEFORE UPDATE ON penstock.configurations FOR EACH ROW EXECUTE
            FUNCTION penstock.touch()
        """,
        """
        CREATE OR REPLACE TRIGGER schedules_touch BEFORE UPDATE ON penstock.schedules FOR EACH ROW EXECUTE FUNCTION
            penstock.touch()
        """,
        """
        CREATE OR REPLACE TRIGGER relay_cursors_touch BEFORE UPDATE ON penstock.relay_cursors FOR EACH ROW EXECUTE
            FUNCTION penstock.touch()
        """,
    ),
    "sqlite": (
        """
        CREATE TRIGGER IF NOT EXISTS task_executions_ended BEFORE UPDATE OF id, pipeline_execution_id, task_id, name,
            sequence, task_type, queue, config, metadata, workspace_path, priority, max_attempts, retry,
            timeout_seconds, requires_approval, trigger_rule, failure_handled, created_by, retry_of, traceparent,
            created_at, waiting_on, parents_succeeded, parents_failed, parents_skipped, recoveries, attempt,
            approved_by, approved_at, status, version, started_at, worker_id, lease, lease_expires_at, settled_lease,
            resume_at, completed_at, outcome, services_touched, suggestions, error ON task_executions FOR EACH ROW
            WHEN OLD.status IN ('rejected', 'completed', 'failed', 'skipped', 'cancelled') BEGIN SELECT RAISE(ABORT,
            'task_executions: what has ended cannot be changed'); END
        """,
        """
        CREATE TRIGGER IF NOT EXISTS task_executions_settled BEFORE UPDATE OF updated_at ON task_executions FOR EACH
            ROW WHEN OLD.status IN ('rejected', 'completed', 'failed', 'skipped', 'cancelled') AND OLD.updated_at >=
            OLD.completed_at BEGIN SELECT RAISE(ABORT, 'task_executions: what has ended cannot be changed'); END
        """,
        """
        CREATE TRIGGER IF NOT EXISTS task_executions_touch AFTER UPDATE ON task_executions FOR EACH ROW WHEN
            NEW.updated_at = OLD.updated_at AND OLD.updated_at < strftime('%Y-%m-%dT%H:%M:%f000Z', 'now') AND NOT
            (NEW.status IN ('rejected', 'completed', 'failed', 'skipped', 'cancelled') AND NEW.updated_at >=
            NEW.completed_at) BEGIN UPDATE task_executions SET updated_at = strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')
            WHERE id = NEW.id; END
        """,
        """
        CREATE TRIGGER IF NOT EXISTS task_executions_identity BEFORE UPDATE OF id, created_at, created_by ON
            task_executions FOR EACH ROW WHEN NEW.id <> OLD.id OR NEW.created_at <> OLD.created_at OR NEW.created_by
            <> OLD.created_by BEGIN SELECT RAISE(ABORT, 'task_executions keeps its id, its creator and the time of its creation'); END
        """,
        """
        CREATE TRIGGER IF NOT EXISTS task_executions_move BEFORE UPDATE OF status ON task_executions FOR EACH ROW WHEN
            NEW.status <> OLD.status AND NOT (OLD.status = 'approved' AND NEW.status IN ('cancelled', 'paused',
            'ready', 'skipped') OR OLD.status = 'claimed' AND NEW.status IN ('cancelled', 'failed', 'ready',
            'running') OR OLD.status = 'deferred' AND NEW.status IN ('cancelled', 'ready') OR OLD.status = 'paused'
            AND NEW.status IN ('approved', 'cancelled', 'pending', 'ready', 'skipped') OR OLD.status = 'pending' AND
            NEW.status IN ('approved', 'cancelled', 'paused', 'ready', 'rejected', 'skipped') OR OLD.status = 'ready'
            AND NEW.status IN ('cancelled', 'claimed', 'paused', 'running') OR OLD.status = 'running' AND NEW.status
            IN ('cancelled', 'completed', 'deferred', 'failed', 'ready')) BEGIN SELECT RAISE(ABORT, 'task_executions cannot go there from its state'); END
        """,
        """
        CREATE TRIGGER IF NOT EXISTS task_executions_version BEFORE UPDATE OF status ON task_executions FOR EACH ROW
            WHEN NEW.status <> OLD.status AND NEW.version <= OLD.version BEGIN SELECT RAISE(ABORT, 'task_executions moves only with a new version'); END
        """,
        """
        CREATE TRIGGER IF NOT EXISTS task_executions_delete BEFORE DELETE ON task_executions FOR EACH ROW WHEN NOT
            (OLD.status IN ('rejected', 'completed', 'failed', 'skipped', 'cancelled') AND EXISTS (SELECT 1 FROM
            purge_log WHERE closed_at IS NULL AND OLD.completed_at < cutoff)) BEGIN SELECT RAISE(ABORT,
            'task_executions is history; only a purge on record deletes, and only what ended before its cutoff'); END
        """,
        """
        CREATE TRIGGER IF NOT EXISTS task_executions_replace BEFORE INSERT ON task_executions FOR EACH ROW WHEN EXISTS
            (SELECT 1 FROM task_executions WHERE (id = NEW.id) OR (rowid = NEW.rowid)) BEGIN SELECT RAISE(ABORT,
            'task_executions has this row already; history cannot be replaced'); END
        """,
        """
        CREATE TRIGGER IF NOT EXISTS pipeline_executions_ended BEFORE UPDATE OF id, workflow_id, workflow_version,
            name, status, input, output, error, unfinished, failed, created_by, traceparent, pause_reason, paused_at,
            retry_of, created_at, started_at, completed_at, version ON pipeline_executions FOR EACH ROW WHEN
            OLD.status IN ('completed', 'failed', 'cancelled') BEGIN SELECT RAISE(ABORT, 'pipeline_executions: what has ended cannot be changed'); END
        """,
        """
        CREATE TRIGGER IF NOT EXISTS pipeline_executions_settled BEFORE UPDATE OF updated_at ON pipeline_executions
            FOR EACH ROW WHEN OLD.status IN ('completed', 'failed', 'cancelled') AND OLD.updated_at >=
            OLD.completed_at BEGIN SELECT RAISE(ABORT, 'pipeline_executions: what has ended cannot be changed'); END
        """,
        """
        CREATE TRIGGER IF NOT EXISTS pipeline_executions_touch AFTER UPDATE ON pipeline_executions FOR EACH ROW WHEN
            NEW.updated_at = OLD.updated_at AND OLD.updated_at < strftime('%Y-%m-%dT%H:%M:%f000Z', 'now') AND NOT
            (NEW.status IN ('completed', 'failed', 'cancelled') AND NEW.updated_at >= NEW.completed_at) BEGIN UPDATE
            pipeline_executions SET updated_at = strftime('%Y-%m-%dT%H:%M:%f000Z', 'now') WHERE id = NEW.id; END
        """,
        """
        CREATE TRIGGER IF NOT EXISTS pipeline_executions_identity BEFORE UPDATE OF id, created_at, created_by ON
            pipeline_executions FOR EACH ROW WHEN NEW.id <> OLD.id OR NEW.created_at <> OLD.created_at OR
            NEW.created_by <> OLD.created_by BEGIN SELECT RAISE(ABORT, 'pipeline_executions keeps its id, its creator and the time of its creation'); END
        """,
        """
        CREATE TRIGGER IF NOT EXISTS pipeline_executions_move BEFORE UPDATE OF status ON pipeline_executions FOR EACH
            ROW WHEN NEW.status <> OLD.status AND NOT (OLD.status = 'paused' AND NEW.status IN ('cancelled',
            'completed', 'failed', 'running') OR OLD.status = 'running' AND NEW.status IN ('cancelled', 'completed',
            'failed', 'paused')) BEGIN SELECT RAISE(ABORT, 'pipeline_executions cannot go there from its state'); END
        """,
        """
        CREATE TRIGGER IF NOT EXISTS pipeline_executions_version BEFORE UPDATE OF status ON pipeline_executions FOR
            EACH ROW WHEN NEW.status <> OLD.status AND NEW.version <= OLD.version BEGIN SELECT RAISE(ABORT,
            'pipeline_executions moves only with a new version'); END
        """,
        """
        CREATE TRIGGER IF NOT EXISTS pipeline_executions_delete BEFORE DELETE ON pipeline_executions FOR EACH ROW WHEN
            NOT (OLD.status IN ('completed', 'failed', 'cancelled') AND EXISTS (SELECT 1 FROM purge_log WHERE
            closed_at IS NULL AND OLD.completed_at < cutoff)) BEGIN SELECT RAISE(ABORT, 'pipeline_executions is history; only a purge on record deletes, and only what ended before its cutoff'); END
        """,
        """
        CREATE TRIGGER IF NOT EXISTS pipeline_executions_replace BEFORE INSERT ON pipeline_executions FOR EACH ROW
            WHEN EXISTS (SELECT 1 FROM pipeline_executions WHERE (id = NEW.id) OR (rowid = NEW.rowid)) BEGIN SELECT
            RAISE(ABORT, 'pipeline_executions has this row already; history cannot be replaced'); END
        """,
        """
        CREATE TRIGGER IF NOT EXISTS tool_executions_ended BEFORE UPDATE OF id, task_execution_id, tool_name,
            arguments, output, status, error, created_at, completed_at, duration_ms ON tool_executions FOR EACH ROW
            WHEN OLD.status IN ('completed', 'failed', 'timeout') BEGIN SELECT RAISE(ABORT, 'tool_executions: what has ended cannot be changed'); END
        """,
        """
        CREATE TRIGGER IF NOT EXISTS tool_executions_identity BEFORE UPDATE OF id, created_at ON tool_executions FOR
            EACH ROW WHEN NEW.id <> OLD.id OR NEW.created_at <> OLD.created_at BEGIN SELECT RAISE(ABORT,
            'tool_executions keeps its id, its creator and the time of its creation'); END
        """,
        """
        CREATE TRIGGER IF NOT EXISTS tool_executions_move BEFORE UPDATE OF status ON tool_executions FOR EACH ROW WHEN
            NEW.status <> OLD.status AND NOT (OLD.status = 'pending' AND NEW.status IN ('running') OR OLD.status =
            'running' AND NEW.status IN ('completed', 'failed', 'timeout')) BEGIN SELECT RAISE(ABORT, 'tool_executions cannot go there from its state'); END
        """,
        """
        CREATE TRIGGER IF NOT EXISTS tool_executions_delete BEFORE DELETE ON tool_executions FOR EACH ROW WHEN NOT
            (EXISTS (SELECT 1 FROM purge_log WHERE closed_at IS NULL)) BEGIN SELECT RAISE(ABORT, 'tool_executions is history; only a purge on record deletes'); END
        """,
        """
        CREATE TRIGGER IF NOT EXISTS tool_executions_replace BEFORE INSERT ON tool_executions FOR EACH ROW WHEN EXISTS
            (SELECT 1 FROM tool_executions WHERE (id = NEW.id) OR (rowid = NEW.rowid)) BEGIN SELECT RAISE(ABORT,
            'tool_executions has this row already; history cannot be replaced'); END
        """,
        """
        CREATE TRIGGER IF NOT EXISTS execution_events_keep BEFORE UPDATE ON execution_events FOR EACH ROW BEGIN SELECT
            RAISE(ABORT, 'execution_events is history; it is only ever added to'); END
        """,
        """
        CREATE TRIGGER IF NOT EXISTS execution_events_delete BEFORE DELETE ON execution_events FOR EACH ROW WHEN NOT
            (EXISTS (SELECT 1 FROM purge_log WHERE closed_at IS NULL)) BEGIN SELECT RAISE(ABORT, 'execution_events is history; only a purge on record deletes'); END
        """,
        """
        CREATE TRIGGER IF NOT EXISTS execution_events_replace BEFORE INSERT ON execution_events FOR EACH ROW WHEN
            EXISTS (SELECT 1 FROM execution_events WHERE (sequence_num = NEW.sequence_num) OR (task_execution_id =
            NEW.task_execution_id AND version = NEW.version) OR (pipeline_execution_id = NEW.pipeline_execution_id AND
            version = NEW.version AND task_execution_id IS NULL AND NEW.task_execution_id IS NULL)) BEGIN SELECT
            RAISE(ABORT, 'execution_events has this row already; history cannot be replaced'); END
        """,
        """
        CREATE TRIGGER IF NOT EXISTS task_dependencies_keep BEFORE UPDATE ON task_dependencies FOR EACH ROW BEGIN
            SELECT RAISE(ABORT, 'task_dependencies is history; it is only ever added to'); END
        """,
        """
        CREATE TRIGGER IF NOT EXISTS task_dependencies_delete BEFORE DELETE ON task_dependencies FOR EACH ROW WHEN NOT
            (EXISTS (SELECT 1 FROM purge_log WHERE closed_at IS NULL)) BEGIN SELECT RAISE(ABORT, 'task_dependencies is history; only a purge on record deletes'); END
        """,
        """
        CREATE TRIGGER IF NOT EXISTS task_dependencies_replace BEFORE INSERT ON task_dependencies FOR EACH ROW WHEN
            EXISTS (SELECT 1 FROM task_dependencies WHERE (parent_id = NEW.parent_id AND child_id = NEW.child_id) OR
            (rowid = NEW.rowid)) BEGIN SELECT RAISE(ABORT, 'task_dependencies has this row already; history cannot be replaced'); END
        """,
        """
        CREATE TRIGGER IF NOT EXISTS annotations_keep BEFORE UPDATE ON annotations FOR EACH ROW BEGIN SELECT
            RAISE(ABORT, 'annotations is history; it is only ever added to'); END
        """,
        """
        CREATE TRIGGER IF NOT EXISTS annotations_delete BEFORE DELETE ON annotations FOR EACH ROW WHEN NOT (EXISTS
            (SELECT 1 FROM purge_log WHERE closed_at IS NULL)) BEGIN SELECT RAISE(ABORT, 'annotations is history; only a purge on record deletes'); END
        """,
        """
        CREATE TRIGGER IF NOT EXISTS annotations_replace BEFORE INSERT ON annotations FOR EACH ROW WHEN EXISTS (SELECT
            1 FROM annotations WHERE (id = NEW.id) OR (rowid = NEW.rowid)) BEGIN SELECT RAISE(ABORT, 'annotations has this row already; history cannot be replaced'); END
        """,
        """
        CREATE TRIGGER IF NOT EXISTS purge_log_keep BEFORE UPDATE ON purge_log FOR EACH ROW WHEN NOT (OLD.closed_at IS
            NULL AND NEW.closed_at IS NOT NULL AND NEW.id = OLD.id AND NEW.actor = OLD.actor AND NEW.cutoff =
            OLD.cutoff) BEGIN SELECT RAISE(ABORT, 'purge_log is history; a row is closed once, by the purge that opened it'); END
        """,
        """
        CREATE TRIGGER IF NOT EXISTS purge_log_delete BEFORE DELETE ON purge_log FOR EACH ROW BEGIN SELECT
            RAISE(ABORT, 'purge_log is history; a row is closed once, by the purge that opened it'); END
        """,
        """
        CREATE TRIGGER IF NOT EXISTS purge_log_replace BEFORE INSERT ON purge_log FOR EACH ROW WHEN EXISTS (SELECT 1
            FROM purge_log WHERE (id = NEW.id) OR (rowid = NEW.rowid)) BEGIN SELECT RAISE(ABORT, 'purge_log has this row already; history cannot be replaced'); END
        """,
        """
        CREATE TRIGGER IF NOT EXISTS workflows_delete BEFORE DELETE ON workflows FOR EACH ROW WHEN OLD.status <>
            'draft' BEGIN SELECT RAISE(ABORT, 'workflows: only a draft can be deleted'); END
        """,
        """
        CREATE TRIGGER IF NOT EXISTS workflows_published BEFORE UPDATE OF status ON workflows FOR EACH ROW WHEN
            OLD.status <> 'draft' AND NEW.status = 'draft' BEGIN SELECT RAISE(ABORT, 'workflows: what has been active cannot be a draft again'); END
        """,
        """
        CREATE TRIGGER IF NOT EXISTS workflows_definition BEFORE UPDATE OF name, version, definition ON workflows FOR
            EACH ROW WHEN OLD.status <> 'draft' AND (NEW.name <> OLD.name OR NEW.version <> OLD.version OR
            NEW.definition <> OLD.definition) BEGIN SELECT RAISE(ABORT, 'workflows: what has been active keeps its name, version and definition'); END
        """,
        """
        CREATE TRIGGER IF NOT EXISTS workflows_replace BEFORE INSERT ON workflows FOR EACH ROW WHEN EXISTS (SELECT 1
            FROM workflows WHERE status <> 'draft' AND (id = NEW.id OR (name = NEW.name AND version = NEW.version) OR
            rowid = NEW.rowid)) BEGIN SELECT RAISE(ABORT, 'workflows: only a draft can be replaced'); END
        """,
        """
        CREATE TRIGGER IF NOT EXISTS tasks_touch AFTER UPDATE ON tasks FOR EACH ROW WHEN NEW.updated_at =
            OLD.updated_at AND OLD.updated_at < strftime('%Y-%m-%dT%H:%M:%f000Z', 'now') BEGIN UPDATE tasks SET
            updated_at = strftime('%Y-%m-%dT%H:%M:%f000Z', 'now') WHERE id = NEW.id; END
        """,
        """
        CREATE TRIGGER IF NOT EXISTS workflows_touch AFTER UPDATE ON workflows FOR EACH ROW WHEN NEW.updated_at =
            OLD.updated_at AND OLD.updated_at < strftime('%Y-%m-%dT%H:%M:%f000Z', 'now') BEGIN UPDATE workflows SET
            updated_at = strftime('%Y-%m-%dT%H:%M:%f000Z', 'now') WHERE id = NEW.id; END
        """,
        """
        CREATE TRIGGER IF NOT EXISTS sessions_touch AFTER UPDATE ON sessions FOR EACH ROW WHEN NEW.updated_at =
            OLD.updated_at AND OLD.updated_at < strftime('%Y-%m-%dT%H:%M:%f000Z', 'now') BEGIN UPDATE sessions SET
            updated_at = strftime('%Y-%m-%dT%H:%M:%f000Z', 'now') WHERE id = NEW.id; END
        """,
        """
        CREATE TRIGGER IF NOT EXISTS configurations_touch AFTER UPDATE ON configurations FOR EACH ROW WHEN
            NEW.updated_at = OLD.updated_at AND OLD.updated_at < strftime('%Y-%m-%dT%H:%M:%f000Z', 'now') BEGIN UPDATE
            configurations SET updated_at = strftime('%Y-%m-%dT%H:%M:%f000Z', 'now') WHERE key = NEW.key; END
        """,
        """
        CREATE TRIGGER IF NOT EXISTS schedules_touch AFTER UPDATE ON schedules FOR EACH ROW WHEN NEW.updated_at =
            OLD.updated_at AND OLD.updated_at < strftime('%Y-%m-%dT%H:%M:%f000Z', 'now') BEGIN UPDATE schedules SET
            updated_at = strftime('%Y-%m-%dT%H:%M:%f000Z', 'now') WHERE id = NEW.id; END
        """,
        """
        CREATE TRIGGER IF NOT EXISTS relay_cursors_touch AFTER UPDATE ON relay_cursors FOR EACH ROW WHEN
            NEW.updated_at = OLD.updated_at AND OLD.updated_at < strftime('%Y-%m-%dT%H:%M:%f000Z', 'now') BEGIN UPDATE
            relay_cursors SET updated_at = strftime('%Y-%m-%dT%H:%M:%f000Z', 'now') WHERE name = NEW.name; END
        """,
    ),
}

DOWN: Statements = {
    "postgresql": (
        "DROP TRIGGER IF EXISTS relay_cursors_touch ON penstock.relay_cursors",
        "DROP TRIGGER IF EXISTS schedules_touch ON penstock.schedules",
        "DROP TRIGGER IF EXISTS configurations_touch ON penstock.configurations",
        "DROP TRIGGER IF EXISTS sessions_touch ON penstock.sessions",
        "DROP TRIGGER IF EXISTS workflows_touch ON penstock.workflows",
        "DROP TRIGGER IF EXISTS tasks_touch ON penstock.tasks",
        "DROP TRIGGER IF EXISTS purge_log_keep ON penstock.purge_log",
        "DROP TRIGGER IF EXISTS annotations_keep ON penstock.annotations",
        "DROP TRIGGER IF EXISTS task_dependencies_keep ON penstock.task_dependencies",
        "DROP TRIGGER IF EXISTS execution_events_keep ON penstock.execution_events",
        "DROP TRIGGER IF EXISTS tool_executions_keep ON penstock.tool_executions",
        "DROP TRIGGER IF EXISTS pipeline_executions_keep ON penstock.pipeline_executions",
        "DROP TRIGGER IF EXISTS task_executions_keep ON penstock.task_executions",
        "DROP TRIGGER IF EXISTS configurations_guard ON penstock.configurations",
        "DROP FUNCTION IF EXISTS penstock.guard_configurations()",
        "DROP TRIGGER IF EXISTS workflows_guard ON penstock.workflows",
        "DROP FUNCTION IF EXISTS penstock.guard_workflows()",
        "DROP TRIGGER IF EXISTS purge_log_guard ON penstock.purge_log",
        "DROP FUNCTION IF EXISTS penstock.guard_purge_log()",
        "DROP TRIGGER IF EXISTS annotations_guard ON penstock.annotations",
        "DROP TRIGGER IF EXISTS task_dependencies_guard ON penstock.task_dependencies",
        "DROP TRIGGER IF EXISTS execution_events_guard ON penstock.execution_events",
        "DROP TRIGGER IF EXISTS tool_executions_guard ON penstock.tool_executions",
        "DROP FUNCTION IF EXISTS penstock.guard_tool_executions()",
        "DROP TRIGGER IF EXISTS pipeline_executions_guard ON penstock.pipeline_executions",
        "DROP FUNCTION IF EXISTS penstock.guard_pipeline_executions()",
        "DROP TRIGGER IF EXISTS task_executions_guard ON penstock.task_executions",
        "DROP FUNCTION IF EXISTS penstock.guard_task_executions()",
        "DROP FUNCTION IF EXISTS penstock.append_only()",
        "DROP TRIGGER IF EXISTS purge_log_functions ON penstock.purge_log",
        "DROP TRIGGER IF EXISTS tool_executions_functions ON penstock.tool_executions",
        "DROP TRIGGER IF EXISTS pause_queue_functions ON penstock.pause_queue",
        "DROP TRIGGER IF EXISTS task_dependencies_functions ON penstock.task_dependencies",
        "DROP TRIGGER IF EXISTS task_outbox_functions ON penstock.task_outbox",
        "DROP TRIGGER IF EXISTS execution_events_functions ON penstock.execution_events",
        "DROP TRIGGER IF EXISTS pipeline_executions_functions ON penstock.pipeline_executions",
        "DROP TRIGGER IF EXISTS task_executions_functions ON penstock.task_executions",
        "DROP FUNCTION IF EXISTS penstock.only_functions()",
        "DROP FUNCTION IF EXISTS penstock.keep()",
        "DROP FUNCTION IF EXISTS penstock.touch()",
    ),
    "sqlite": (
        "DROP TRIGGER IF EXISTS relay_cursors_touch",
        "DROP TRIGGER IF EXISTS schedules_touch",
        "DROP TRIGGER IF EXISTS configurations_touch",
        "DROP TRIGGER IF EXISTS sessions_touch",
        "DROP TRIGGER IF EXISTS workflows_touch",
        "DROP TRIGGER IF EXISTS tasks_touch",
        "DROP TRIGGER IF EXISTS workflows_replace",
        "DROP TRIGGER IF EXISTS workflows_definition",
        "DROP TRIGGER IF EXISTS workflows_published",
        "DROP TRIGGER IF EXISTS workflows_delete",
        "DROP TRIGGER IF EXISTS purge_log_replace",
        "DROP TRIGGER IF EXISTS purge_log_delete",
        "DROP TRIGGER IF EXISTS purge_log_keep",
        "DROP TRIGGER IF EXISTS annotations_replace",
        "DROP TRIGGER IF EXISTS annotations_delete",
        "DROP TRIGGER IF EXISTS annotations_keep",
        "DROP TRIGGER IF EXISTS task_dependencies_replace",
        "DROP TRIGGER IF EXISTS task_dependencies_delete",
        "DROP TRIGGER IF EXISTS task_dependencies_keep",
        "DROP TRIGGER IF EXISTS execution_events_replace",
        "DROP TRIGGER IF EXISTS execution_events_delete",
        "DROP TRIGGER IF EXISTS execution_events_keep",
        "DROP TRIGGER IF EXISTS tool_executions_replace",
        "DROP TRIGGER IF EXISTS tool_executions_delete",
        "DROP TRIGGER IF EXISTS tool_executions_move",
        "DROP TRIGGER IF EXISTS tool_executions_identity",
        "DROP TRIGGER IF EXISTS tool_executions_ended",
        "DROP TRIGGER IF EXISTS pipeline_executions_replace",
        "DROP TRIGGER IF EXISTS pipeline_executions_delete",
        "DROP TRIGGER IF EXISTS pipeline_executions_version",
        "DROP TRIGGER IF EXISTS pipeline_executions_move",
        "DROP TRIGGER IF EXISTS pipeline_executions_identity",
        "DROP TRIGGER IF EXISTS pipeline_executions_touch",
        "DROP TRIGGER IF EXISTS pipeline_executions_settled",
        "DROP TRIGGER IF EXISTS pipeline_executions_ended",
        "DROP TRIGGER IF EXISTS task_executions_replace",
        "DROP TRIGGER IF EXISTS task_executions_delete",
        "DROP TRIGGER IF EXISTS task_executions_version",
        "DROP TRIGGER IF EXISTS task_executions_move",
        "DROP TRIGGER IF EXISTS task_executions_identity",
        "DROP TRIGGER IF EXISTS task_executions_touch",
        "DROP TRIGGER IF EXISTS task_executions_settled",
        "DROP TRIGGER IF EXISTS task_executions_ended",
    ),
}


def upgrade(run: Callable[[Statements], None]) -> None:
    run(UP)


def downgrade(run: Callable[[Statements], None]) -> None:
    run(DOWN)
