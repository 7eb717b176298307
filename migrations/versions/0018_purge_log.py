"""Each purge on record: who, how much and up to where.

History can be deleted only under an open row of the same transaction.
"""

from collections.abc import Callable, Mapping, Sequence

Statements = Mapping[str, Sequence[str]]

revision: str = "0018"
down_revision: str | None = "0017"

UP: Statements = {
    "postgresql": (
        """
        CREATE TABLE IF NOT EXISTS penstock.purge_log (
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
        "CREATE INDEX IF NOT EXISTS ix_purge_log_open ON penstock.purge_log (id) WHERE closed_at IS NULL",
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
    "postgresql": ("DROP TABLE IF EXISTS penstock.purge_log",),
    "sqlite": ("DROP TABLE IF EXISTS purge_log",),
}


def upgrade(run: Callable[[Statements], None]) -> None:
    run(UP)


def downgrade(run: Callable[[Statements], None]) -> None:
    run(DOWN)
