"""What goes out: rows of the views, or mapped objects, as documents. What is large or secret is where it is asked for."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from penstock.dal.schema import EVENT_TYPES
from penstock.domain.lifecycle import TOOL, PipelineStatus, Status
from penstock.domain.pipelines import TriggerRule

Document = dict[str, Any]
# A mapped object has it under another name: SQLAlchemy keeps the plain one for itself.
Metadata = Annotated[Document | None, Field(validation_alias=AliasChoices("metadata_", "metadata"))]
EventType = Annotated[str, Field(json_schema_extra={"enum": list(EVENT_TYPES)})]
ToolStatus = Annotated[str, Field(json_schema_extra={"enum": list(TOOL.states)})]


class Answer(BaseModel):
    """Read off the attributes of a row; it takes those it knows."""

    model_config = ConfigDict(from_attributes=True, frozen=True, json_schema_serialization_defaults_required=True)


class Task(Answer):
    """Something that can be run, with the state of its newest execution."""

    id: UUID
    name: str
    title: str
    description: str | None
    task_type: str
    queue: str
    config: Document
    metadata: Metadata
    workspace_path: str | None
    priority: int
    max_attempts: int
    retry: Document | None
    timeout_seconds: int
    requires_approval: bool
    created_at: datetime
    updated_at: datetime
    execution_id: UUID | None
    status: Status | None
    attempt: int | None
    started_at: datetime | None
    completed_at: datetime | None
    error: str | None


class Workflow(Answer):
    """A named, versioned graph of tasks."""

    id: UUID
    name: str
    version: int
    description: str | None
    definition: Document
    status: Literal["draft", "active", "paused", "archived"]
    created_at: datetime
    updated_at: datetime


class TaskExecutionBrief(Answer):
    """One run of a task, as it stands in a list."""

    id: UUID
    pipeline_execution_id: UUID | None
    task_id: UUID | None
    name: str
    sequence: int
    task_type: str
    queue: str
    status: Status
    workspace_path: str | None
    priority: int
    attempt: int
    max_attempts: int
    retry: Document | None
    timeout_seconds: int
    requires_approval: bool
    trigger_rule: TriggerRule
    failure_handled: bool
    waiting_on: int
    parents_succeeded: int
    parents_failed: int
    parents_skipped: int
    worker_id: str | None
    lease_expires_at: datetime | None
    recoveries: int
    resume_at: datetime | None
    services_touched: list[str] | None
    error: str | None
    created_by: str
    approved_by: str | None
    approved_at: datetime | None
    retry_of: UUID | None
    traceparent: str | None
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    version: int


class AuditedExecution(TaskExecutionBrief):
    """One run that has ended, with what came of it."""

    outcome: Document | None
    suggestions: list[Document] | None


class TaskExecution(AuditedExecution):
    """One run of a task with everything that there is to know of it."""

    config: Document
    metadata: Metadata


class Parent(Answer):
    """An execution that another one waits for, with what became of it."""

    id: UUID
    name: str
    status: Status
    outcome: Document | None
    error: str | None
    completed_at: datetime | None


class Parents(Answer):
    """What an execution waits for, or has waited for."""

    items: list[Parent]


class PipelineExecutionBrief(Answer):
    """One run of a graph, as it stands in a list."""

    id: UUID
    workflow_id: UUID | None
    workflow_version: int | None
    name: str
    status: PipelineStatus
    error: str | None
    unfinished: int
    failed: int
    created_by: str
    traceparent: str | None
    pause_reason: str | None
    paused_at: datetime | None
    retry_of: UUID | None
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    version: int


class PipelineExecution(PipelineExecutionBrief):
    """One run of a graph with everything that there is to know of it."""

    input: Document
    output: Document | None


class ExecutionEvent(Answer):
    """One fact about an execution."""

    sequence_num: int
    id: UUID
    pipeline_execution_id: UUID | None
    task_execution_id: UUID | None
    event_type: EventType
    to_status: str | None
    version: int | None
    event_data: Document
    worker_id: str | None
    actor: str
    login: str | None
    created_at: datetime


class PauseQueueEntryModel(Answer):
    """Why an execution is paused, and until when."""

    id: int
    task_execution_id: UUID
    work_plan: Document
    reason: Literal["insufficient_capacity", "manual_pause"]
    paused_at: datetime
    resume_after: datetime | None
    priority: int


class Moved(Answer):
    """Where an execution is now."""

    id: UUID
    status: Status
    version: int


class MovedExecutions(Answer):
    """Where several executions are now."""

    items: list[Moved]


class Job(Answer):
    """An execution that a worker holds, with the lease that it has to show for it from now on."""

    id: UUID
    lease: UUID
    pipeline_execution_id: UUID | None
    task_id: UUID | None
    name: str
    task_type: str
    queue: str
    status: Status
    config: Document
    metadata: Metadata
    workspace_path: str | None
    priority: int
    attempt: int
    max_attempts: int
    timeout_seconds: int
    lease_expires_at: datetime
    traceparent: str | None
    created_at: datetime
    version: int


class Jobs(Answer):
    """What a worker has got."""

    items: list[Job]


class Held(Answer):
    """Until when a worker holds an execution."""

    lease_expires_at: datetime


class QueueLag(Answer):
    """How far the ringing of a queue is behind."""

    queue: str
    due: int
    delayed: int
    halted: int
    oldest: datetime | None
    never_rung: int


class Health(Answer):
    """How the service is: which revision its schema has and needs at least, and whether history is safe in it."""

    schema_revision: str
    schema_needed: str
    history_protected: bool
    queues: list[QueueLag]


class ToolExecution(Answer):
    """What an execution called while it ran."""

    id: UUID
    task_execution_id: UUID
    tool_name: str
    arguments: Document
    output: Any
    status: ToolStatus
    error: str | None
    created_at: datetime
    completed_at: datetime | None
    duration_ms: int | None


class Session(Answer):
    """A client that is connected, or was."""

    id: UUID
    client_id: str
    user_id: str | None
    connection_type: Literal["websocket", "http", "grpc", "local"]
    is_active: bool
    metadata: Metadata
    created_at: datetime
    updated_at: datetime
    last_heartbeat: datetime


class Configuration(Answer):
    """A setting by name. Of a secret only its name is ever told."""

    key: str
    is_secret: bool
    value: str | None
    value_type: Literal["string", "integer", "float", "boolean", "json"]
    description: str | None
    created_at: datetime
    updated_at: datetime

    @field_validator("value")
    @classmethod
    def _hidden(cls, value: str | None, info: ValidationInfo) -> str | None:
        return None if info.data.get("is_secret", True) else value
