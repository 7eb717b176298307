"""Events that somebody writes by hand. Those of a move are written by the ledger, and by nothing else."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from penstock.dal.dialect import as_json
from penstock.dal.ledger.verb import Verb
from penstock.dal.store import Tx
from penstock.domain.errors import InvalidInput
from penstock.domain.events import NewEvent

NOTE = Verb("note", int)


def create(
    tx: Tx,
    event_type: str,
    *,
    task_execution_id: UUID | None = None,
    pipeline_execution_id: UUID | None = None,
    event_data: Mapping[str, Any] | None = None,
    worker_id: str | None = None,
) -> int:
    """Writes a fact that is no move, such as an operator's note; its place in the sequence of all events."""
    about = {"task_execution_id": task_execution_id, "pipeline_execution_id": pipeline_execution_id}
    return write(tx, NewEvent(event_type, **about, event_data=event_data or {}, worker_id=worker_id))


def write(tx: Tx, event: NewEvent) -> int:
    """Writes the same out of one value; its place in the sequence of all events."""
    places = tx.call(
        NOTE,
        event_type=event.event_type,
        task_execution_id=event.task_execution_id,
        pipeline_execution_id=event.pipeline_execution_id,
        event_data=as_json(event.event_data),
        worker_id=event.worker_id,
        actor=tx.actor,
    )
    if not places:
        raise InvalidInput("task_execution_id", "there is no execution of this id, or no pipeline of the other")
    return places[0]
