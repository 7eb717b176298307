"""What has been run: pipelines, executions, and everything that hangs on them."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Mapped

from penstock.dal import schema
from penstock.orm.row import Document, Row, column, seen

D, E = schema.task_dependencies, schema.task_executions


class PipelineExecution(Row):
    """One run of a workflow, or of a graph that was submitted whole."""

    __table__ = schema.pipeline_executions

    id: Mapped[UUID]
    workflow_id: Mapped[UUID | None]
    workflow_version: Mapped[int | None]
    name: Mapped[str]
    status: Mapped[str]
    input: Mapped[Document]
    output: Mapped[Document | None]
    error: Mapped[str | None]
    unfinished: Mapped[int]
    failed: Mapped[int]
    created_by: Mapped[str]
    traceparent: Mapped[str | None]
    pause_reason: Mapped[str | None]
    paused_at: Mapped[datetime | None]
    retry_of: Mapped[UUID | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    completed_at: Mapped[datetime | None]
    version: Mapped[int]
    tasks: Mapped[list["TaskExecution"]] = seen("TaskExecution", order_by="TaskExecution.sequence")
    events: Mapped[list["ExecutionEvent"]] = seen("ExecutionEvent", order_by="ExecutionEvent.sequence_num")


class TaskExecution(Row):
    """One run of a task, with its retries."""

    __table__ = E
    __mapper_args__ = {"exclude_properties": ["lease", "settled_lease"]}  # noqa: RUF012 - as SQLAlchemy wants it

    id: Mapped[UUID]
    pipeline_execution_id: Mapped[UUID | None]
    task_id: Mapped[UUID | None]
    name: Mapped[str]
    sequence: Mapped[int]
    task_type: Mapped[str]
    queue: Mapped[str]
    status: Mapped[str]
    config: Mapped[Document]
    metadata_: Mapped[Document | None] = column(__table__, "metadata")
    workspace_path: Mapped[str | None]
    priority: Mapped[int]
    attempt: Mapped[int]
    max_attempts: Mapped[int]
    retry: Mapped[Document | None]
    timeout_seconds: Mapped[int]
    requires_approval: Mapped[bool]
    trigger_rule: Mapped[str]
    failure_handled: Mapped[bool]
    waiting_on: Mapped[int]
    parents_succeeded: Mapped[int]
    parents_failed: Mapped[int]
    parents_skipped: Mapped[int]
    worker_id: Mapped[str | None]
    lease_expires_at: Mapped[datetime | None]
    recoveries: Mapped[int]
    resume_at: Mapped[datetime | None]
    services_touched: Mapped[list[str] | None]
    outcome: Mapped[Document | None]
    suggestions: Mapped[list[Document] | None]
    error: Mapped[str | None]
    created_by: Mapped[str]
    approved_by: Mapped[str | None]
    approved_at: Mapped[datetime | None]
    retry_of: Mapped[UUID | None]
    traceparent: Mapped[str | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    completed_at: Mapped[datetime | None]
    version: Mapped[int]
    pipeline: Mapped[PipelineExecution | None] = seen("PipelineExecution")
    parents: Mapped[list["TaskExecution"]] = seen(
        "TaskExecution", secondary=D, primaryjoin=E.c.id == D.c.child_id, secondaryjoin=E.c.id == D.c.parent_id
    )
    children: Mapped[list["TaskExecution"]] = seen(
        "TaskExecution", secondary=D, primaryjoin=E.c.id == D.c.parent_id, secondaryjoin=E.c.id == D.c.child_id
    )
    events: Mapped[list["ExecutionEvent"]] = seen("ExecutionEvent", order_by="ExecutionEvent.sequence_num")
    tools: Mapped[list["ToolExecution"]] = seen("ToolExecution", order_by="ToolExecution.id")
    annotations: Mapped[list["Annotation"]] = seen("Annotation", order_by="Annotation.id")
    doorbell: Mapped["OutboxEntry | None"] = seen("OutboxEntry", uselist=False)
    pause: Mapped["PauseQueueEntry | None"] = seen("PauseQueueEntry", uselist=False)


class TaskDependency(Row):
    """An edge: the child waits for the parent."""

    __table__ = D

    parent_id: Mapped[UUID]
    child_id: Mapped[UUID]


class ExecutionEvent(Row):
    """One fact about an execution. Its place in the order of all facts is `sequence_num`."""

    __table__ = schema.execution_events

    sequence_num: Mapped[int]
    id: Mapped[UUID]
    pipeline_execution_id: Mapped[UUID | None]
    task_execution_id: Mapped[UUID | None]
    event_type: Mapped[str]
    to_status: Mapped[str | None]
    version: Mapped[int | None]
    event_data: Mapped[Document]
    worker_id: Mapped[str | None]
    actor: Mapped[str]
    login: Mapped[str | None]
    created_at: Mapped[datetime]
    transaction_id: Mapped[int | None]


class OutboxEntry(Row):
    """A doorbell: this execution is ready, and somebody must be told."""

    __table__ = schema.task_outbox

    id: Mapped[int]
    task_execution_id: Mapped[UUID]
    queue: Mapped[str]
    priority: Mapped[int]
    available_at: Mapped[datetime]
    ring_at: Mapped[datetime]
    rings: Mapped[int]
    last_error: Mapped[str | None]
    traceparent: Mapped[str | None]
    created_at: Mapped[datetime]


class PauseQueueEntry(Row):
    """Why an execution is paused, and until when."""

    __table__ = schema.pause_queue

    id: Mapped[int]
    task_execution_id: Mapped[UUID]
    work_plan: Mapped[Document]
    reason: Mapped[str]
    paused_at: Mapped[datetime]
    resume_after: Mapped[datetime | None]
    priority: Mapped[int]
    task_execution: Mapped[TaskExecution] = seen("TaskExecution")


class ToolExecution(Row):
    """What an execution called while it ran."""

    __table__ = schema.tool_executions

    id: Mapped[UUID]
    task_execution_id: Mapped[UUID]
    tool_name: Mapped[str]
    arguments: Mapped[Document]
    output: Mapped[Any]
    status: Mapped[str]
    error: Mapped[str | None]
    created_at: Mapped[datetime]
    completed_at: Mapped[datetime | None]
    duration_ms: Mapped[int | None]


class Annotation(Row):
    """What somebody had to say about an execution, also after its end."""

    __table__ = schema.annotations

    id: Mapped[UUID]
    pipeline_execution_id: Mapped[UUID | None]
    task_execution_id: Mapped[UUID | None]
    kind: Mapped[str]
    body: Mapped[Document]
    actor: Mapped[str]
    created_at: Mapped[datetime]
