"""The catalogue: what can be run, how somebody asks for a run of it, and how its runs become steps of a pipeline."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from penstock.domain import limits
from penstock.domain.errors import InvalidInput
from penstock.domain.executions import NewExecution
from penstock.domain.pipelines import Step, TriggerRule
from penstock.domain.retry import DEFAULT, Retry

Check = Callable[[str, Any], Any]


def _policy(field: str, value: Any) -> Retry:
    """A retry policy, or its JSON form."""
    if isinstance(value, Mapping):
        return Retry.read(value)
    if not isinstance(value, Retry):
        raise InvalidInput(field, f"must be a retry policy, not {type(value).__name__}")
    return value


def _yes_or_no(field: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise InvalidInput(field, f"is {value!r}; it must be true or false")
    return value


def _or_none(check: Check) -> Check:
    return lambda field, value: None if value is None else check(field, value)


CHECKS: Mapping[str, Check] = {
    "name": limits.name,
    "title": limits.name,
    "description": _or_none(limits.text),
    "task_type": limits.name,
    "queue": partial(limits.name, longest=limits.QUEUE),
    "config": limits.payload,
    "metadata": _or_none(limits.payload),
    "workspace_path": _or_none(partial(limits.text, longest=limits.PATH)),
    "priority": partial(limits.within, bounds=limits.PRIORITY),
    "max_attempts": partial(limits.within, bounds=limits.ATTEMPTS),
    "retry": _policy,
    "timeout_seconds": partial(limits.within, bounds=limits.TIMEOUT_SECONDS),
    "requires_approval": _yes_or_no,
}


@dataclass(frozen=True, slots=True)
class NewTask:
    """Something that can be run, with what its runs have in common."""

    name: str
    title: str
    task_type: str
    description: str | None = None
    queue: str = "default"
    config: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, Any] | None = None
    workspace_path: str | None = None
    priority: int = 3
    max_attempts: int = 3
    retry: Retry = DEFAULT
    timeout_seconds: int = 300
    requires_approval: bool = False

    def __post_init__(self) -> None:
        for name, check in CHECKS.items():
            object.__setattr__(self, name, check(name, getattr(self, name)))


def checked(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Changes of a task, each held to what a new task is held to."""
    if not changes:
        raise InvalidInput("changes", f"is empty; name at least one of {', '.join(CHECKS)}")
    if unknown := [name for name in changes if name not in CHECKS]:
        raise InvalidInput(unknown[0], f"is nothing that a task has; it has {', '.join(CHECKS)}")
    return {name: CHECKS[name](name, value) for name, value in changes.items()}


@dataclass(frozen=True, slots=True)
class Task:
    """As much of a task of the catalogue as a run of it needs."""

    id: UUID
    name: str
    task_type: str
    queue: str
    config: Mapping[str, Any]
    metadata: Mapping[str, Any] | None
    workspace_path: str | None
    priority: int
    max_attempts: int
    retry: Mapping[str, Any] | None
    timeout_seconds: int
    requires_approval: bool

    def execution(self, run: "Run", name: str | None = None) -> NewExecution:
        """One run of it: what the run brings goes before what the task says."""
        return NewExecution(
            name=self.name if name is None else name,
            task_type=self.task_type,
            queue=self.queue,
            config={**self.config, **(run.config or {})},
            metadata=self.metadata if run.metadata is None else run.metadata,
            workspace_path=self.workspace_path,
            priority=self.priority if run.priority is None else run.priority,
            max_attempts=self.max_attempts,
            retry=Retry.read(self.retry or {}),
            timeout_seconds=self.timeout_seconds,
            requires_approval=self.requires_approval,
            available_at=run.available_at,
            task_id=self.id,
            traceparent=run.traceparent,
        )


@dataclass(frozen=True, slots=True)
class Run:
    """A run of a task that is wanted: by the task's name, with what differs from what the task says.

    The keys of ``config`` go over those of the task's own; ``metadata`` and ``priority`` go in its place.
    """

    task: str
    config: Mapping[str, Any] | None = None
    metadata: Mapping[str, Any] | None = None
    priority: int | None = None
    available_at: datetime | None = None
    traceparent: str | None = None

    def __post_init__(self) -> None:
        limits.name("task", self.task)
        for name in ("config", "metadata", "priority"):
            if (value := getattr(self, name)) is not None:
                CHECKS[name](name, value)
        if self.available_at is not None:
            limits.instant("available_at", self.available_at)


@dataclass(frozen=True, slots=True)
class RunStep:
    """One step of a pipeline of the catalogue's tasks; it bears its task's name unless it has one of its own."""

    run: Run
    name: str | None = None
    depends_on: tuple[str, ...] = ()
    trigger_rule: TriggerRule = TriggerRule.ALL_SUCCESS

    def of(self, task: Task) -> Step:
        """The step, once its task has been found."""
        return Step(task.execution(self.run, self.name), self.depends_on, self.trigger_rule)
