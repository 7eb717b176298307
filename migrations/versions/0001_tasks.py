"""The catalogue: what can be run, with its defaults and its policy."""

from collections.abc import Callable, Mapping, Sequence

Statements = Mapping[str, Sequence[str]]

revision: str = "0001"
down_revision: str | None = None

UP: Statements = {
    "postgresql": (
        """
        CREATE TABLE IF NOT EXISTS penstock.tasks (
            id UUID NOT NULL,
            name TEXT NOT NULL,
            title TEXT NOT NULL,
            description TEXT,
            task_type TEXT NOT NULL,
            queue TEXT DEFAULT 'default' NOT NULL,
            config JSONB DEFAULT '{}' NOT NULL,
            metadata JSONB,
            workspace_path TEXT,
            priority INTEGER DEFAULT 3 NOT NULL,
            max_attempts INTEGER DEFAULT 3 NOT NULL,
            retry JSONB,
            timeout_seconds INTEGER DEFAULT 300 NOT NULL,
            requires_approval BOOLEAN DEFAULT false NOT NULL,
            created_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
            updated_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
            CONSTRAINT pk_tasks PRIMARY KEY (id),
            CONSTRAINT ck_tasks_config CHECK (config IS NULL OR jsonb_typeof(config) = 'object'),
            CONSTRAINT ck_tasks_retry CHECK (retry IS NULL OR jsonb_typeof(retry) = 'object'),
            CONSTRAINT ck_tasks_priority CHECK (priority BETWEEN 1 AND 5),
            CONSTRAINT ck_tasks_max_attempts CHECK (max_attempts BETWEEN 1 AND 100),
            CONSTRAINT ck_tasks_timeout_seconds CHECK (timeout_seconds BETWEEN 1 AND 86400),
            CONSTRAINT uq_tasks_name UNIQUE (name)
        )
        """,
        "CREATE INDEX IF NOT EXISTS ix_tasks_task_type ON penstock.tasks (task_type)",
        """
        CREATE INDEX IF NOT EXISTS ix_tasks_workspace_path ON penstock.tasks (workspace_path)
        WHERE workspace_path IS NOT NULL
        """,
    ),
    "sqlite": (
        """
        CREATE TABLE IF NOT EXISTS tasks (
            id TEXT NOT NULL,
            name TEXT NOT NULL,
            title TEXT NOT NULL,
            description TEXT,
            task_type TEXT NOT NULL,
            queue TEXT DEFAULT 'default' NOT NULL,
            config JSON DEFAULT '{}' NOT NULL,
            metadata JSON,
            workspace_path TEXT,
            priority INTEGER DEFAULT 3 NOT NULL,
            max_attempts INTEGER DEFAULT 3 NOT NULL,
            retry JSON,
            timeout_seconds INTEGER DEFAULT 300 NOT NULL,
            requires_approval BOOLEAN DEFAULT 0 NOT NULL,
            created_at TEXT DEFAULT (strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')) NOT NULL,
            updated_at TEXT DEFAULT (strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')) NOT NULL,
            CONSTRAINT pk_tasks PRIMARY KEY (id),
            CONSTRAINT ck_tasks_config CHECK (config IS NULL
                OR (json_valid(config) AND json_type(config) = 'object')),
            CONSTRAINT ck_tasks_metadata CHECK (metadata IS NULL OR (json_valid(metadata))),
            CONSTRAINT ck_tasks_retry CHECK (retry IS NULL
                OR (json_valid(retry) AND json_type(retry) = 'object')),
            CONSTRAINT ck_tasks_requires_approval CHECK (requires_approval IN (0, 1)),
            CONSTRAINT ck_tasks_priority CHECK (priority BETWEEN 1 AND 5),
            CONSTRAINT ck_tasks_max_attempts CHECK (max_attempts BETWEEN 1 AND 100),
            CONSTRAINT ck_tasks_timeout_seconds CHECK (timeout_seconds BETWEEN 1 AND 86400),
            CONSTRAINT uq_tasks_name UNIQUE (name)
        )
        """,
        "CREATE INDEX IF NOT EXISTS ix_tasks_task_type ON tasks (task_type)",
        """
        CREATE INDEX IF NOT EXISTS ix_tasks_workspace_path ON tasks (workspace_path)
        WHERE workspace_path IS NOT NULL
        """,
    ),
}

DOWN: Statements = {
    "postgresql": ("DROP TABLE IF EXISTS penstock.tasks",),
    "sqlite": ("DROP TABLE IF EXISTS tasks",),
}


def upgrade(run: Callable[[Statements], None]) -> None:
    run(UP)


def downgrade(run: Callable[[Statements], None]) -> None:
    run(DOWN)
