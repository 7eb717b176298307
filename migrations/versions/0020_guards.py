"""The database as the last judge: it refuses illegal moves and any change of what has ended.

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
        CREATE OR REPLACE FUNCTION penstock_touch() RETURNS trigger
        LANGUAGE plpgsql AS $penstock$
        BEGIN
          IF NEW.updated_at IS NOT DISTINCT FROM OLD.updated_at THEN
            NEW.updated_at := greatest(clock_timestamp(), OLD.updated_at);
          END IF;
          RETURN NEW;
        END
        $penstock$
        """,
        """
        CREATE OR REPLACE FUNCTION penstock_keep() RETURNS trigger
        LANGUAGE plpgsql AS $penstock$
        BEGIN
          RAISE EXCEPTION '% is history; it cannot be truncated', TG_TABLE_NAME
              USING ERRCODE = 'restrict_violation';
        END
        $penstock$
        """,
        """
        CREATE OR REPLACE FUNCTION penstock_append_only() RETURNS trigger
        LANGUAGE plpgsql AS $penstock$
        DECLARE
          purging boolean := false;
        BEGIN
          IF TG_OP = 'DELETE' THEN
            EXECUTE format('SELECT current_user = ''penstock_purge'' AND EXISTS (SELECT 1 FROM %I.purge_log'
              ' WHERE closed_at IS NULL AND transaction_id = pg_current_xact_id())', TG_TABLE_SCHEMA)
                  INTO purging;
            IF purging THEN RETURN OLD; END IF;
          END IF;
          RAISE EXCEPTION '% is history; it is only ever added to, and deleted by a purge on record',
              TG_TABLE_NAME
              USING ERRCODE = 'restrict_violation';
        END
        $penstock$
        """,
        """
        CREATE OR REPLACE FUNCTION penstock_guard_purge_log() RETURNS trigger
        LANGUAGE plpgsql AS $penstock$
        BEGIN
          IF TG_OP = 'UPDATE' AND OLD.closed_at IS NULL AND NEW.closed_at IS NOT NULL
             AND NEW.id = OLD.id
                 AND NEW.actor = OLD.actor
                 AND NEW.cutoff = OLD.cutoff
                 AND NEW.opened_at = OLD.opened_at
             AND NEW.transaction_id = OLD.transaction_id AND OLD.transaction_id = pg_current_xact_id() THEN
            RETURN NEW;
          END IF;
          RAISE EXCEPTION 'purge_log is history; a row is closed once, by the purge that opened it'
              USING ERRCODE = 'restrict_violation';
        END
        $penstock$
        """,
        """
        CREATE OR REPLACE FUNCTION penstock_guard_task_executions() RETURNS trigger
        LANGUAGE plpgsql AS $penstock$
        DECLARE
          purging boolean := false;
        BEGIN
          IF TG_OP = 'DELETE' THEN
            EXECUTE format('SELECT current_user = ''penstock_purge'' AND EXISTS (SELECT 1 FROM %I.purge_log'
              ' WHERE closed_at IS NULL AND transaction_id = pg_current_xact_id())', TG_TABLE_SCHEMA)
                  INTO purging;
            IF purging AND OLD.status IN ('rejected', 'completed', 'failed', 'skipped', 'cancelled')
                THEN RETURN OLD; END IF;
            RAISE EXCEPTION 'task_executions % is %; only a purge on record deletes, and only what has ended',
                OLD.id, OLD.status
                USING ERRCODE = 'restrict_violation';
          END IF;
          IF OLD.status IN ('rejected', 'completed', 'failed', 'skipped', 'cancelled') THEN
            RAISE EXCEPTION 'task_executions % is %; what has ended cannot be changed', OLD.id, OLD.status
                USING ERRCODE = 'restrict_violation';
          END IF;
          IF NEW.id <> OLD.id OR NEW.created_at <> OLD.created_at THEN
            RAISE EXCEPTION 'task_executions % keeps its id and the time of its creation', OLD.id
                USING ERRCODE = 'restrict_violation';
          END IF;
          IF NEW.status <> OLD.status THEN
            IF NOT (OLD.status = 'approved' AND NEW.status IN ('cancelled', 'paused', 'ready', 'skipped')
                OR OLD.status = 'claimed' AND NEW.status IN ('cancelled', 'failed', 'ready', 'running')
                OR OLD.status = 'deferred' AND NEW.status IN ('cancelled', 'ready')
                OR OLD.status = 'paused'
                    AND NEW.status IN ('approved', 'cancelled', 'pending', 'ready', 'skipped')
                OR OLD.status = 'pending'
                    AND NEW.status IN ('approved', 'cancelled', 'paused', 'ready', 'rejected', 'skipped')
                OR OLD.status = 'ready' AND NEW.status IN ('cancelled', 'claimed', 'paused', 'running')
                OR OLD.status = 'running'
                    AND NEW.status IN ('cancelled', 'completed', 'deferred', 'failed', 'ready')) THEN
              RAISE EXCEPTION 'task_executions % cannot go from % to %', OLD.id, OLD.status, NEW.status
                  USING ERRCODE = 'restrict_violation';
            END IF;
            IF NEW.version <= OLD.version THEN
              RAISE EXCEPTION 'task_executions % moves only with a new version', OLD.id
                  USING ERRCODE = 'restrict_violation';
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
        CREATE OR REPLACE TRIGGER task_executions_guard
        BEFORE UPDATE OR DELETE ON task_executions
        FOR EACH ROW EXECUTE FUNCTION penstock_guard_task_executions()
        """,
        """
        CREATE OR REPLACE FUNCTION penstock_guard_pipeline_executions() RETURNS trigger
        LANGUAGE plpgsql AS $penstock$
        DECLARE
          purging boolean := false;
        BEGIN
          IF TG_OP = 'DELETE' THEN
            EXECUTE format('SELECT current_user = ''penstock_purge'' AND EXISTS (SELECT 1 FROM %I.purge_log'
              ' WHERE closed_at IS NULL AND transaction_id = pg_current_xact_id())', TG_TABLE_SCHEMA)
                  INTO purging;
            IF purging AND OLD.status IN ('completed', 'failed', 'cancelled') THEN RETURN OLD; END IF;
            RAISE EXCEPTION
                'pipeline_executions % is %; only a purge on record deletes, and only what has ended', OLD.id,
                OLD.status
                USING ERRCODE = 'restrict_violation';
          END IF;
          IF OLD.status IN ('completed', 'failed', 'cancelled') THEN
            RAISE EXCEPTION 'pipeline_executions % is %; what has ended cannot be changed', OLD.id, OLD.status
                USING ERRCODE = 'restrict_violation';
          END IF;
          IF NEW.id <> OLD.id OR NEW.created_at <> OLD.created_at THEN
            RAISE EXCEPTION 'pipeline_executions % keeps its id and the time of its creation', OLD.id
                USING ERRCODE = 'restrict_violation';
          END IF;
          IF NEW.status <> OLD.status THEN
            IF NOT (OLD.status = 'paused' AND NEW.status IN ('cancelled', 'completed', 'failed', 'running')
                OR OLD.status = 'running'
                    AND NEW.status IN ('cancelled', 'completed', 'failed', 'paused')) THEN
              RAISE EXCEPTION 'pipeline_executions % cannot go from % to %', OLD.id, OLD.status, NEW.status
                  USING ERRCODE = 'restrict_violation';
            END IF;
            IF NEW.version <= OLD.version THEN
              RAISE EXCEPTION 'pipeline_executions % moves only with a new version', OLD.id
                  USING ERRCODE = 'restrict_violation';
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
        CREATE OR REPLACE TRIGGER pipeline_executions_guard
        BEFORE UPDATE OR DELETE ON pipeline_executions
        FOR EACH ROW EXECUTE FUNCTION penstock_guard_pipeline_executions()
        """,
        """
        CREATE OR REPLACE FUNCTION penstock_guard_tool_executions() RETURNS trigger
        LANGUAGE plpgsql AS $penstock$
        DECLARE
          purging boolean := false;
        BEGIN
          IF TG_OP = 'DELETE' THEN
            EXECUTE format('SELECT current_user = ''penstock_purge'' AND EXISTS (SELECT 1 FROM %I.purge_log'
              ' WHERE closed_at IS NULL AND transaction_id = pg_current_xact_id())', TG_TABLE_SCHEMA)
                  INTO purging;
            IF purging THEN RETURN OLD; END IF;
            RAISE EXCEPTION 'tool_executions % is %; only a purge on record deletes, and only what has ended',
                OLD.id, OLD.status
                USING ERRCODE = 'restrict_violation';
          END IF;
          IF OLD.status IN ('completed', 'failed', 'timeout') THEN
            RAISE EXCEPTION 'tool_executions % is %; what has ended cannot be changed', OLD.id, OLD.status
                USING ERRCODE = 'restrict_violation';
          END IF;
          IF NEW.id <> OLD.id OR NEW.created_at <> OLD.created_at THEN
            RAISE EXCEPTION 'tool_executions % keeps its id and the time of its creation', OLD.id
                USING ERRCODE = 'restrict_violation';
          END IF;
          IF NEW.status <> OLD.status THEN
            IF NOT (OLD.status = 'pending' AND NEW.status IN ('running')
                OR OLD.status = 'running' AND NEW.status IN ('completed', 'failed', 'timeout')) THEN
              RAISE EXCEPTION 'tool_executions % cannot go from % to %', OLD.id, OLD.status, NEW.status
                  USING ERRCODE = 'restrict_violation';
            END IF;
          END IF;
          RETURN NEW;
        END
        $penstock$
        """,
        """
        CREATE OR REPLACE TRIGGER tool_executions_guard
        BEFORE UPDATE OR DELETE ON tool_executions
        FOR EACH ROW EXECUTE FUNCTION penstock_guard_tool_executions()
        """,
        """
        CREATE OR REPLACE TRIGGER execution_events_guard
        BEFORE UPDATE OR DELETE ON execution_events
        FOR EACH ROW EXECUTE FUNCTION penstock_append_only()
        """,
        """
        CREATE OR REPLACE TRIGGER task_dependencies_guard
        BEFORE UPDATE OR DELETE ON task_dependencies
        FOR EACH ROW EXECUTE FUNCTION penstock_append_only()
        """,
        """
        CREATE OR REPLACE TRIGGER annotations_guard
        BEFORE UPDATE OR DELETE ON annotations
        FOR EACH ROW EXECUTE FUNCTION penstock_append_only()
        """,
        """
        CREATE OR REPLACE TRIGGER purge_log_guard
        BEFORE UPDATE OR DELETE ON purge_log
        FOR EACH ROW EXECUTE FUNCTION penstock_guard_purge_log()
        """,
        """
        CREATE OR REPLACE TRIGGER task_executions_keep
        BEFORE TRUNCATE ON task_executions
        FOR EACH STATEMENT EXECUTE FUNCTION penstock_keep()
        """,
        """
        CREATE OR REPLACE TRIGGER pipeline_executions_keep
        BEFORE TRUNCATE ON pipeline_executions
        FOR EACH STATEMENT EXECUTE FUNCTION penstock_keep()
        """,
        """
        CREATE OR REPLACE TRIGGER tool_executions_keep
        BEFORE TRUNCATE ON tool_executions
        FOR EACH STATEMENT EXECUTE FUNCTION penstock_keep()
        """,
        """
        CREATE OR REPLACE TRIGGER execution_events_keep
        BEFORE TRUNCATE ON execution_events
        FOR EACH STATEMENT EXECUTE FUNCTION penstock_keep()
        """,
        """
        CREATE OR REPLACE TRIGGER task_dependencies_keep
        BEFORE TRUNCATE ON task_dependencies
        FOR EACH STATEMENT EXECUTE FUNCTION penstock_keep()
        """,
        """
        CREATE OR REPLACE TRIGGER annotations_keep
        BEFORE TRUNCATE ON annotations
        FOR EACH STATEMENT EXECUTE FUNCTION penstock_keep()
        """,
        """
        CREATE OR REPLACE TRIGGER purge_log_keep
        BEFORE TRUNCATE ON purge_log
        FOR EACH STATEMENT EXECUTE FUNCTION penstock_keep()
        """,
        """
        CREATE OR REPLACE TRIGGER tasks_touch
        BEFORE UPDATE ON tasks
        FOR EACH ROW EXECUTE FUNCTION penstock_touch()
        """,
        """
        CREATE OR REPLACE TRIGGER workflows_touch
        BEFORE UPDATE ON workflows
        FOR EACH ROW EXECUTE FUNCTION penstock_touch()
        """,
        """
        CREATE OR REPLACE TRIGGER sessions_touch
        BEFORE UPDATE ON sessions
        FOR EACH ROW EXECUTE FUNCTION penstock_touch()
        """,
        """
        CREATE OR REPLACE TRIGGER configurations_touch
        BEFORE UPDATE ON configurations
        FOR EACH ROW EXECUTE FUNCTION penstock_touch()
        """,
        """
        CREATE OR REPLACE TRIGGER schedules_touch
        BEFORE UPDATE ON schedules
        FOR EACH ROW EXECUTE FUNCTION penstock_touch()
        """,
        """
        CREATE OR REPLACE TRIGGER relay_cursors_touch
        BEFORE UPDATE ON relay_cursors
        FOR EACH ROW EXECUTE FUNCTION penstock_touch()
        """,
    ),
    "sqlite": (
        """
        CREATE TRIGGER IF NOT EXISTS task_executions_ended
        BEFORE UPDATE OF id, pipeline_execution_id, task_id, name, sequence, task_type, queue, status, config,
            metadata, workspace_path, priority, attempt, max_attempts, retry, timeout_seconds,
            requires_approval, trigger_rule, failure_handled, waiting_on, parents_succeeded, parents_failed,
            parents_skipped, worker_id, lease, lease_expires_at, recoveries, resume_at, services_touched,
            outcome, suggestions, error, created_by, approved_by, approved_at, retry_of, traceparent,
            created_at, started_at, completed_at, version ON task_executions
        FOR EACH ROW
        WHEN OLD.status IN ('rejected', 'completed', 'failed', 'skipped', 'cancelled')
        BEGIN
            SELECT RAISE(ABORT, 'task_executions: what has ended cannot be changed');
        END
        """,
        """
        CREATE TRIGGER IF NOT EXISTS task_executions_settled
        BEFORE UPDATE OF updated_at ON task_executions
        FOR EACH ROW
        WHEN OLD.status IN ('rejected', 'completed', 'failed', 'skipped', 'cancelled')
            AND OLD.updated_at >= OLD.completed_at
        BEGIN
            SELECT RAISE(ABORT, 'task_executions: what has ended cannot be changed');
        END
        """,
        """
        CREATE TRIGGER IF NOT EXISTS task_executions_touch
        AFTER UPDATE ON task_executions
        FOR EACH ROW
        WHEN NEW.updated_at = OLD.updated_at
            AND OLD.updated_at < strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')
            AND NOT (NEW.status IN ('rejected', 'completed', 'failed', 'skipped', 'cancelled')
                AND NEW.updated_at >= NEW.completed_at)
        BEGIN
            UPDATE task_executions SET updated_at = strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')
                WHERE id = NEW.id;
        END
        """,
        """
        CREATE TRIGGER IF NOT EXISTS task_executions_identity
        BEFORE UPDATE OF id, created_at ON task_executions
        FOR EACH ROW
        WHEN NEW.id <> OLD.id OR NEW.created_at <> OLD.created_at
        BEGIN
            SELECT RAISE(ABORT, 'task_executions keeps its id and the time of its creation');
        END
        """,
        """
        CREATE TRIGGER IF NOT EXISTS task_executions_move
        BEFORE UPDATE OF status ON task_executions
        FOR EACH ROW
        WHEN NEW.status <> OLD.status
            AND NOT (OLD.status = 'approved' AND NEW.status IN ('cancelled', 'paused', 'ready', 'skipped')
            OR OLD.status = 'claimed' AND NEW.status IN ('cancelled', 'failed', 'ready', 'running')
            OR OLD.status = 'deferred' AND NEW.status IN ('cancelled', 'ready')
            OR OLD.status = 'paused'
                AND NEW.status IN ('approved', 'cancelled', 'pending', 'ready', 'skipped')
            OR OLD.status = 'pending'
                AND NEW.status IN ('approved', 'cancelled', 'paused', 'ready', 'rejected', 'skipped')
            OR OLD.status = 'ready' AND NEW.status IN ('cancelled', 'claimed', 'paused', 'running')
            OR OLD.status = 'running'
                AND NEW.status IN ('cancelled', 'completed', 'deferred', 'failed', 'ready'))
        BEGIN
            SELECT RAISE(ABORT, 'task_executions cannot go there from its state');
        END
        """,
        """
        CREATE TRIGGER IF NOT EXISTS task_executions_version
        BEFORE UPDATE OF status ON task_executions
        FOR EACH ROW
        WHEN NEW.status <> OLD.status AND NEW.version <= OLD.version
        BEGIN
            SELECT RAISE(ABORT, 'task_executions moves only with a new version');
        END
        """,
        """
        CREATE TRIGGER IF NOT EXISTS task_executions_delete
        BEFORE DELETE ON task_executions
        FOR EACH ROW
        WHEN NOT (OLD.status IN ('rejected', 'completed', 'failed', 'skipped', 'cancelled')
            AND EXISTS (SELECT 1 FROM purge_log
            WHERE closed_at IS NULL))
        BEGIN
            SELECT RAISE(ABORT,
                'task_executions is history; only a purge on record deletes, and only what has ended');
        END
        """,
        """
        CREATE TRIGGER IF NOT EXISTS task_executions_replace
        BEFORE INSERT ON task_executions
        FOR EACH ROW
        WHEN EXISTS (SELECT 1 FROM task_executions WHERE (id = NEW.id) OR (rowid = NEW.rowid))
        BEGIN
            SELECT RAISE(ABORT, 'task_executions has this row already; history cannot be replaced');
        END
        """,
        """
        CREATE TRIGGER IF NOT EXISTS pipeline_executions_ended
        BEFORE UPDATE OF id, workflow_id, workflow_version, name, status, input, output, error, unfinished,
            failed, created_by, traceparent, pause_reason, paused_at, retry_of, created_at, started_at,
            completed_at, version ON pipeline_executions
        FOR EACH ROW
        WHEN OLD.status IN ('completed', 'failed', 'cancelled')
        BEGIN
            SELECT RAISE(ABORT, 'pipeline_executions: what has ended cannot be changed');
        END
        """,
        """
        CREATE TRIGGER IF NOT EXISTS pipeline_executions_settled
        BEFORE UPDATE OF updated_at ON pipeline_executions
        FOR EACH ROW
        WHEN OLD.status IN ('completed', 'failed', 'cancelled') AND OLD.updated_at >= OLD.completed_at
        BEGIN
            SELECT RAISE(ABORT, 'pipeline_executions: what has ended cannot be changed');
        END
        """,
        """
        CREATE TRIGGER IF NOT EXISTS pipeline_executions_touch
        AFTER UPDATE ON pipeline_executions
        FOR EACH ROW
        WHEN NEW.updated_at = OLD.updated_at
            AND OLD.updated_at < strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')
            AND NOT (NEW.status IN ('completed', 'failed', 'cancelled')
                AND NEW.updated_at >= NEW.completed_at)
        BEGIN
            UPDATE pipeline_executions SET updated_at = strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')
                WHERE id = NEW.id;
        END
        """,
        """
        CREATE TRIGGER IF NOT EXISTS pipeline_executions_identity
        BEFORE UPDATE OF id, created_at ON pipeline_executions
        FOR EACH ROW
        WHEN NEW.id <> OLD.id OR NEW.created_at <> OLD.created_at
        BEGIN
            SELECT RAISE(ABORT, 'pipeline_executions keeps its id and the time of its creation');
        END
        """,
        """
        CREATE TRIGGER IF NOT EXISTS pipeline_executions_move
        BEFORE UPDATE OF status ON pipeline_executions
        FOR EACH ROW
        WHEN NEW.status <> OLD.status
            AND NOT (OLD.status = 'paused' AND NEW.status IN ('cancelled', 'completed', 'failed', 'running')
            OR OLD.status = 'running' AND NEW.status IN ('cancelled', 'completed', 'failed', 'paused'))
        BEGIN
            SELECT RAISE(ABORT, 'pipeline_executions cannot go there from its state');
        END
        """,
        """
        CREATE TRIGGER IF NOT EXISTS pipeline_executions_version
        BEFORE UPDATE OF status ON pipeline_executions
        FOR EACH ROW
        WHEN NEW.status <> OLD.status AND NEW.version <= OLD.version
        BEGIN
            SELECT RAISE(ABORT, 'pipeline_executions moves only with a new version');
        END
        """,
        """
        CREATE TRIGGER IF NOT EXISTS pipeline_executions_delete
        BEFORE DELETE ON pipeline_executions
        FOR EACH ROW
        WHEN NOT (OLD.status IN ('completed', 'failed', 'cancelled') AND EXISTS (SELECT 1 FROM purge_log
            WHERE closed_at IS NULL))
        BEGIN
            SELECT RAISE(ABORT,
                'pipeline_executions is history; only a purge on record deletes, and only what has ended');
        END
        """,
        """
        CREATE TRIGGER IF NOT EXISTS pipeline_executions_replace
        BEFORE INSERT ON pipeline_executions
        FOR EACH ROW
        WHEN EXISTS (SELECT 1 FROM pipeline_executions WHERE (id = NEW.id) OR (rowid = NEW.rowid))
        BEGIN
            SELECT RAISE(ABORT, 'pipeline_executions has this row already; history cannot be replaced');
        END
        """,
        """
        CREATE TRIGGER IF NOT EXISTS tool_executions_ended
        BEFORE UPDATE OF id, task_execution_id, tool_name, arguments, output, status, error, created_at,
            completed_at, duration_ms ON tool_executions
        FOR EACH ROW
        WHEN OLD.status IN ('completed', 'failed', 'timeout')
        BEGIN
            SELECT RAISE(ABORT, 'tool_executions: what has ended cannot be changed');
        END
        """,
        """
        CREATE TRIGGER IF NOT EXISTS tool_executions_identity
        BEFORE UPDATE OF id, created_at ON tool_executions
        FOR EACH ROW
        WHEN NEW.id <> OLD.id OR NEW.created_at <> OLD.created_at
        BEGIN
            SELECT RAISE(ABORT, 'tool_executions keeps its id and the time of its creation');
        END
        """,
        """
        CREATE TRIGGER IF NOT EXISTS tool_executions_move
        BEFORE UPDATE OF status ON tool_executions
        FOR EACH ROW
        WHEN NEW.status <> OLD.status AND NOT (OLD.status = 'pending' AND NEW.status IN ('running')
            OR OLD.status = 'running' AND NEW.status IN ('completed', 'failed', 'timeout'))
        BEGIN
            SELECT RAISE(ABORT, 'tool_executions cannot go there from its state');
        END
        """,
        """
        CREATE TRIGGER IF NOT EXISTS tool_executions_delete
        BEFORE DELETE ON tool_executions
        FOR EACH ROW
        WHEN NOT (EXISTS (SELECT 1 FROM purge_log WHERE closed_at IS NULL))
        BEGIN
            SELECT RAISE(ABORT,
                'tool_executions is history; only a purge on record deletes, and only what has ended');
        END
        """,
        """
        CREATE TRIGGER IF NOT EXISTS tool_executions_replace
        BEFORE INSERT ON tool_executions
        FOR EACH ROW
        WHEN EXISTS (SELECT 1 FROM tool_executions WHERE (id = NEW.id) OR (rowid = NEW.rowid))
        BEGIN
            SELECT RAISE(ABORT, 'tool_executions has this row already; history cannot be replaced');
        END
        """,
        """
        CREATE TRIGGER IF NOT EXISTS execution_events_keep
        BEFORE UPDATE ON execution_events
        FOR EACH ROW
        BEGIN
            SELECT RAISE(ABORT, 'execution_events is history; it is only ever added to');
        END
        """,
        """
        CREATE TRIGGER IF NOT EXISTS execution_events_delete
        BEFORE DELETE ON execution_events
        FOR EACH ROW
        WHEN NOT (EXISTS (SELECT 1 FROM purge_log WHERE closed_at IS NULL))
        BEGIN
            SELECT RAISE(ABORT,
                'execution_events is history; only a purge on record deletes, and only what has ended');
        END
        """,
        """
        CREATE TRIGGER IF NOT EXISTS execution_events_replace
        BEFORE INSERT ON execution_events
        FOR EACH ROW
        WHEN EXISTS (SELECT 1 FROM execution_events
            WHERE (sequence_num = NEW.sequence_num)
                OR (task_execution_id = NEW.task_execution_id AND version = NEW.version)
                OR (pipeline_execution_id = NEW.pipeline_execution_id
                    AND version = NEW.version
                    AND task_execution_id IS NULL
                    AND NEW.task_execution_id IS NULL))
        BEGIN
            SELECT RAISE(ABORT, 'execution_events has this row already; history cannot be replaced');
        END
        """,
        """
        CREATE TRIGGER IF NOT EXISTS task_dependencies_keep
        BEFORE UPDATE ON task_dependencies
        FOR EACH ROW
        BEGIN
            SELECT RAISE(ABORT, 'task_dependencies is history; it is only ever added to');
        END
        """,
        """
        CREATE TRIGGER IF NOT EXISTS task_dependencies_delete
        BEFORE DELETE ON task_dependencies
        FOR EACH ROW
        WHEN NOT (EXISTS (SELECT 1 FROM purge_log WHERE closed_at IS NULL))
        BEGIN
            SELECT RAISE(ABORT,
                'task_dependencies is history; only a purge on record deletes, and only what has ended');
        END
        """,
        """
        CREATE TRIGGER IF NOT EXISTS task_dependencies_replace
        BEFORE INSERT ON task_dependencies
        FOR EACH ROW
        WHEN EXISTS (SELECT 1 FROM task_dependencies
            WHERE (parent_id = NEW.parent_id AND child_id = NEW.child_id) OR (rowid = NEW.rowid))
        BEGIN
            SELECT RAISE(ABORT, 'task_dependencies has this row already; history cannot be replaced');
        END
        """,
        """
        CREATE TRIGGER IF NOT EXISTS annotations_keep
        BEFORE UPDATE ON annotations
        FOR EACH ROW
        BEGIN
            SELECT RAISE(ABORT, 'annotations is history; it is only ever added to');
        END
        """,
        """
        CREATE TRIGGER IF NOT EXISTS annotations_delete
        BEFORE DELETE ON annotations
        FOR EACH ROW
        WHEN NOT (EXISTS (SELECT 1 FROM purge_log WHERE closed_at IS NULL))
        BEGIN
            SELECT RAISE(ABORT,
                'annotations is history; only a purge on record deletes, and only what has ended');
        END
        """,
        """
        CREATE TRIGGER IF NOT EXISTS annotations_replace
        BEFORE INSERT ON annotations
        FOR EACH ROW
        WHEN EXISTS (SELECT 1 FROM annotations WHERE (id = NEW.id) OR (rowid = NEW.rowid))
        BEGIN
            SELECT RAISE(ABORT, 'annotations has this row already; history cannot be replaced');
        END
        """,
        """
        CREATE TRIGGER IF NOT EXISTS purge_log_keep
        BEFORE UPDATE ON purge_log
        FOR EACH ROW
        WHEN NOT (OLD.closed_at IS NULL
            AND NEW.closed_at IS NOT NULL
            AND NEW.id = OLD.id
            AND NEW.actor = OLD.actor
            AND NEW.cutoff = OLD.cutoff)
        BEGIN
            SELECT RAISE(ABORT, 'purge_log is history; a row is closed once, by the purge that opened it');
        END
        """,
        """
        CREATE TRIGGER IF NOT EXISTS purge_log_delete
        BEFORE DELETE ON purge_log
        FOR EACH ROW
        BEGIN
            SELECT RAISE(ABORT, 'purge_log is history; a row is closed once, by the purge that opened it');
        END
        """,
        """
        CREATE TRIGGER IF NOT EXISTS purge_log_replace
        BEFORE INSERT ON purge_log
        FOR EACH ROW
        WHEN EXISTS (SELECT 1 FROM purge_log WHERE (id = NEW.id) OR (rowid = NEW.rowid))
        BEGIN
            SELECT RAISE(ABORT, 'purge_log has this row already; history cannot be replaced');
        END
        """,
        """
        CREATE TRIGGER IF NOT EXISTS tasks_touch
        AFTER UPDATE ON tasks
        FOR EACH ROW
        WHEN NEW.updated_at = OLD.updated_at AND OLD.updated_at < strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')
        BEGIN
            UPDATE tasks SET updated_at = strftime('%Y-%m-%dT%H:%M:%f000Z', 'now') WHERE id = NEW.id;
        END
        """,
        """
        CREATE TRIGGER IF NOT EXISTS workflows_touch
        AFTER UPDATE ON workflows
        FOR EACH ROW
        WHEN NEW.updated_at = OLD.updated_at AND OLD.updated_at < strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')
        BEGIN
            UPDATE workflows SET updated_at = strftime('%Y-%m-%dT%H:%M:%f000Z', 'now') WHERE id = NEW.id;
        END
        """,
        """
        CREATE TRIGGER IF NOT EXISTS sessions_touch
        AFTER UPDATE ON sessions
        FOR EACH ROW
        WHEN NEW.updated_at = OLD.updated_at AND OLD.updated_at < strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')
        BEGIN
            UPDATE sessions SET updated_at = strftime('%Y-%m-%dT%H:%M:%f000Z', 'now') WHERE id = NEW.id;
        END
        """,
        """
        CREATE TRIGGER IF NOT EXISTS configurations_touch
        AFTER UPDATE ON configurations
        FOR EACH ROW
        WHEN NEW.updated_at = OLD.updated_at AND OLD.updated_at < strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')
        BEGIN
            UPDATE configurations SET updated_at = strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')
                WHERE key = NEW.key;
        END
        """,
        """
        CREATE TRIGGER IF NOT EXISTS schedules_touch
        AFTER UPDATE ON schedules
        FOR EACH ROW
        WHEN NEW.updated_at = OLD.updated_at AND OLD.updated_at < strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')
        BEGIN
            UPDATE schedules SET updated_at = strftime('%Y-%m-%dT%H:%M:%f000Z', 'now') WHERE id = NEW.id;
        END
        """,
        """
        CREATE TRIGGER IF NOT EXISTS relay_cursors_touch
        AFTER UPDATE ON relay_cursors
        FOR EACH ROW
        WHEN NEW.updated_at = OLD.updated_at AND OLD.updated_at < strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')
        BEGIN
            UPDATE relay_cursors SET updated_at = strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')
                WHERE name = NEW.name;
        END
        """,
    ),
}

