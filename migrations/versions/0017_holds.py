"""Legal holds: what retention has to leave alone until the hold is released."""

from collections.abc import Callable, Mapping, Sequence

Statements = Mapping[str, Sequence[str]]

revision: str = "0017"
down_revision: str | None = "0016"

UP: Statements = {
    "postgresql": (
        """
        CREATE TABLE IF NOT EXISTS penstock.holds (
            id UUID NOT NULL,
            pipeline_execution_id UUID,
            task_execution_id UUID,
            reason TEXT NOT NULL,
            actor TEXT NOT NULL,
            created_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
            released_at TIMESTAMP WITH TIME ZONE,
            released_by TEXT,
            CONSTRAINT pk_holds PRIMARY KEY (id),
            CONSTRAINT ck_holds_subject CHECK ((pipeline_execution_id IS NULL) <> (task_execution_id IS
                NULL)),
            CONSTRAINT ck_holds_released CHECK ((released_at IS NULL) = (released_by IS NULL)),
            CONSTRAINT fk_holds_pipeline_execution_id FOREIGN KEY(pipeline_execution_id)
                REFERENCES penstock.pipeline_executions (id) ON DELETE RESTRICT,
            CONSTRAINT fk_holds_task_execution_id FOREIGN KEY(task_execution_id)
                REFERENCES penstock.task_executions (id) ON DELETE RESTRICT
        )
        """,
        """
        CREATE INDEX IF NOT EXISTS ix_holds_pipeline_execution_id ON penstock.holds (pipeline_execution_id)
        WHERE pipeline_execution_id IS NOT NULL
        """,
        """
        CREATE INDEX IF NOT EXISTS ix_holds_task_execution_id ON penstock.holds (task_execution_id)
        WHERE task_execution_id IS NOT NULL
        """,
    ),
    "sqlite": (
        """
        CREATE TABLE IF NOT EXISTS holds (
            id TEXT NOT NULL,
            pipeline_execution_id TEXT,
            task_execution_id TEXT,
            reason TEXT NOT NULL,
            actor TEXT NOT NULL,
            created_at TEXT DEFAULT (strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')) NOT NULL,
            released_at TEXT,
            released_by TEXT,
            CONSTRAINT pk_holds PRIMARY KEY (id),
            CONSTRAINT ck_holds_subject CHECK ((pipeline_execution_id IS NULL) <> (task_execution_id IS
                NULL)),
            CONSTRAINT ck_holds_released CHECK ((released_at IS NULL) = (released_by IS NULL)),
            CONSTRAINT fk_holds_pipeline_execution_id FOREIGN KEY(pipeline_execution_id)
                REFERENCES pipeline_executions (id) ON DELETE RESTRICT,
            CONSTRAINT fk_holds_task_execution_id FOREIGN KEY(task_execution_id)
                REFERENCES task_executions (id) ON DELETE RESTRICT
        )
        """,
        """
        CREATE INDEX IF NOT EXISTS ix_holds_pipeline_execution_id ON holds (pipeline_execution_id)
        WHERE pipeline_execution_id IS NOT NULL
        """,
        """
        CREATE INDEX IF NOT EXISTS ix_holds_task_execution_id ON holds (task_execution_id)
        WHERE task_execution_id IS NOT NULL
        """,
    ),
}

DOWN: Statements = {
    "postgresql": ("DROP TABLE IF EXISTS penstock.holds",),
    "sqlite": ("DROP TABLE IF EXISTS holds",),
}


def upgrade(run: Callable[[Statements], None]) -> None:
    run(UP)


def downgrade(run: Callable[[Statements], None]) -> None:
    run(DOWN)
