"""What runs by the clock, and which of its times have been run.

The primary key of schedule_runs is what makes each time of a schedule run once.
"""

from collections.abc import Callable, Mapping, Sequence

Statements = Mapping[str, Sequence[str]]

revision: str = "0013"
down_revision: str | None = "0012"

UP: Statements = {
    "postgresql": (
        """
        CREATE TABLE IF NOT EXISTS penstock.schedules (
            id UUID NOT NULL,
            name TEXT NOT NULL,
            task_id UUID,
            workflow_id UUID,
            expression TEXT NOT NULL,
            timezone TEXT DEFAULT 'UTC' NOT NULL,
            input JSONB DEFAULT '{}' NOT NULL,
            is_enabled BOOLEAN DEFAULT true NOT NULL,
            catch_up TEXT DEFAULT 'skip' NOT NULL,
            start_at TIMESTAMP WITH TIME ZONE,
            end_at TIMESTAMP WITH TIME ZONE,
            next_run_at TIMESTAMP WITH TIME ZONE,
            last_run_at TIMESTAMP WITH TIME ZONE,
            created_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
            updated_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
            CONSTRAINT pk_schedules PRIMARY KEY (id),
            CONSTRAINT ck_schedules_input CHECK (input IS NULL OR jsonb_typeof(input) = 'object'),
            CONSTRAINT ck_schedules_catch_up CHECK (catch_up IN ('skip', 'run_once', 'run_all')),
            CONSTRAINT ck_schedules_target CHECK ((task_id IS NULL) <> (workflow_id IS NULL)),
            CONSTRAINT uq_schedules_name UNIQUE (name),
            CONSTRAINT fk_schedules_task_id FOREIGN KEY(task_id) REFERENCES penstock.tasks (id) ON DELETE RESTRICT,
            CONSTRAINT fk_schedules_workflow_id FOREIGN KEY(workflow_id)
                REFERENCES penstock.workflows (id) ON DELETE RESTRICT
        )
        """,
        """
        CREATE INDEX IF NOT EXISTS ix_schedules_next_run_at ON penstock.schedules (next_run_at)
        WHERE next_run_at IS NOT NULL
        """,
        "CREATE INDEX IF NOT EXISTS ix_schedules_task_id ON penstock.schedules (task_id) WHERE task_id IS NOT NULL",
        """
        CREATE INDEX IF NOT EXISTS ix_schedules_workflow_id ON penstock.schedules (workflow_id)
        WHERE workflow_id IS NOT NULL
        """,
        """
        CREATE TABLE IF NOT EXISTS penstock.schedule_runs (
            schedule_id UUID NOT NULL,
            scheduled_for TIMESTAMP WITH TIME ZONE NOT NULL,
            task_execution_id UUID,
            pipeline_execution_id UUID,
            created_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
            CONSTRAINT pk_schedule_runs PRIMARY KEY (schedule_id, scheduled_for),
            CONSTRAINT fk_schedule_runs_schedule_id FOREIGN KEY(schedule_id)
                REFERENCES penstock.schedules (id) ON DELETE CASCADE
        )
        """,
    ),
    "sqlite": (
        """
        CREATE TABLE IF NOT EXISTS schedules (
            id TEXT NOT NULL,
            name TEXT NOT NULL,
            task_id TEXT,
            workflow_id TEXT,
            expression TEXT NOT NULL,
            timezone TEXT DEFAULT 'UTC' NOT NULL,
            input JSON DEFAULT '{}' NOT NULL,
            is_enabled BOOLEAN DEFAULT 1 NOT NULL,
            catch_up TEXT DEFAULT 'skip' NOT NULL,
            start_at TEXT,
            end_at TEXT,
            next_run_at TEXT,
            last_run_at TEXT,
            created_at TEXT DEFAULT (strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')) NOT NULL,
            updated_at TEXT DEFAULT (strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')) NOT NULL,
            CONSTRAINT pk_schedules PRIMARY KEY (id),
            CONSTRAINT ck_schedules_input CHECK (input IS NULL
                OR (json_valid(input) AND json_type(input) = 'object')),
            CONSTRAINT ck_schedules_is_enabled CHECK (is_enabled IN (0, 1)),
            CONSTRAINT ck_schedules_catch_up CHECK (catch_up IN ('skip', 'run_once', 'run_all')),
            CONSTRAINT ck_schedules_target CHECK ((task_id IS NULL) <> (workflow_id IS NULL)),
            CONSTRAINT uq_schedules_name UNIQUE (name),
            CONSTRAINT fk_schedules_task_id FOREIGN KEY(task_id) REFERENCES tasks (id) ON DELETE RESTRICT,
            CONSTRAINT fk_schedules_workflow_id FOREIGN KEY(workflow_id)
                REFERENCES workflows (id) ON DELETE RESTRICT
        )
        """,
        """
        CREATE INDEX IF NOT EXISTS ix_schedules_next_run_at ON schedules (next_run_at)
        WHERE next_run_at IS NOT NULL
        """,
        "CREATE INDEX IF NOT EXISTS ix_schedules_task_id ON schedules (task_id) WHERE task_id IS NOT NULL",
        """
        CREATE INDEX IF NOT EXISTS ix_schedules_workflow_id ON schedules (workflow_id)
        WHERE workflow_id IS NOT NULL
        """,
        """
        CREATE TABLE IF NOT EXISTS schedule_runs (
            schedule_id TEXT NOT NULL,
            scheduled_for TEXT NOT NULL,
            task_execution_id TEXT,
            pipeline_execution_id TEXT,
            created_at TEXT DEFAULT (strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')) NOT NULL,
            CONSTRAINT pk_schedule_runs PRIMARY KEY (schedule_id, scheduled_for),
            CONSTRAINT fk_schedule_runs_schedule_id FOREIGN KEY(schedule_id)
                REFERENCES schedules (id) ON DELETE CASCADE
        )
        """,
    ),
}

DOWN: Statements = {
    "postgresql": (
        "DROP TABLE IF EXISTS penstock.schedule_runs",
        "DROP TABLE IF EXISTS penstock.schedules",
    ),
    "sqlite": (
        "DROP TABLE IF EXISTS schedule_runs",
        "DROP TABLE IF EXISTS schedules",
    ),
}


def upgrade(run: Callable[[Statements], None]) -> None:
    run(UP)


def downgrade(run: Callable[[Statements], None]) -> None:
    run(DOWN)
