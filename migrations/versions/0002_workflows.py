"""Named, versioned graphs of tasks: the definitions of what runs as a pipeline."""

from collections.abc import Callable, Mapping, Sequence

Statements = Mapping[str, Sequence[str]]

revision: str = "0002"
down_revision: str | None = "0001"

UP: Statements = {
    "postgresql": (
        """
        CREATE TABLE IF NOT EXISTS penstock.workflows (
            id UUID NOT NULL,
            name TEXT NOT NULL,
            version INTEGER DEFAULT 1 NOT NULL,
            description TEXT,
            definition JSONB NOT NULL,
            status TEXT DEFAULT 'draft' NOT NULL,
            created_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
            updated_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
            CONSTRAINT pk_workflows PRIMARY KEY (id),
            CONSTRAINT uq_workflows_name_version UNIQUE (name, version),
            CONSTRAINT ck_workflows_definition CHECK (definition IS NULL
                OR jsonb_typeof(definition) = 'object'),
            CONSTRAINT ck_workflows_status CHECK (status IN ('draft', 'active', 'paused', 'archived')),
            CONSTRAINT ck_workflows_version CHECK (version > 0)
        )
        """,
        "CREATE INDEX IF NOT EXISTS ix_workflows_status ON penstock.workflows (status)",
    ),
    "sqlite": (
        """
        CREATE TABLE IF NOT EXISTS workflows (
            id TEXT NOT NULL,
            name TEXT NOT NULL,
            version INTEGER DEFAULT 1 NOT NULL,
            description TEXT,
            definition JSON NOT NULL,
            status TEXT DEFAULT 'draft' NOT NULL,
            created_at TEXT DEFAULT (strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')) NOT NULL,
            updated_at TEXT DEFAULT (strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')) NOT NULL,
            CONSTRAINT pk_workflows PRIMARY KEY (id),
            CONSTRAINT uq_workflows_name_version UNIQUE (name, version),
            CONSTRAINT ck_workflows_definition CHECK (definition IS NULL
                OR (json_valid(definition) AND json_type(definition) = 'object')),
            CONSTRAINT ck_workflows_status CHECK (status IN ('draft', 'active', 'paused', 'archived')),
            CONSTRAINT ck_workflows_version CHECK (version > 0)
        )
        """,
        "CREATE INDEX IF NOT EXISTS ix_workflows_status ON workflows (status)",
    ),
}

DOWN: Statements = {
    "postgresql": ("DROP TABLE IF EXISTS penstock.workflows",),
    "sqlite": ("DROP TABLE IF EXISTS workflows",),
}


def upgrade(run: Callable[[Statements], None]) -> None:
    run(UP)


def downgrade(run: Callable[[Statements], None]) -> None:
    run(DOWN)
