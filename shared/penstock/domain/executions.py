"""What goes into a task execution, what a worker holds of it, and what becomes of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from penstock.domain import limits, trace
from penstock.domain.retry import DEFAULT, Retry


@dataclass(frozen=True, slots=True)
class NewExecution:
    """One run of a task that is wanted. Checked here, so that nothing later fails for what the caller could mend."""

    name: str
    task_type: str
    queue: str = "default"
    config: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, Any] | None = None
    workspace_path: str | None = None
    priority: int = 3
    max_attempts: int = 3
    retry: Retry = DEFAULT
    timeout_seconds: int = 300
    requires_approval: bool = False
    available_at: datetime | None = None
    task_id: UUID | None = None
    retry_of: UUID | None = None
    traceparent: str | None = None

    def __post_init__(self) -> None:
        limits.name("name", self.name)
        limits.name("task_type", self.task_type)
        limits.name("queue", self.queue, limits.QUEUE)
        limits.payload("config", self.config)
        limits.within("priority", self.priority, limits.PRIORITY)
        limits.within("max_attempts", self.max_attempts, limits.ATTEMPTS)
        limits.within("timeout_seconds", self.timeout_seconds, limits.TIMEOUT_SECONDS)
        if self.metadata is not None:
            limits.payload("metadata", self.metadata)
        if self.workspace_path is not None:
            limits.text("workspace_path", self.workspace_path, limits.PATH)
        if self.traceparent is not None:
            object.__setattr__(self, "traceparent", trace.traceparent("traceparent", self.traceparent))
        if self.available_at is not None:
            limits.instant("available_at", self.available_at)


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to settle one execution: worthless once it has been taken over."""

    id: UUID
    lease: UUID


@dataclass(frozen=True, slots=True)
class Job:
    """An execution that a worker holds."""

    id: UUID
    lease: UUID
    pipeline_execution_id: UUID | None
    task_id: UUID | None
    name: str
    task_type: str
    queue: str
    status: str
    config: Mapping[str, Any]
    metadata: Mapping[str, Any] | None
    workspace_path: str | None
    priority: int
    attempt: int
    max_attempts: int
    retry: Mapping[str, Any] | None
    timeout_seconds: int
    lease_expires_at: datetime
    traceparent: str | None
    created_at: datetime
    version: int

    @property
    def policy(self) -> Retry:
        """When to try it again."""
        return Retry.read(self.retry or {})


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a finished run went: what is kept with the execution, for ever."""

    output: Mapping[str, Any] = field(default_factory=dict)
    services_touched: tuple[str, ...] = ()
    suggestions: tuple[Mapping[str, Any], ...] = ()

    def __post_init__(self) -> None:
        limits.payload("output", self.output)
        object.__setattr__(self, "services_touched", limits.names("services_touched", self.services_touched))
        limits.payload("suggestions", {"suggestions": list(self.suggestions)})


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a run did not go well."""

    message: str
    error_type: str = "Error"
    services_touched: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        limits.name("error_type", self.error_type)
        limits.text("message", self.message)
        object.__setattr__(self, "services_touched", limits.names("services_touched", self.services_touched))
