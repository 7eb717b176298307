"""Settings by name. The value of a secret can be written, and is never shown."""

from collections.abc import Callable, Mapping, Sequence

Statements = Mapping[str, Sequence[str]]

revision: str = "0012"
down_revision: str | None = "0011"

UP: Statements = {
    "postgresql": (
        """
        CREATE TABLE IF NOT EXISTS penstock.configurations (
            key TEXT NOT NULL,
            value TEXT NOT NULL,
            value_type TEXT DEFAULT 'string' NOT NULL,
            description TEXT,
            is_secret BOOLEAN DEFAULT false NOT NULL,
            created_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
            updated_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
            CONSTRAINT pk_configurations PRIMARY KEY (key),
            CONSTRAINT ck_configurations_value_type CHECK (value_type IN ('string', 'integer', 'float',
                'boolean', 'json')),
            CONSTRAINT ck_configurations_value CHECK (CASE value_type
                WHEN 'integer' THEN value ~ '^-?(0|[1-9][0-9]*)$'
                WHEN 'float' THEN value ~ '^-?(0|[1-9][0-9]*)(\\.[0-9]+)?([eE][-+]?[0-9]+)?$'
                WHEN 'boolean' THEN value IN ('true', 'false')
                ELSE true END)
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
            CONSTRAINT ck_configurations_is_secret CHECK (is_secret IN (0, 1)),
            CONSTRAINT ck_configurations_value_type CHECK (value_type IN ('string', 'integer', 'float',
                'boolean', 'json')),
            CONSTRAINT ck_configurations_value CHECK (CASE value_type
                WHEN 'integer' THEN iif(json_valid(value), json_type(value) IN ('integer')
                    AND value NOT GLOB '*[^-0-9]*', false)
                WHEN 'float' THEN iif(json_valid(value), json_type(value) IN ('integer', 'real')
                    AND value NOT GLOB '*[^-+.0-9eE]*', false)
                WHEN 'boolean' THEN value IN ('true', 'false')
                WHEN 'json' THEN json_valid(value)
                ELSE true END)
        )
        """,
    ),
}

DOWN: Statements = {
    "postgresql": ("DROP TABLE IF EXISTS penstock.configurations",),
    "sqlite": ("DROP TABLE IF EXISTS configurations",),
}


def upgrade(run: Callable[[Statements], None]) -> None:
    run(UP)


def downgrade(run: Callable[[Statements], None]) -> None:
    run(DOWN)
