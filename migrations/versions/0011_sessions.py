"""Clients that are connected, and when each was last heard of."""

from collections.abc import Callable, Mapping, Sequence

Statements = Mapping[str, Sequence[str]]

revision: str = "0011"
down_revision: str | None = "0010"

UP: Statements = {
    "postgresql": (
        """
        CREATE TABLE IF NOT EXISTS penstock.sessions (
            id UUID NOT NULL,
            client_id TEXT NOT NULL,
            user_id TEXT,
            connection_type TEXT DEFAULT 'http' NOT NULL,
            is_active BOOLEAN DEFAULT true NOT NULL,
            metadata JSONB,
            created_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
            updated_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
            last_heartbeat TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
            CONSTRAINT pk_sessions PRIMARY KEY (id),
            CONSTRAINT ck_sessions_metadata CHECK (metadata IS NULL OR jsonb_typeof(metadata) = 'object'),
            CONSTRAINT ck_sessions_connection_type CHECK (connection_type IN ('websocket', 'http', 'grpc',
                'local'))
        )
        """,
        "CREATE INDEX IF NOT EXISTS ix_sessions_client_id ON penstock.sessions (client_id)",
        "CREATE INDEX IF NOT EXISTS ix_sessions_heartbeat ON penstock.sessions (is_active, last_heartbeat)",
        "CREATE INDEX IF NOT EXISTS ix_sessions_user_id ON penstock.sessions (user_id) WHERE user_id IS NOT NULL",
    ),
    "sqlite": (
        """
        CREATE TABLE IF NOT EXISTS sessions (
            id TEXT NOT NULL,
            client_id TEXT NOT NULL,
            user_id TEXT,
            connection_type TEXT DEFAULT 'http' NOT NULL,
            is_active BOOLEAN DEFAULT 1 NOT NULL,
            metadata JSON,
            created_at TEXT DEFAULT (strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')) NOT NULL,
            updated_at TEXT DEFAULT (strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')) NOT NULL,
            last_heartbeat TEXT DEFAULT (strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')) NOT NULL,
            CONSTRAINT pk_sessions PRIMARY KEY (id),
            CONSTRAINT ck_sessions_metadata CHECK (metadata IS NULL
                OR (json_valid(metadata) AND json_type(metadata) = 'object')),
            CONSTRAINT ck_sessions_is_active CHECK (is_active IN (0, 1)),
            CONSTRAINT ck_sessions_connection_type CHECK (connection_type IN ('websocket', 'http', 'grpc',
                'local'))
        )
        """,
        "CREATE INDEX IF NOT EXISTS ix_sessions_client_id ON sessions (client_id)",
        "CREATE INDEX IF NOT EXISTS ix_sessions_heartbeat ON sessions (is_active, last_heartbeat)",
        "CREATE INDEX IF NOT EXISTS ix_sessions_user_id ON sessions (user_id) WHERE user_id IS NOT NULL",
    ),
}

DOWN: Statements = {
    "postgresql": ("DROP TABLE IF EXISTS penstock.sessions",),
    "sqlite": ("DROP TABLE IF EXISTS sessions",),
}


def upgrade(run: Callable[[Statements], None]) -> None:
    run(UP)


def downgrade(run: Callable[[Statements], None]) -> None:
    run(DOWN)
