"""Answers already given, by actor and key, in the transaction of their effect: asked twice, done once."""

from collections.abc import Callable, Mapping, Sequence

Statements = Mapping[str, Sequence[str]]

revision: str = "0014"
down_revision: str | None = "0013"

UP: Statements = {
    "postgresql": (
        """
        CREATE TABLE IF NOT EXISTS penstock.idempotency_keys (
            scope TEXT NOT NULL,
            key TEXT NOT NULL,
            fingerprint TEXT NOT NULL,
            response JSONB,
            created_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
            expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
            CONSTRAINT pk_idempotency_keys PRIMARY KEY (scope, key)
        )
        """,
        "CREATE INDEX IF NOT EXISTS ix_idempotency_keys_expires_at ON penstock.idempotency_keys (expires_at)",
    ),
    "sqlite": (
        """
        CREATE TABLE IF NOT EXISTS idempotency_keys (
            scope TEXT NOT NULL,
            "key" TEXT NOT NULL,
            fingerprint TEXT NOT NULL,
            response JSON,
            created_at TEXT DEFAULT (strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')) NOT NULL,
            expires_at TEXT NOT NULL,
            CONSTRAINT pk_idempotency_keys PRIMARY KEY (scope, "key"),
            CONSTRAINT ck_idempotency_keys_response CHECK (response IS NULL OR (json_valid(response)))
        )
        """,
        "CREATE INDEX IF NOT EXISTS ix_idempotency_keys_expires_at ON idempotency_keys (expires_at)",
    ),
}

DOWN: Statements = {
    "postgresql": ("DROP TABLE IF EXISTS penstock.idempotency_keys",),
    "sqlite": ("DROP TABLE IF EXISTS idempotency_keys",),
}


def upgrade(run: Callable[[Statements], None]) -> None:
    run(UP)


def downgrade(run: Callable[[Statements], None]) -> None:
    run(DOWN)
