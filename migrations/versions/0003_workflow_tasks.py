"""The steps of a workflow: which task each one runs, after which others, and under which rule.

Deleting a draft takes its steps along; a task that some workflow uses cannot be deleted.
"""

from collections.abc import Callable, Mapping, Sequence

Statements = Mapping[str, Sequence[str]]

revision: str = "0003"
down_revision: str | None = "0002"

UP: Statements = {
    "postgresql": (
        """
        CREATE TABLE IF NOT EXISTS penstock.workflow_tasks (
            workflow_id UUID NOT NULL,
            task_id UUID NOT NULL,
            step TEXT NOT NULL,
            sequence INTEGER DEFAULT 0 NOT NULL,
            depends_on JSONB DEFAULT '[]' NOT NULL,
            trigger_rule TEXT DEFAULT 'all_success' NOT NULL,
            config JSONB DEFAULT '{}' NOT NULL,
            created_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
            CONSTRAINT pk_workflow_tasks PRIMARY KEY (workflow_id, step),
            CONSTRAINT uq_workflow_tasks_workflow_id_sequence UNIQUE (workflow_id, sequence),
            CONSTRAINT ck_workflow_tasks_config CHECK (config IS NULL OR jsonb_typeof(config) = 'object'),
            CONSTRAINT ck_workflow_tasks_trigger_rule CHECK (trigger_rule IN ('all_success', 'all_done',
                'one_success', 'one_failed', 'all_failed', 'none_failed')),
            CONSTRAINT fk_workflow_tasks_workflow_id FOREIGN KEY(workflow_id)
                REFERENCES penstock.workflows (id) ON DELETE CASCADE,
            CONSTRAINT fk_workflow_tasks_task_id FOREIGN KEY(task_id) REFERENCES penstock.tasks (id) ON DELETE RESTRICT
        )
        """,
        "CREATE INDEX IF NOT EXISTS ix_workflow_tasks_task_id ON penstock.workflow_tasks (task_id)",
    ),
    "sqlite": (
        """
        CREATE TABLE IF NOT EXISTS workflow_tasks (
            workflow_id TEXT NOT NULL,
            task_id TEXT NOT NULL,
            step TEXT NOT NULL,
            sequence INTEGER DEFAULT 0 NOT NULL,
            depends_on JSON DEFAULT '[]' NOT NULL,
            trigger_rule TEXT DEFAULT 'all_success' NOT NULL,
            config JSON DEFAULT '{}' NOT NULL,
            created_at TEXT DEFAULT (strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')) NOT NULL,
            CONSTRAINT pk_workflow_tasks PRIMARY KEY (workflow_id, step),
            CONSTRAINT uq_workflow_tasks_workflow_id_sequence UNIQUE (workflow_id, sequence),
            CONSTRAINT ck_workflow_tasks_depends_on CHECK (depends_on IS NULL OR (json_valid(depends_on))),
            CONSTRAINT ck_workflow_tasks_config CHECK (config IS NULL
                OR (json_valid(config) AND json_type(config) = 'object')),
            CONSTRAINT ck_workflow_tasks_trigger_rule CHECK (trigger_rule IN ('all_success', 'all_done',
                'one_success', 'one_failed', 'all_failed', 'none_failed')),
            CONSTRAINT fk_workflow_tasks_workflow_id FOREIGN KEY(workflow_id)
                REFERENCES workflows (id) ON DELETE CASCADE,
            CONSTRAINT fk_workflow_tasks_task_id FOREIGN KEY(task_id) REFERENCES tasks (id) ON DELETE RESTRICT
        )
        """,
        "CREATE INDEX IF NOT EXISTS ix_workflow_tasks_task_id ON workflow_tasks (task_id)",
    ),
}

DOWN: Statements = {
    "postgresql": ("DROP TABLE IF EXISTS penstock.workflow_tasks",),
    "sqlite": ("DROP TABLE IF EXISTS workflow_tasks",),
}


def upgrade(run: Callable[[Statements], None]) -> None:
    run(UP)


def downgrade(run: Callable[[Statements], None]) -> None:
    run(DOWN)
