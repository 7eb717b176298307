"""How far each reader of the feed of events has come."""

from collections.abc import Callable, Mapping, Sequence

Statements = Mapping[str, Sequence[str]]

revision: str = "0019"
down_revision: str | None = "0018"

UP: Statements = {
    "postgresql": (
        """
        CREATE TABLE IF NOT EXISTS penstock.relay_cursors (
            name TEXT NOT NULL,
            position BIGINT DEFAULT 0 NOT NULL,
            created_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
            updated_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
            CONSTRAINT pk_relay_cursors PRIMARY KEY (name)
        )
        """,
    ),
    "sqlite": (
        """
        CREATE TABLE IF NOT EXISTS relay_cursors (
            name TEXT NOT NULL,
            position BIGINT DEFAULT 0 NOT NULL,
            created_at TEXT DEFAULT (strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')) NOT NULL,
            updated_at TEXT DEFAULT (strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')) NOT NULL,
            CONSTRAINT pk_relay_cursors PRIMARY KEY (name)
        )
        """,
    ),
}

DOWN: Statements = {
    "postgresql": ("DROP TABLE IF EXISTS penstock.relay_cursors",),
    "sqlite": ("DROP TABLE IF EXISTS relay_cursors",),
}


def upgrade(run: Callable[[Statements], None]) -> None:
    run(UP)


def downgrade(run: Callable[[Statements], None]) -> None:
    run(DOWN)
