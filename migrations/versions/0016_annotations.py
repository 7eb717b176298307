"""What somebody had to say about an execution, during it or long after: notes, suggestions. Only added to."""

from collections.abc import Callable, Mapping, Sequence

Statements = Mapping[str, Sequence[str]]

revision: str = "0016"
down_revision: str | None = "0015"

UP: Statements = {
    "postgresql": (
        """
        CREATE TABLE IF NOT EXISTS penstock.annotations (
            id UUID NOT NULL,
            pipeline_execution_id UUID,
            task_execution_id UUID,
            kind TEXT DEFAULT 'note' NOT NULL,
            body JSONB DEFAULT '{}' NOT NULL,
            actor TEXT NOT NULL,
            created_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
            CONSTRAINT pk_annotations PRIMARY KEY (id),
            CONSTRAINT ck_annotations_body CHECK (body IS NULL OR jsonb_typeof(body) = 'object'),
            CONSTRAINT ck_annotations_subject CHECK ((pipeline_execution_id IS NULL) <> (task_execution_id IS
                NULL)),
            CONSTRAINT fk_annotations_pipeline_execution_id FOREIGN KEY(pipeline_execution_id)
                REFERENCES penstock.pipeline_executions (id) ON DELETE RESTRICT,
            CONSTRAINT fk_annotations_task_execution_id FOREIGN KEY(task_execution_id)
                REFERENCES penstock.task_executions (id) ON DELETE RESTRICT
        )
        """,
        """
        CREATE INDEX IF NOT EXISTS ix_annotations_pipeline_execution_id
        ON penstock.annotations (pipeline_execution_id, id)
        WHERE pipeline_execution_id IS NOT NULL
        """,
        """
        CREATE INDEX IF NOT EXISTS ix_annotations_task_execution_id ON penstock.annotations (task_execution_id, id)
        WHERE task_execution_id IS NOT NULL
        """,
    ),
    "sqlite": (
        """
        CREATE TABLE IF NOT EXISTS annotations (
            id TEXT NOT NULL,
            pipeline_execution_id TEXT,
            task_execution_id TEXT,
            kind TEXT DEFAULT 'note' NOT NULL,
            body JSON DEFAULT '{}' NOT NULL,
            actor TEXT NOT NULL,
            created_at TEXT DEFAULT (strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')) NOT NULL,
            CONSTRAINT pk_annotations PRIMARY KEY (id),
            CONSTRAINT ck_annotations_body CHECK (body IS NULL
                OR (json_valid(body) AND json_type(body) = 'object')),
            CONSTRAINT ck_annotations_subject CHECK ((pipeline_execution_id IS NULL) <> (task_execution_id IS
                NULL)),
            CONSTRAINT fk_annotations_pipeline_execution_id FOREIGN KEY(pipeline_execution_id)
                REFERENCES pipeline_executions (id) ON DELETE RESTRICT,
            CONSTRAINT fk_annotations_task_execution_id FOREIGN KEY(task_execution_id)
                REFERENCES task_executions (id) ON DELETE RESTRICT
        )
        """,
        """
        CREATE INDEX IF NOT EXISTS ix_annotations_pipeline_execution_id
        ON annotations (pipeline_execution_id, id)
        WHERE pipeline_execution_id IS NOT NULL
        """,
        """
        CREATE INDEX IF NOT EXISTS ix_annotations_task_execution_id ON annotations (task_execution_id, id)
        WHERE task_execution_id IS NOT NULL
        """,
    ),
}

DOWN: Statements = {
    "postgresql": ("DROP TABLE IF EXISTS penstock.annotations",),
    "sqlite": ("DROP TABLE IF EXISTS annotations",),
}


def upgrade(run: Callable[[Statements], None]) -> None:
    run(UP)


def downgrade(run: Callable[[Statements], None]) -> None:
    run(DOWN)
