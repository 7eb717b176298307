"""Settings by name. The value of a secret can be written, and is never shown."""

from collections.abc import Callable, Mapping, Sequence

Statements = Mapping[str, Sequence[str]]

revision: str = "0012"
down_revision: str | None = "0011"

UP: Statements = {
    "postgresql": (
        """
        CREATE TABLE IF NOT EXISTS configurations (
            key TEXT NOT NULL,
            value TEXT NOT NULL,
            value_type TEXT DEFAULT 'string' NOT NULL,
            description TEXT,
            is_secret BOOLEAN DEFAULT false NOT NULL,
            created_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
            updated_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
            CONSTRAINT pk_configurations PRIMARY KEY (key),
            CONSTRAINT ck_configurations_value_type CHECK (value_type IN ('string', 'integer', 'float',
                'boolean', 'json'))
        )
        """,
    ),
    "sqlite": (
        """
        CREATE TABLE IF NOT EXISTS configurations (
            "key" TEXT NOT NULL,
            value TEXT NOT NULL,
            value_type TEXT DEFAULT 'string' NOT NULL,
            description TEXT,
            is_secret BOOLEAN DEFAULT 0 NOT NULL,
            created_at TEXT DEFAULT (strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')) NOT NULL,
            updated_at TEXT DEFAULT (strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')) NOT NULL,
            CONSTRAINT pk_configurations PRIMARY KEY ("key"),
            CONSTRAINT ck_configurations_value_type CHECK (value_type IN ('string', 'integer', 'float',
                'boolean', 'json'))
        )
        """,
    ),
}

DOWN: Statements = {
    "postgresql": ("DROP TABLE IF EXISTS configurations",),
    "sqlite": ("DROP TABLE IF EXISTS configurations",),
}


def upgrade(run: Callable[[Statements], None]) -> None:
    run(UP)


def downgrade(run: Callable[[Statements], None]) -> None:
    run(DOWN)
