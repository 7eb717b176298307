"""Events that somebody writes by hand. Those of a move are written by the ledger, and by nothing else."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from penstock.dal.ledger import note
from penstock.dal.store import Tx
from penstock.domain.events import NewEvent


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
    about = {"task_execution_id": task_execution_id, "pipeline_execution_id": pipeline_execution_id}
    return write(tx, NewEvent(event_type, **about, event_data=event_data or {}, worker_id=worker_id))


def write(tx: Tx, event: NewEvent) -> int:
    """The same fact, as somebody has put it together; its place in the sequence of all events."""
    return note(tx, {name: getattr(event, name) for name in NewEvent.__dataclass_fields__})
