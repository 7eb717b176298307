"""Events that somebody writes by hand. Those of a move are written by the ledger, and by nothing else."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from penstock.dal.ledger import note
from penstock.dal.store import Tx
from penstock.domain import limits
from penstock.domain.errors import InvalidInput
from penstock.domain.lifecycle import NOTES


def create(
    tx: Tx,
    event_type: str,
    *,
    task_execution_id: UUID | None = None,
    pipeline_execution_id: UUID | None = None,
    event_data: Mapping[str, Any] | None = None,
    worker_id: str | None = None,
) -> int:
    """A fact that is no move, such as an operator's note; its place in the sequence of all events."""
    if event_type not in NOTES:
        raise InvalidInput(
            "event_type", f"is {event_type!r}; only {', '.join(NOTES)} can be written by hand, moves write the others"
        )
    if task_execution_id is None and pipeline_execution_id is None:
        raise InvalidInput(
            "task_execution_id", "is missing; an event is about a task execution or a pipeline execution"
        )
    return note(
        tx,
        {
            "task_execution_id": task_execution_id,
            "pipeline_execution_id": pipeline_execution_id,
            "event_type": event_type,
            "event_data": limits.payload("event_data", event_data or {}),
            "worker_id": worker_id and limits.name("worker_id", worker_id),
        },
    )
