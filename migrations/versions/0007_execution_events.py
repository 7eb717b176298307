"""One fact about an execution a row, only ever added to: the ledger that every state is the sum of."""

from collections.abc import Callable, Mapping, Sequence

Statements = Mapping[str, Sequence[str]]

revision: str = "0007"
down_revision: str | None = "0006"

UP: Statements = {
    "postgresql": (
        """
        CREATE TABLE IF NOT EXISTS penstock.execution_events (
            sequence_num BIGINT GENERATED ALWAYS AS IDENTITY,
            id UUID GENERATED ALWAYS AS ((('00000000-0000-8000-8000-'::text || lpad(to_hex(sequence_num), 12,
                '0'::text)))::uuid) STORED,
            pipeline_execution_id UUID,
            task_execution_id UUID,
            event_type TEXT NOT NULL,
            to_status TEXT,
            version INTEGER,
            event_data JSONB DEFAULT '{}' NOT NULL,
            worker_id TEXT,
            actor TEXT NOT NULL,
            login TEXT DEFAULT session_user,
            created_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
            transaction_id xid8 DEFAULT pg_current_xact_id(),
            CONSTRAINT pk_execution_events PRIMARY KEY (sequence_num)
        )
        """,
        """
        CREATE INDEX IF NOT EXISTS ix_execution_events_created_at ON penstock.execution_events USING brin (created_at)
        """,
        """
        CREATE INDEX IF NOT EXISTS ix_execution_events_pipeline
        ON penstock.execution_events (pipeline_execution_id, sequence_num)
        WHERE pipeline_execution_id IS NOT NULL
        """,
        """
        CREATE INDEX IF NOT EXISTS ix_execution_events_rare ON penstock.execution_events (event_type, sequence_num)
        WHERE event_type IN ('TaskApproved', 'TaskRejected', 'TaskReleased', 'TaskFailed',
            'TaskRetryScheduled', 'TaskReset', 'TaskDeferred', 'TaskPaused', 'TaskResumed', 'TaskRecovered',
            'TaskAbandoned', 'TaskSkipped', 'TaskCancelled', 'PipelineFailed', 'PipelinePaused',
            'PipelineResumed', 'PipelineCancelled', 'TaskNoted', 'PipelineNoted')
        """,
        """
        CREATE UNIQUE INDEX IF NOT EXISTS ux_execution_events_pipeline
        ON penstock.execution_events (pipeline_execution_id, version)
        WHERE task_execution_id IS NULL
        """,
        """
        CREATE UNIQUE INDEX IF NOT EXISTS ux_execution_events_task
        ON penstock.execution_events (task_execution_id, version)
        WHERE task_execution_id IS NOT NULL
        """,
    ),
    "sqlite": (
        """
        CREATE TABLE IF NOT EXISTS execution_events (
            sequence_num INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
            id TEXT GENERATED ALWAYS AS (printf('00000000-0000-8000-8000-%012x', sequence_num)) STORED,
            pipeline_execution_id TEXT,
            task_execution_id TEXT,
            event_type TEXT NOT NULL,
            to_status TEXT,
            version INTEGER,
            event_data JSON DEFAULT '{}' NOT NULL,
            worker_id TEXT,
            actor TEXT NOT NULL,
            login TEXT DEFAULT NULL,
            created_at TEXT DEFAULT (strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')) NOT NULL,
            transaction_id INTEGER DEFAULT NULL,
            CONSTRAINT fk_execution_events_pipeline_execution_id FOREIGN KEY(pipeline_execution_id) REFERENCES
                pipeline_executions (id) ON DELETE RESTRICT,
            CONSTRAINT fk_execution_events_task_execution_id FOREIGN KEY(task_execution_id) REFERENCES task_executions
                (id) ON DELETE RESTRICT,
            CONSTRAINT ck_execution_events_event_data CHECK (event_data IS NULL OR (json_valid(event_data) AND
                json_type(event_data) = 'object')),
            CONSTRAINT ck_execution_events_event_type CHECK (event_type IN ('TaskCreated', 'TaskMarkedReady',
                'TaskApproved', 'TaskRejected', 'TaskClaimed', 'TaskStarted', 'TaskReleased', 'TaskCompleted',
                'TaskFailed', 'TaskRetryScheduled', 'TaskReset', 'TaskDeferred', 'TaskPaused', 'TaskResumed',
                'TaskRecovered', 'TaskAbandoned', 'TaskSkipped', 'TaskCancelled', 'PipelineStarted',
                'PipelineCompleted', 'PipelineFailed', 'PipelinePaused', 'PipelineResumed', 'PipelineCancelled',
                'TaskNoted', 'PipelineNoted')),
            CONSTRAINT ck_execution_events_noted CHECK ((version IS NULL) = (event_type IN ('TaskNoted',
                'PipelineNoted'))),
            CONSTRAINT ck_execution_events_subject CHECK (pipeline_execution_id IS NOT NULL OR task_execution_id IS
                NOT NULL)
        )
        """,
        "CREATE INDEX IF NOT EXISTS ix_execution_events_created_at ON execution_events (created_at)",
        """
        CREATE INDEX IF NOT EXISTS ix_execution_events_pipeline
        ON execution_events (pipeline_execution_id, sequence_num)
        WHERE pipeline_execution_id IS NOT NULL
        """,
        """
        CREATE INDEX IF NOT EXISTS ix_execution_events_rare ON execution_events (event_type, sequence_num)
        WHERE event_type IN ('TaskApproved', 'TaskRejected', 'TaskReleased', 'TaskFailed',
            'TaskRetryScheduled', 'TaskReset', 'TaskDeferred', 'TaskPaused', 'TaskResumed', 'TaskRecovered',
            'TaskAbandoned', 'TaskSkipped', 'TaskCancelled', 'PipelineFailed', 'PipelinePaused',
            'PipelineResumed', 'PipelineCancelled', 'TaskNoted', 'PipelineNoted')
        """,
        """
        CREATE UNIQUE INDEX IF NOT EXISTS ux_execution_events_pipeline
        ON execution_events (pipeline_execution_id, version)
        WHERE task_execution_id IS NULL
        """,
        """
        CREATE UNIQUE INDEX IF NOT EXISTS ux_execution_events_task
        ON execution_events (task_execution_id, version)
        WHERE task_execution_id IS NOT NULL
        """,
    ),
}

DOWN: Statements = {
    "postgresql": ("DROP TABLE IF EXISTS penstock.execution_events",),
    "sqlite": ("DROP TABLE IF EXISTS execution_events",),
}


def upgrade(run: Callable[[Statements], None]) -> None:
    run(UP)


def downgrade(run: Callable[[Statements], None]) -> None:
    run(DOWN)
