"""Runs of a task: the rows that have a state. With its retries a run stays one row.

Who holds it is a lease, who may not run yet waits for parents, and what has ended is audited from here.
"""

from collections.abc import Callable, Mapping, Sequence

Statements = Mapping[str, Sequence[str]]

revision: str = "0005"
down_revision: str | None = "0004"

UP: Statements = {
    "postgresql": (
        """
        CREATE TABLE IF NOT EXISTS penstock.task_executions (
            id UUID NOT NULL,
            pipeline_execution_id UUID,
            task_id UUID,
            name TEXT NOT NULL,
            sequence INTEGER DEFAULT 0 NOT NULL,
            task_type TEXT NOT NULL,
            queue TEXT DEFAULT 'default' NOT NULL,
            config JSONB DEFAULT '{}' NOT NULL,
            metadata JSONB,
            workspace_path TEXT,
            priority INTEGER DEFAULT 3 NOT NULL,
            max_attempts INTEGER DEFAULT 3 NOT NULL,
            retry JSONB,
            timeout_seconds INTEGER DEFAULT 300 NOT NULL,
            requires_approval BOOLEAN DEFAULT false NOT NULL,
            trigger_rule TEXT DEFAULT 'all_success' NOT NULL,
            failure_handled BOOLEAN DEFAULT false NOT NULL,
            created_by TEXT NOT NULL,
            retry_of UUID,
            traceparent TEXT,
            created_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
            waiting_on INTEGER DEFAULT 0 NOT NULL,
            parents_succeeded INTEGER DEFAULT 0 NOT NULL,
            parents_failed INTEGER DEFAULT 0 NOT NULL,
            parents_skipped INTEGER DEFAULT 0 NOT NULL,
            recoveries INTEGER DEFAULT 0 NOT NULL,
            attempt INTEGER DEFAULT 1 NOT NULL,
            approved_by TEXT,
            approved_at TIMESTAMP WITH TIME ZONE,
            status TEXT DEFAULT 'pending' NOT NULL,
            version INTEGER DEFAULT 1 NOT NULL,
            updated_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
            started_at TIMESTAMP WITH TIME ZONE,
            worker_id TEXT,
            lease UUID,
            lease_expires_at TIMESTAMP WITH TIME ZONE,
            settled_lease UUID,
            resume_at TIMESTAMP WITH TIME ZONE,
            completed_at TIMESTAMP WITH TIME ZONE,
            outcome JSONB,
            services_touched TEXT[],
            suggestions JSONB,
            error TEXT,
            CONSTRAINT pk_task_executions PRIMARY KEY (id),
            CONSTRAINT fk_task_executions_pipeline_execution_id FOREIGN KEY(pipeline_execution_id) REFERENCES
                penstock.pipeline_executions (id) ON DELETE RESTRICT,
            CONSTRAINT fk_task_executions_task_id FOREIGN KEY(task_id) REFERENCES penstock.tasks (id) ON DELETE
                RESTRICT
        )
         WITH (fillfactor = 50)
        """,
        """
        CREATE INDEX IF NOT EXISTS ix_task_executions_completed_at ON penstock.task_executions (completed_at, id)
        WHERE completed_at IS NOT NULL
        """,
        """
        CREATE INDEX IF NOT EXISTS ix_task_executions_lease_expires_at ON penstock.task_executions (lease_expires_at)
        WHERE lease_expires_at IS NOT NULL
        """,
        """
        CREATE INDEX IF NOT EXISTS ix_task_executions_pipeline_execution_id
        ON penstock.task_executions (pipeline_execution_id, id)
        WHERE pipeline_execution_id IS NOT NULL
        """,
        """
        CREATE INDEX IF NOT EXISTS ix_task_executions_resume_at ON penstock.task_executions (resume_at)
        WHERE status = 'deferred'
        """,
        """
        CREATE INDEX IF NOT EXISTS ix_task_executions_services_touched
        ON penstock.task_executions USING gin (services_touched)
        WHERE services_touched IS NOT NULL
        """,
        """
        CREATE INDEX IF NOT EXISTS ix_task_executions_status
        ON penstock.task_executions (status, created_at DESC, id DESC)
        WHERE completed_at IS NOT NULL
        """,
        """
        CREATE INDEX IF NOT EXISTS ix_task_executions_task_id ON penstock.task_executions (task_id, id)
        WHERE task_id IS NOT NULL
        """,
        """
        CREATE INDEX IF NOT EXISTS ix_task_executions_waiting ON penstock.task_executions (status, id)
        WHERE status IN ('pending', 'approved', 'deferred', 'paused')
        """,
    ),
    "sqlite": (
        """
        CREATE TABLE IF NOT EXISTS task_executions (
            id TEXT NOT NULL,
            pipeline_execution_id TEXT,
            task_id TEXT,
            name TEXT NOT NULL,
            sequence INTEGER DEFAULT 0 NOT NULL,
            task_type TEXT NOT NULL,
            queue TEXT DEFAULT 'default' NOT NULL,
            config JSON DEFAULT '{}' NOT NULL,
            metadata JSON,
            workspace_path TEXT,
            priority INTEGER DEFAULT 3 NOT NULL,
            max_attempts INTEGER DEFAULT 3 NOT NULL,
            retry JSON,
            timeout_seconds INTEGER DEFAULT 300 NOT NULL,
            requires_approval BOOLEAN DEFAULT 0 NOT NULL,
            trigger_rule TEXT DEFAULT 'all_success' NOT NULL,
            failure_handled BOOLEAN DEFAULT 0 NOT NULL,
            created_by TEXT NOT NULL,
            retry_of TEXT,
            traceparent TEXT,
            created_at TEXT DEFAULT (strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')) NOT NULL,
            waiting_on INTEGER DEFAULT 0 NOT NULL,
            parents_succeeded INTEGER DEFAULT 0 NOT NULL,
            parents_failed INTEGER DEFAULT 0 NOT NULL,
            parents_skipped INTEGER DEFAULT 0 NOT NULL,
            recoveries INTEGER DEFAULT 0 NOT NULL,
            attempt INTEGER DEFAULT 1 NOT NULL,
            approved_by TEXT,
            approved_at TEXT,
            status TEXT DEFAULT 'pending' NOT NULL,
            version INTEGER DEFAULT 1 NOT NULL,
            updated_at TEXT DEFAULT (strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')) NOT NULL,
            started_at TEXT,
            worker_id TEXT,
            lease TEXT,
            lease_expires_at TEXT,
            settled_lease TEXT,
            resume_at TEXT,
            completed_at TEXT,
            outcome JSON,
            services_touched JSON,
            suggestions JSON,
            error TEXT,
            CONSTRAINT pk_task_executions PRIMARY KEY (id),
            CONSTRAINT ck_task_executions_config CHECK (config IS NULL OR (json_valid(config) AND json_type(config) =
                'object')),
            CONSTRAINT ck_task_executions_metadata CHECK (metadata IS NULL OR (json_valid(metadata))),
            CONSTRAINT ck_task_executions_retry CHECK (retry IS NULL OR (json_valid(retry) AND json_type(retry) =
                'object')),
            CONSTRAINT ck_task_executions_outcome CHECK (outcome IS NULL OR (json_valid(outcome) AND
                json_type(outcome) = 'object')),
            CONSTRAINT ck_task_executions_services_touched CHECK (services_touched IS NULL OR
                (json_valid(services_touched))),
            CONSTRAINT ck_task_executions_suggestions CHECK (suggestions IS NULL OR (json_valid(suggestions))),
            CONSTRAINT ck_task_executions_requires_approval CHECK (requires_approval IN (0, 1)),
            CONSTRAINT ck_task_executions_failure_handled CHECK (failure_handled IN (0, 1)),
            CONSTRAINT ck_task_executions_status CHECK (status IN ('pending', 'ready', 'approved', 'rejected',
                'claimed', 'running', 'completed', 'failed', 'deferred', 'paused', 'skipped', 'cancelled')),
            CONSTRAINT ck_task_executions_trigger_rule CHECK (trigger_rule IN ('all_success', 'all_done',
                'one_success', 'one_failed', 'all_failed', 'none_failed')),
            CONSTRAINT ck_task_executions_priority CHECK (priority BETWEEN 1 AND 5),
            CONSTRAINT ck_task_executions_timeout_seconds CHECK (timeout_seconds BETWEEN 1 AND 86400),
            CONSTRAINT ck_task_executions_attempt CHECK (attempt BETWEEN 1 AND max_attempts),
            CONSTRAINT ck_task_executions_waiting_on CHECK (waiting_on >= 0 AND (waiting_on = 0 OR
                pipeline_execution_id IS NOT NULL)),
            CONSTRAINT ck_task_executions_held CHECK ((status IN ('claimed', 'running')) = (lease IS NOT NULL)),
            CONSTRAINT ck_task_executions_expires CHECK ((lease IS NULL) = (lease_expires_at IS NULL)),
            CONSTRAINT ck_task_executions_deferred CHECK (status <> 'deferred' OR resume_at IS NOT NULL),
            CONSTRAINT ck_task_executions_ready CHECK (status <> 'ready' OR (waiting_on = 0 AND (approved_at IS NOT
                NULL OR NOT requires_approval))),
            CONSTRAINT ck_task_executions_ended CHECK ((status IN ('rejected', 'completed', 'failed', 'skipped',
                'cancelled')) = (completed_at IS NOT NULL)),
            CONSTRAINT fk_task_executions_pipeline_execution_id FOREIGN KEY(pipeline_execution_id) REFERENCES
                pipeline_executions (id) ON DELETE RESTRICT,
            CONSTRAINT fk_task_executions_task_id FOREIGN KEY(task_id) REFERENCES tasks (id) ON DELETE RESTRICT
        )
        """,
        """
        CREATE INDEX IF NOT EXISTS ix_task_executions_completed_at ON task_executions (completed_at, id)
        WHERE completed_at IS NOT NULL
        """,
        """
        CREATE INDEX IF NOT EXISTS ix_task_executions_lease_expires_at ON task_executions (lease_expires_at)
        WHERE lease_expires_at IS NOT NULL
        """,
        """
        CREATE INDEX IF NOT EXISTS ix_task_executions_pipeline_execution_id
        ON task_executions (pipeline_execution_id, id)
        WHERE pipeline_execution_id IS NOT NULL
        """,
        """
        CREATE INDEX IF NOT EXISTS ix_task_executions_resume_at ON task_executions (resume_at)
        WHERE status = 'deferred'
        """,
        """
        CREATE INDEX IF NOT EXISTS ix_task_executions_services_touched ON task_executions (services_touched)
        WHERE services_touched IS NOT NULL
        """,
        """
        CREATE INDEX IF NOT EXISTS ix_task_executions_status
        ON task_executions (status, created_at DESC, id DESC)
        WHERE completed_at IS NOT NULL
        """,
        """
        CREATE INDEX IF NOT EXISTS ix_task_executions_task_id ON task_executions (task_id, id)
        WHERE task_id IS NOT NULL
        """,
        """
        CREATE INDEX IF NOT EXISTS ix_task_executions_waiting ON task_executions (status, id)
        WHERE status IN ('pending', 'approved', 'deferred', 'paused')
        """,
    ),
}

DOWN: Statements = {
    "postgresql": ("DROP TABLE IF EXISTS penstock.task_executions",),
    "sqlite": ("DROP TABLE IF EXISTS task_executions",),
}


def upgrade(run: Callable[[Statements], None]) -> None:
    run(UP)


def downgrade(run: Callable[[Statements], None]) -> None:
    run(DOWN)
