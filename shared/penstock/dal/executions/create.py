"""New executions that belong to no pipeline."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from penstock.dal.dialect import as_json
from penstock.dal.effects import Effects, Moved
from penstock.dal.ledger.verb import Verb
from penstock.dal.store import Tx
from penstock.domain import limits
from penstock.domain.executions import NewExecution
from penstock.domain.retry import DEFAULT

CREATE = Verb("create", Moved)
# What a row leaves out where it has the value that the ledger would give it.
USUAL: dict[str, Any] = {
    "queue": "default", "config": {}, "metadata": None, "workspace_path": None, "priority": 3, "max_attempts": 3,
    "timeout_seconds": 300, "requires_approval": False, "task_id": None, "retry_of": None, "traceparent": None,
}  # fmt: skip


def create(tx: Tx, *wanted: NewExecution) -> Effects:
    """Creates executions: ready at once, unless they need an approval."""
    return create_many(tx, wanted)


def create_many(tx: Tx, wanted: Sequence[NewExecution], ids: Sequence[UUID] | None = None) -> Effects:
    """Creates any number of executions, and answers in their order. The same call again with the same *ids* changes nothing."""
    limits.few("executions", wanted, limits.BATCH)
    rows = [row(execution, tx.new_id()) for execution in wanted] if ids is None else list(map(row, wanted, ids))
    effects = tx.move(CREATE, executions=as_json(rows))
    if len(rows) > 1:
        places = {each["id"]: place for place, each in enumerate(rows)}
        effects.moved.sort(key=lambda moved: places[moved.id])
    return effects


def row(wanted: NewExecution, id: UUID) -> dict[str, Any]:
    """An execution as the ledger reads it."""
    kept: dict[str, Any] = {"id": id, "name": wanted.name, "task_type": wanted.task_type}
    for name, usual in USUAL.items():
        value = getattr(wanted, name)
        if value != usual:
            kept[name] = value
    if wanted.retry is not DEFAULT:
        kept["retry"] = wanted.retry.as_json()
    if wanted.available_at is not None:
        kept["resume_at"] = wanted.available_at
    return kept
