"""Each purge on record, who and how much and up to where, and the role that may purge.

History can be deleted only under an open row of the same transaction, on PostgreSQL only by the role
penstock_purge. A role belongs to the cluster: it is made if no other database did, and given to whoever made
it; going down takes it away unless another database still depends on it. SQLite has no roles.
"""

from collections.abc import Callable, Mapping, Sequence

Statements = Mapping[str, Sequence[str]]

revision: str = "0018"
down_revision: str | None = "0017"

UP: Statements = {
    "postgresql": (
        """
        DO $penstock$
        BEGIN
            IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'penstock_purge') THEN
                CREATE ROLE penstock_purge NOLOGIN;
                BEGIN
                    GRANT penstock_purge TO CURRENT_USER;
                EXCEPTION
                    WHEN insufficient_privilege THEN NULL;
                END;
            END IF;
        EXCEPTION
            WHEN duplicate_object OR unique_violation THEN NULL;
        END
        $penstock$
        """,
        """
        CREATE TABLE IF NOT EXISTS purge_log (
            id UUID NOT NULL,
            actor TEXT NOT NULL,
            cutoff TIMESTAMP WITH TIME ZONE NOT NULL,
            position_at TIMESTAMP WITH TIME ZONE,
            position_id UUID,
            task_executions INTEGER DEFAULT 0 NOT NULL,
            pipeline_executions INTEGER DEFAULT 0 NOT NULL,
            events INTEGER DEFAULT 0 NOT NULL,
            digest TEXT,
            opened_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
            closed_at TIMESTAMP WITH TIME ZONE,
            transaction_id xid8 DEFAULT pg_current_xact_id(),
            CONSTRAINT pk_purge_log PRIMARY KEY (id),
            CONSTRAINT ck_purge_log_closed CHECK ((closed_at IS NULL) = (digest IS NULL))
        )
        """,
        "CREATE INDEX IF NOT EXISTS ix_purge_log_open ON purge_log (id) WHERE closed_at IS NULL",
        """
        DO $penstock$
        BEGIN
            EXECUTE format('GRANT USAGE ON SCHEMA %I TO penstock_purge', current_schema());
        END
        $penstock$
        """,
        """
        GRANT SELECT, DELETE ON task_executions, pipeline_executions, execution_events, task_dependencies,
            tool_executions, annotations, holds, task_outbox, pause_queue, schedule_runs
        TO penstock_purge
        """,
        "GRANT SELECT ON slots TO penstock_purge",
        "GRANT SELECT, INSERT, UPDATE ON purge_log TO penstock_purge",
    ),
    "sqlite": (
        """
        CREATE TABLE IF NOT EXISTS purge_log (
            id TEXT NOT NULL,
            actor TEXT NOT NULL,
            cutoff TEXT NOT NULL,
            position_at TEXT,
            position_id TEXT,
            task_executions INTEGER DEFAULT 0 NOT NULL,
            pipeline_executions INTEGER DEFAULT 0 NOT NULL,
            events INTEGER DEFAULT 0 NOT NULL,
            digest TEXT,
            opened_at TEXT DEFAULT (strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')) NOT NULL,
            closed_at TEXT,
            transaction_id INTEGER DEFAULT NULL,
            CONSTRAINT pk_purge_log PRIMARY KEY (id),
            CONSTRAINT ck_purge_log_closed CHECK ((closed_at IS NULL) = (digest IS NULL))
        )
        """,
        "CREATE INDEX IF NOT EXISTS ix_purge_log_open ON purge_log (id) WHERE closed_at IS NULL",
    ),
}

DOWN: Statements = {
    "postgresql": (
        """
        DO $penstock$
        BEGIN
            IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'penstock_purge') THEN
                EXECUTE format('REVOKE USAGE ON SCHEMA %I FROM penstock_purge', current_schema());
                REVOKE SELECT, DELETE ON task_executions, pipeline_executions, execution_events,
                    task_dependencies, tool_executions, annotations, holds, task_outbox, pause_queue,
                    schedule_runs
                FROM penstock_purge;
                REVOKE SELECT ON slots FROM penstock_purge;
            END IF;
        END
        $penstock$
        """,
        "DROP TABLE IF EXISTS purge_log",
        """
        DO $penstock$
        BEGIN
            DROP ROLE IF EXISTS penstock_purge;
        EXCEPTION
            WHEN dependent_objects_still_exist OR insufficient_privilege THEN NULL;
        END
        $penstock$
        """,
    ),
    "sqlite": ("DROP TABLE IF EXISTS purge_log",),
}


def upgrade(run: Callable[[Statements], None]) -> None:
    run(UP)


def downgrade(run: Callable[[Statements], None]) -> None:
    run(DOWN)
