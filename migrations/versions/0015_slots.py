"""Concurrency limits as rows that exist ahead: whoever runs under a limit holds one of its slots."""

from collections.abc import Callable, Mapping, Sequence

Statements = Mapping[str, Sequence[str]]

revision: str = "0015"
down_revision: str | None = "0014"

UP: Statements = {
    "postgresql": (
        """
        CREATE TABLE IF NOT EXISTS penstock.slots (
            limit_name TEXT NOT NULL,
            key TEXT NOT NULL,
            number INTEGER NOT NULL,
            holder UUID,
            taken_at TIMESTAMP WITH TIME ZONE,
            CONSTRAINT pk_slots PRIMARY KEY (limit_name, key, number),
            CONSTRAINT ck_slots_holder CHECK ((holder IS NULL) = (taken_at IS NULL)),
            CONSTRAINT fk_slots_holder FOREIGN KEY(holder) REFERENCES penstock.task_executions (id) ON DELETE RESTRICT
        )
        """,
        """
        CREATE UNIQUE INDEX IF NOT EXISTS ux_slots_holder ON penstock.slots (holder, limit_name)
        WHERE holder IS NOT NULL
        """,
    ),
    "sqlite": (
        """
        CREATE TABLE IF NOT EXISTS slots (
            limit_name TEXT NOT NULL,
            "key" TEXT NOT NULL,
            number INTEGER NOT NULL,
            holder TEXT,
            taken_at TEXT,
            CONSTRAINT pk_slots PRIMARY KEY (limit_name, "key", number),
            CONSTRAINT ck_slots_holder CHECK ((holder IS NULL) = (taken_at IS NULL)),
            CONSTRAINT fk_slots_holder FOREIGN KEY(holder) REFERENCES task_executions (id) ON DELETE RESTRICT
        )
        """,
        """
        CREATE UNIQUE INDEX IF NOT EXISTS ux_slots_holder ON slots (holder, limit_name)
        WHERE holder IS NOT NULL
        """,
    ),
}

DOWN: Statements = {
    "postgresql": ("DROP TABLE IF EXISTS penstock.slots",),
    "sqlite": ("DROP TABLE IF EXISTS slots",),
}


def upgrade(run: Callable[[Statements], None]) -> None:
    run(UP)


def downgrade(run: Callable[[Statements], None]) -> None:
    run(DOWN)
