"""What can be run, and when: tasks, workflows, schedules."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Mapped

from penstock.dal import schema
from penstock.dal.views.tasks import OVERVIEW
from penstock.orm.row import Document, Row, column, seen


class Task(Row):
    """Something that can be run."""

    __table__ = schema.tasks

    id: Mapped[UUID]
    name: Mapped[str]
    title: Mapped[str]
    description: Mapped[str | None]
    task_type: Mapped[str]
    queue: Mapped[str]
    config: Mapped[Document]
    metadata_: Mapped[Document | None] = column(__table__, "metadata")
    workspace_path: Mapped[str | None]
    priority: Mapped[int]
    max_attempts: Mapped[int]
    retry: Mapped[Document | None]
    timeout_seconds: Mapped[int]
    requires_approval: Mapped[bool]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class TaskOverview(Row):
    """A task with the state of its newest execution; nothing where it has never run."""

    __table__ = OVERVIEW
    __mapper_args__ = {"primary_key": [OVERVIEW.c.id]}  # noqa: RUF012 - as SQLAlchemy wants it

    id: Mapped[UUID]
    name: Mapped[str]
    title: Mapped[str]
    description: Mapped[str | None]
    task_type: Mapped[str]
    queue: Mapped[str]
    config: Mapped[Document]
    metadata_: Mapped[Document | None] = column(__table__, "metadata")
    workspace_path: Mapped[str | None]
    priority: Mapped[int]
    max_attempts: Mapped[int]
    retry: Mapped[Document | None]
    timeout_seconds: Mapped[int]
    requires_approval: Mapped[bool]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    execution_id: Mapped[UUID | None]
    status: Mapped[str | None]
    attempt: Mapped[int | None]
    started_at: Mapped[datetime | None]
    completed_at: Mapped[datetime | None]
    error: Mapped[str | None]


class Workflow(Row):
    """A named, versioned graph of tasks: a definition."""

    __table__ = schema.workflows

    id: Mapped[UUID]
    name: Mapped[str]
    version: Mapped[int]
    description: Mapped[str | None]
    definition: Mapped[Document]
    status: Mapped[str]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    steps: Mapped[list["WorkflowTask"]] = seen("WorkflowTask", order_by="WorkflowTask.sequence")


class WorkflowTask(Row):
    """A step of a workflow."""

    __table__ = schema.workflow_tasks

    workflow_id: Mapped[UUID]
    task_id: Mapped[UUID]
    step: Mapped[str]
    sequence: Mapped[int]
    depends_on: Mapped[list[str]]
    trigger_rule: Mapped[str]
    config: Mapped[Document]
    created_at: Mapped[datetime]
    task: Mapped[Task] = seen("Task")


class Schedule(Row):
    """What runs by the clock: a task or a workflow."""

    __table__ = schema.schedules

    id: Mapped[UUID]
    name: Mapped[str]
    task_id: Mapped[UUID | None]
    workflow_id: Mapped[UUID | None]
    expression: Mapped[str]
    timezone: Mapped[str]
    input: Mapped[Document]
    is_enabled: Mapped[bool]
    catch_up: Mapped[str]
    start_at: Mapped[datetime | None]
    end_at: Mapped[datetime | None]
    next_run_at: Mapped[datetime | None]
    last_run_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    runs: Mapped[list["ScheduleRun"]] = seen("ScheduleRun", order_by="ScheduleRun.scheduled_for")


class ScheduleRun(Row):
    """One time for which a schedule has been run."""

    __table__ = schema.schedule_runs

    schedule_id: Mapped[UUID]
    scheduled_for: Mapped[datetime]
    task_execution_id: Mapped[UUID | None]
    pipeline_execution_id: Mapped[UUID | None]
    created_at: Mapped[datetime]
