"""Which execution waits for which: the edges of a pipeline as it runs."""

from collections.abc import Callable, Mapping, Sequence

Statements = Mapping[str, Sequence[str]]

revision: str = "0006"
down_revision: str | None = "0005"

UP: Statements = {
    "postgresql": (
        """
        CREATE TABLE IF NOT EXISTS penstock.task_dependencies (
            parent_id UUID NOT NULL,
            child_id UUID NOT NULL,
            CONSTRAINT pk_task_dependencies PRIMARY KEY (parent_id, child_id),
            CONSTRAINT ck_task_dependencies_distinct CHECK (parent_id <> child_id),
            CONSTRAINT fk_task_dependencies_parent_id FOREIGN KEY(parent_id)
                REFERENCES penstock.task_executions (id) ON DELETE RESTRICT,
            CONSTRAINT fk_task_dependencies_child_id FOREIGN KEY(child_id)
                REFERENCES penstock.task_executions (id) ON DELETE RESTRICT
        )
        """,
        "CREATE INDEX IF NOT EXISTS ix_task_dependencies_child_id ON penstock.task_dependencies (child_id)",
    ),
    "sqlite": (
        """
        CREATE TABLE IF NOT EXISTS task_dependencies (
            parent_id TEXT NOT NULL,
            child_id TEXT NOT NULL,
            CONSTRAINT pk_task_dependencies PRIMARY KEY (parent_id, child_id),
            CONSTRAINT ck_task_dependencies_distinct CHECK (parent_id <> child_id),
            CONSTRAINT fk_task_dependencies_parent_id FOREIGN KEY(parent_id)
                REFERENCES task_executions (id) ON DELETE RESTRICT,
            CONSTRAINT fk_task_dependencies_child_id FOREIGN KEY(child_id)
                REFERENCES task_executions (id) ON DELETE RESTRICT
        )
        """,
        "CREATE INDEX IF NOT EXISTS ix_task_dependencies_child_id ON task_dependencies (child_id)",
    ),
}

DOWN: Statements = {
    "postgresql": ("DROP TABLE IF EXISTS penstock.task_dependencies",),
    "sqlite": ("DROP TABLE IF EXISTS task_dependencies",),
}


def upgrade(run: Callable[[Statements], None]) -> None:
    run(UP)


def downgrade(run: Callable[[Statements], None]) -> None:
    run(DOWN)
