"""Executions that are paused one by one: why, with what plan, and when they may go on by themselves."""

from collections.abc import Callable, Mapping, Sequence

Statements = Mapping[str, Sequence[str]]

revision: str = "0009"
down_revision: str | None = "0008"

UP: Statements = {
    "postgresql": (
        """
        CREATE TABLE IF NOT EXISTS penstock.pause_queue (
            id BIGINT GENERATED ALWAYS AS IDENTITY,
            task_execution_id UUID NOT NULL,
            work_plan JSONB DEFAULT '{}' NOT NULL,
            reason TEXT NOT NULL,
            paused_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
            resume_after TIMESTAMP WITH TIME ZONE,
            priority INTEGER DEFAULT 3 NOT NULL,
            CONSTRAINT pk_pause_queue PRIMARY KEY (id),
            CONSTRAINT ck_pause_queue_work_plan CHECK (work_plan IS NULL
                OR jsonb_typeof(work_plan) = 'object'),
            CONSTRAINT ck_pause_queue_reason CHECK (reason IN ('insufficient_capacity', 'manual_pause')),
            CONSTRAINT ck_pause_queue_priority CHECK (priority BETWEEN 1 AND 5),
            CONSTRAINT uq_pause_queue_task_execution_id UNIQUE (task_execution_id),
            CONSTRAINT fk_pause_queue_task_execution_id FOREIGN KEY(task_execution_id)
                REFERENCES penstock.task_executions (id) ON DELETE RESTRICT
        )
        """,
        "CREATE INDEX IF NOT EXISTS ix_pause_queue_priority ON penstock.pause_queue (priority, paused_at, id)",
    ),
    "sqlite": (
        """
        CREATE TABLE IF NOT EXISTS pause_queue (
            id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
            task_execution_id TEXT NOT NULL,
            work_plan JSON DEFAULT '{}' NOT NULL,
            reason TEXT NOT NULL,
            paused_at TEXT DEFAULT (strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')) NOT NULL,
            resume_after TEXT,
            priority INTEGER DEFAULT 3 NOT NULL,
            CONSTRAINT ck_pause_queue_work_plan CHECK (work_plan IS NULL
                OR (json_valid(work_plan) AND json_type(work_plan) = 'object')),
            CONSTRAINT ck_pause_queue_reason CHECK (reason IN ('insufficient_capacity', 'manual_pause')),
            CONSTRAINT ck_pause_queue_priority CHECK (priority BETWEEN 1 AND 5),
            CONSTRAINT uq_pause_queue_task_execution_id UNIQUE (task_execution_id),
            CONSTRAINT fk_pause_queue_task_execution_id FOREIGN KEY(task_execution_id)
                REFERENCES task_executions (id) ON DELETE RESTRICT
        )
        """,
        "CREATE INDEX IF NOT EXISTS ix_pause_queue_priority ON pause_queue (priority, paused_at, id)",
    ),
}

DOWN: Statements = {
    "postgresql": ("DROP TABLE IF EXISTS penstock.pause_queue",),
    "sqlite": ("DROP TABLE IF EXISTS pause_queue",),
}


def upgrade(run: Callable[[Statements], None]) -> None:
    run(UP)


def downgrade(run: Callable[[Statements], None]) -> None:
    run(DOWN)
