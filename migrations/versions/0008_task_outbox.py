"""Doorbells: one row for each execution that is ready, so that somebody is told.

A row carries no truth; it comes and goes with the state of the execution, in the same statement.
"""

from collections.abc import Callable, Mapping, Sequence

Statements = Mapping[str, Sequence[str]]

revision: str = "0008"
down_revision: str | None = "0007"

UP: Statements = {
    "postgresql": (
        """
        CREATE TABLE IF NOT EXISTS penstock.task_outbox (
            id BIGINT GENERATED ALWAYS AS IDENTITY,
            task_execution_id UUID NOT NULL,
            queue TEXT NOT NULL,
            priority INTEGER DEFAULT 3 NOT NULL,
            available_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
            ring_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
            rings INTEGER DEFAULT 0 NOT NULL,
            last_error TEXT,
            traceparent TEXT,
            created_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
            CONSTRAINT pk_task_outbox PRIMARY KEY (id),
            CONSTRAINT uq_task_outbox_task_execution_id UNIQUE (task_execution_id)
        )
        """,
        "CREATE INDEX IF NOT EXISTS ix_task_outbox_claim ON penstock.task_outbox (queue, priority, available_at, id)",
        "CREATE INDEX IF NOT EXISTS ix_task_outbox_ring ON penstock.task_outbox (queue, ring_at)",
    ),
    "sqlite": (
        """
        CREATE TABLE IF NOT EXISTS task_outbox (
            id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
            task_execution_id TEXT NOT NULL,
            queue TEXT NOT NULL,
            priority INTEGER DEFAULT 3 NOT NULL,
            available_at TEXT DEFAULT (strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')) NOT NULL,
            ring_at TEXT DEFAULT (strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')) NOT NULL,
            rings INTEGER DEFAULT 0 NOT NULL,
            last_error TEXT,
            traceparent TEXT,
            created_at TEXT DEFAULT (strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')) NOT NULL,
            CONSTRAINT fk_task_outbox_task_execution_id FOREIGN KEY(task_execution_id) REFERENCES task_executions (id)
                ON DELETE RESTRICT,
            CONSTRAINT ck_task_outbox_priority CHECK (priority BETWEEN 1 AND 5),
            CONSTRAINT ck_task_outbox_ring_at CHECK (ring_at >= available_at),
            CONSTRAINT uq_task_outbox_task_execution_id UNIQUE (task_execution_id)
        )
        """,
        "CREATE INDEX IF NOT EXISTS ix_task_outbox_claim ON task_outbox (queue, priority, available_at, id)",
        "CREATE INDEX IF NOT EXISTS ix_task_outbox_ring ON task_outbox (queue, ring_at)",
    ),
}

DOWN: Statements = {
    "postgresql": ("DROP TABLE IF EXISTS penstock.task_outbox",),
    "sqlite": ("DROP TABLE IF EXISTS task_outbox",),
}


def upgrade(run: Callable[[Statements], None]) -> None:
    run(UP)


def downgrade(run: Callable[[Statements], None]) -> None:
    run(DOWN)