DOWN: Statements = {
    "postgresql": (
        "DROP TRIGGER IF EXISTS relay_cursors_touch ON relay_cursors",
        "DROP TRIGGER IF EXISTS schedules_touch ON schedules",
        "DROP TRIGGER IF EXISTS configurations_touch ON configurations",
        "DROP TRIGGER IF EXISTS sessions_touch ON sessions",
        "DROP TRIGGER IF EXISTS workflows_touch ON workflows",
        "DROP TRIGGER IF EXISTS tasks_touch ON tasks",
        "DROP TRIGGER IF EXISTS purge_log_keep ON purge_log",
        "DROP TRIGGER IF EXISTS annotations_keep ON annotations",
        "DROP TRIGGER IF EXISTS task_dependencies_keep ON task_dependencies",
        "DROP TRIGGER IF EXISTS execution_events_keep ON execution_events",
        "DROP TRIGGER IF EXISTS tool_executions_keep ON tool_executions",
        "DROP TRIGGER IF EXISTS pipeline_executions_keep ON pipeline_executions",
        "DROP TRIGGER IF EXISTS task_executions_keep ON task_executions",
        "DROP TRIGGER IF EXISTS purge_log_guard ON purge_log",
        "DROP TRIGGER IF EXISTS annotations_guard ON annotations",
        "DROP TRIGGER IF EXISTS task_dependencies_guard ON task_dependencies",
        "DROP TRIGGER IF EXISTS execution_events_guard ON execution_events",
        "DROP TRIGGER IF EXISTS tool_executions_guard ON tool_executions",
        "DROP FUNCTION IF EXISTS penstock_guard_tool_executions()",
        "DROP TRIGGER IF EXISTS pipeline_executions_guard ON pipeline_executions",
        "DROP FUNCTION IF EXISTS penstock_guard_pipeline_executions()",
        "DROP TRIGGER IF EXISTS task_executions_guard ON task_executions",
        "DROP FUNCTION IF EXISTS penstock_guard_task_executions()",
        "DROP FUNCTION IF EXISTS penstock_guard_purge_log()",
        "DROP FUNCTION IF EXISTS penstock_append_only()",
        "DROP FUNCTION IF EXISTS penstock_keep()",
        "DROP FUNCTION IF EXISTS penstock_touch()",
    ),
    "sqlite": (
        "DROP TRIGGER IF EXISTS relay_cursors_touch",
        "DROP TRIGGER IF EXISTS schedules_touch",
        "DROP TRIGGER IF EXISTS configurations_touch",
        "DROP TRIGGER IF EXISTS sessions_touch",
        "DROP TRIGGER IF EXISTS workflows_touch",
        "DROP TRIGGER IF EXISTS tasks_touch",
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
