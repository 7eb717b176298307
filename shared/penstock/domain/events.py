"""An event that somebody writes by hand. Those of a move are written with the move, and by nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from penstock.domain import limits
from penstock.domain.errors import InvalidInput
from penstock.domain.lifecycle import NOTES


@dataclass(frozen=True, slots=True)
class NewEvent:
    """A fact that is no move, about a task execution, a pipeline execution, or both."""

    event_type: str
    task_execution_id: UUID | None = None
    pipeline_execution_id: UUID | None = None
    event_data: Mapping[str, Any] = field(default_factory=dict)
    worker_id: str | None = None

    def __post_init__(self) -> None:
        if self.event_type not in NOTES:
            raise InvalidInput(
                "event_type",
                f"is {self.event_type!r}; only {', '.join(NOTES)} can be written by hand, moves write the others",
            )
        if self.task_execution_id is None and self.pipeline_execution_id is None:
            raise InvalidInput(
                "task_execution_id", "is missing; an event is about a task execution or a pipeline execution"
            )
        limits.payload("event_data", self.event_data)
        if self.worker_id is not None:
            limits.name("worker_id", self.worker_id)
