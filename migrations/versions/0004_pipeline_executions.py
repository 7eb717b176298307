"""Runs of a workflow, or of a graph that was submitted inline.

The row counts what is unfinished and what failed, so that its last task ends it without looking around.
"""

from collections.abc import Callable, Mapping, Sequence

Statements = Mapping[str, Sequence[str]]

revision: str = "0004"
down_revision: str | None = "0003"

UP: Statements = {
    "postgresql": (
        """
        CREATE TABLE IF NOT EXISTS penstock.pipeline_executions (
            id UUID NOT NULL,
            workflow_id UUID,
            workflow_version INTEGER,
            name TEXT NOT NULL,
            status TEXT DEFAULT 'running' NOT NULL,
            input JSONB DEFAULT '{}' NOT NULL,
            output JSONB,
            error TEXT,
            unfinished INTEGER DEFAULT 0 NOT NULL,
            failed INTEGER DEFAULT 0 NOT NULL,
            created_by TEXT NOT NULL,
            traceparent TEXT,
            pause_reason TEXT,
            paused_at TIMESTAMP WITH TIME ZONE,
            retry_of UUID,
            created_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
            updated_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
            started_at TIMESTAMP WITH TIME ZONE,
            completed_at TIMESTAMP WITH TIME ZONE,
            version INTEGER DEFAULT 1 NOT NULL,
            CONSTRAINT pk_pipeline_executions PRIMARY KEY (id),
            CONSTRAINT ck_pipeline_executions_input CHECK (input IS NULL OR jsonb_typeof(input) = 'object'),
            CONSTRAINT ck_pipeline_executions_output CHECK (output IS NULL
                OR jsonb_typeof(output) = 'object'),
            CONSTRAINT ck_pipeline_executions_status CHECK (status IN ('running', 'completed', 'failed',
                'paused', 'cancelled')),
            CONSTRAINT ck_pipeline_executions_ended CHECK ((status IN ('completed', 'failed', 'cancelled'))
                = (completed_at IS NOT NULL)),
            CONSTRAINT ck_pipeline_executions_unfinished CHECK (unfinished >= 0 AND (unfinished = 0
                OR status NOT IN ('completed', 'failed', 'cancelled'))),
            CONSTRAINT fk_pipeline_executions_workflow_id FOREIGN KEY(workflow_id)
                REFERENCES penstock.workflows (id) ON DELETE RESTRICT
        )
        """,
        """
        CREATE INDEX IF NOT EXISTS ix_pipeline_executions_completed_at
        ON penstock.pipeline_executions (completed_at, id)
        WHERE completed_at IS NOT NULL
        """,
        "CREATE INDEX IF NOT EXISTS ix_pipeline_executions_name ON penstock.pipeline_executions (name, id)",
        "CREATE INDEX IF NOT EXISTS ix_pipeline_executions_status ON penstock.pipeline_executions (status, id)",
        """
        CREATE INDEX IF NOT EXISTS ix_pipeline_executions_workflow_id ON penstock.pipeline_executions (workflow_id)
        WHERE workflow_id IS NOT NULL
        """,
    ),
    "sqlite": (
        """
        CREATE TABLE IF NOT EXISTS pipeline_executions (
            id TEXT NOT NULL,
            workflow_id TEXT,
            workflow_version INTEGER,
            name TEXT NOT NULL,
            status TEXT DEFAULT 'running' NOT NULL,
            input JSON DEFAULT '{}' NOT NULL,
            output JSON,
            error TEXT,
            unfinished INTEGER DEFAULT 0 NOT NULL,
            failed INTEGER DEFAULT 0 NOT NULL,
            created_by TEXT NOT NULL,
            traceparent TEXT,
            pause_reason TEXT,
            paused_at TEXT,
            retry_of TEXT,
            created_at TEXT DEFAULT (strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')) NOT NULL,
            updated_at TEXT DEFAULT (strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')) NOT NULL,
            started_at TEXT,
            completed_at TEXT,
            version INTEGER DEFAULT 1 NOT NULL,
            CONSTRAINT pk_pipeline_executions PRIMARY KEY (id),
            CONSTRAINT ck_pipeline_executions_input CHECK (input IS NULL
                OR (json_valid(input) AND json_type(input) = 'object')),
            CONSTRAINT ck_pipeline_executions_output CHECK (output IS NULL
                OR (json_valid(output) AND json_type(output) = 'object')),
            CONSTRAINT ck_pipeline_executions_status CHECK (status IN ('running', 'completed', 'failed',
                'paused', 'cancelled')),
            CONSTRAINT ck_pipeline_executions_ended CHECK ((status IN ('completed', 'failed', 'cancelled'))
                = (completed_at IS NOT NULL)),
            CONSTRAINT ck_pipeline_executions_unfinished CHECK (unfinished >= 0 AND (unfinished = 0
                OR status NOT IN ('completed', 'failed', 'cancelled'))),
            CONSTRAINT fk_pipeline_executions_workflow_id FOREIGN KEY(workflow_id)
                REFERENCES workflows (id) ON DELETE RESTRICT
        )
        """,
        """
        CREATE INDEX IF NOT EXISTS ix_pipeline_executions_completed_at
        ON pipeline_executions (completed_at, id)
        WHERE completed_at IS NOT NULL
        """,
        "CREATE INDEX IF NOT EXISTS ix_pipeline_executions_name ON pipeline_executions (name, id)",
        "CREATE INDEX IF NOT EXISTS ix_pipeline_executions_status ON pipeline_executions (status, id)",
        """
        CREATE INDEX IF NOT EXISTS ix_pipeline_executions_workflow_id ON pipeline_executions (workflow_id)
        WHERE workflow_id IS NOT NULL
        """,
    ),
}

DOWN: Statements = {
    "postgresql": ("DROP TABLE IF EXISTS penstock.pipeline_executions",),
    "sqlite": ("DROP TABLE IF EXISTS pipeline_executions",),
}


def upgrade(run: Callable[[Statements], None]) -> None:
    run(UP)


def downgrade(run: Callable[[Statements], None]) -> None:
    run(DOWN)
