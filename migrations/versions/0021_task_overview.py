"""Every task with the state of its newest execution.

Ids are made in the order of time, so the newest execution of a task is the last entry of
ix_task_executions_task_id: one probe of that index for each task that is shown, on both engines.
"""

from collections.abc import Callable, Mapping, Sequence

Statements = Mapping[str, Sequence[str]]

revision: str = "0021"
down_revision: str | None = "0020"

UP: Statements = {
    "postgresql": (
        """
        CREATE OR REPLACE VIEW penstock.task_overview AS
        SELECT
            t.id,
            t.name,
            t.title,
            t.description,
            t.task_type,
            t.queue,
            t.config,
            t.metadata,
            t.workspace_path,
            t.priority,
            t.max_attempts,
            t.retry,
            t.timeout_seconds,
            t.requires_approval,
            t.created_at,
            t.updated_at,
            e.id AS execution_id,
            e.status,
            e.attempt,
            e.started_at,
            e.completed_at,
            e.error
        FROM penstock.tasks AS t
        LEFT JOIN penstock.task_executions AS e ON e.id = (
            SELECT n.id
            FROM penstock.task_executions AS n
            WHERE n.task_id = t.id
            ORDER BY n.id DESC
            LIMIT 1
        )
        """,
    ),
    "sqlite": (
        """
        CREATE VIEW IF NOT EXISTS task_overview AS
        SELECT
            t.id,
            t.name,
            t.title,
            t.description,
            t.task_type,
            t.queue,
            t.config,
            t.metadata,
            t.workspace_path,
            t.priority,
            t.max_attempts,
            t.retry,
            t.timeout_seconds,
            t.requires_approval,
            t.created_at,
            t.updated_at,
            e.id AS execution_id,
            e.status,
            e.attempt,
            e.started_at,
            e.completed_at,
            e.error
        FROM tasks AS t
        LEFT JOIN task_executions AS e ON e.id = (
            SELECT n.id
            FROM task_executions AS n
            WHERE n.task_id = t.id
            ORDER BY n.id DESC
            LIMIT 1
        )
        """,
    ),
}

DOWN: Statements = {
    "postgresql": ("DROP VIEW IF EXISTS penstock.task_overview",),
    "sqlite": ("DROP VIEW IF EXISTS task_overview",),
}


def upgrade(run: Callable[[Statements], None]) -> None:
    run(UP)


def downgrade(run: Callable[[Statements], None]) -> None:
    run(DOWN)
