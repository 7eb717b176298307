"""What a task called while it ran: each call of a tool, with what it was given and what came of it."""

from collections.abc import Callable, Mapping, Sequence

Statements = Mapping[str, Sequence[str]]

revision: str = "0010"
down_revision: str | None = "0009"

UP: Statements = {
    "postgresql": (
        """
        CREATE TABLE IF NOT EXISTS penstock.tool_executions (
            id UUID NOT NULL,
            task_execution_id UUID NOT NULL,
            tool_name TEXT NOT NULL,
            arguments JSONB DEFAULT '{}' NOT NULL,
            output JSONB,
            status TEXT DEFAULT 'pending' NOT NULL,
            error TEXT,
            created_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
            completed_at TIMESTAMP WITH TIME ZONE,
            duration_ms INTEGER,
            CONSTRAINT pk_tool_executions PRIMARY KEY (id),
            CONSTRAINT ck_tool_executions_arguments CHECK (arguments IS NULL
                OR jsonb_typeof(arguments) = 'object'),
            CONSTRAINT ck_tool_executions_status CHECK (status IN ('pending', 'running', 'completed',
                'failed', 'timeout')),
            CONSTRAINT ck_tool_executions_duration_ms CHECK (duration_ms IS NULL OR duration_ms >= 0),
            CONSTRAINT fk_tool_executions_task_execution_id FOREIGN KEY(task_execution_id)
                REFERENCES penstock.task_executions (id) ON DELETE RESTRICT
        )
        """,
        "CREATE INDEX IF NOT EXISTS ix_tool_executions_status ON penstock.tool_executions (status, id)",
        """
        CREATE INDEX IF NOT EXISTS ix_tool_executions_task_execution_id
        ON penstock.tool_executions (task_execution_id, id)
        """,
        "CREATE INDEX IF NOT EXISTS ix_tool_executions_tool_name ON penstock.tool_executions (tool_name, id)",
    ),
    "sqlite": (
        """
        CREATE TABLE IF NOT EXISTS tool_executions (
            id TEXT NOT NULL,
            task_execution_id TEXT NOT NULL,
            tool_name TEXT NOT NULL,
            arguments JSON DEFAULT '{}' NOT NULL,
            output JSON,
            status TEXT DEFAULT 'pending' NOT NULL,
            error TEXT,
            created_at TEXT DEFAULT (strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')) NOT NULL,
            completed_at TEXT,
            duration_ms INTEGER,
            CONSTRAINT pk_tool_executions PRIMARY KEY (id),
            CONSTRAINT ck_tool_executions_arguments CHECK (arguments IS NULL
                OR (json_valid(arguments) AND json_type(arguments) = 'object')),
            CONSTRAINT ck_tool_executions_output CHECK (output IS NULL OR (json_valid(output))),
            CONSTRAINT ck_tool_executions_status CHECK (status IN ('pending', 'running', 'completed',
                'failed', 'timeout')),
            CONSTRAINT ck_tool_executions_duration_ms CHECK (duration_ms IS NULL OR duration_ms >= 0),
            CONSTRAINT fk_tool_executions_task_execution_id FOREIGN KEY(task_execution_id)
                REFERENCES task_executions (id) ON DELETE RESTRICT
        )
        """,
        "CREATE INDEX IF NOT EXISTS ix_tool_executions_status ON tool_executions (status, id)",
        """
        CREATE INDEX IF NOT EXISTS ix_tool_executions_task_execution_id
        ON tool_executions (task_execution_id, id)
        """,
        "CREATE INDEX IF NOT EXISTS ix_tool_executions_tool_name ON tool_executions (tool_name, id)",
    ),
}

DOWN: Statements = {
    "postgresql": ("DROP TABLE IF EXISTS penstock.tool_executions",),
    "sqlite": ("DROP TABLE IF EXISTS tool_executions",),
}


def upgrade(run: Callable[[Statements], None]) -> None:
    run(UP)


def downgrade(run: Callable[[Statements], None]) -> None:
    run(DOWN)
