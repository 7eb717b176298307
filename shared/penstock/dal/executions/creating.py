"""How executions come to be: new ones, and new runs of those that have ended."""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from penstock.dal.ledger import Effects, enter, enter_again
from penstock.dal.store import Tx
from penstock.domain import limits
from penstock.domain.executions import NewExecution


def create(tx: Tx, *wanted: NewExecution) -> Effects:
    """Writes new executions, ready at once unless they need an approval."""
    return create_many(tx, wanted)


def create_many(tx: Tx, wanted: Sequence[NewExecution]) -> Effects:
    """Writes any number of new executions."""
    limits.few("executions", wanted, limits.BATCH)
    return enter(tx, [row(tx, execution) for execution in wanted])


def row(tx: Tx, wanted: NewExecution) -> dict[str, Any]:
    """A new execution as the ledger takes it."""
    return {
        "id": tx.new_id(),
        "task_id": wanted.task_id,
        "name": wanted.name,
        "task_type": wanted.task_type,
        "queue": wanted.queue,
        "config": wanted.config,
        "metadata": wanted.metadata,
        "workspace_path": wanted.workspace_path,
        "priority": wanted.priority,
        "max_attempts": wanted.max_attempts,
        "retry": wanted.retry.as_json(),
        "timeout_seconds": wanted.timeout_seconds,
        "requires_approval": wanted.requires_approval,
        "resume_at": wanted.available_at,
        "retry_of": wanted.retry_of,
        "traceparent": wanted.traceparent,
    }


def retry(tx: Tx, ids: Iterable[UUID]) -> Effects:
    """A new execution for each of these that has ended: as that one was asked for, from its first attempt, on its own."""
    return enter_again(tx, [{"id": tx.new_id(), "retry_of": id} for id in dict.fromkeys(ids)])
