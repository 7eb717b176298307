"""What a task uses while it runs: each use of a tool on record, from its start to how it ended and how long it took.

A use begins under the lease of its execution and ends by its own state: what a tool answered is a fact, even when
the execution has been taken away in the meantime.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple
from uuid import UUID

from penstock.dal.dialect import as_json
from penstock.dal.ledger.verb import Verb
from penstock.dal.store import Tx
from penstock.domain import limits
from penstock.domain.errors import InvalidInput, LeaseLost, NotFound, NotMoved, Refusal
from penstock.domain.executions import Job, Lease
from penstock.domain.lifecycle import TOOL

ENDINGS = {move.target: move.verb for move in TOOL.moves if move.target in TOOL.ends}


class Finished(NamedTuple):
    """Whether a call has ended the use of a tool, and its state now."""

    finished: bool
    state: str


START = Verb("start_tool", bool)
FINISH = Verb("finish_tool", Finished)


def start(tx: Tx, lease: Lease | Job, tool_name: str, arguments: Mapping[str, Any]) -> UUID:
    """Records that a tool is about to be used; LeaseLost if the execution no longer runs under this lease."""
    id = tx.new_id()
    limits.name("tool_name", tool_name)
    limits.payload("arguments", arguments)
    (started,) = tx.call(
        START,
        id=id,
        task_execution_id=lease.id,
        lease=lease.lease,
        tool_name=tool_name,
        arguments=as_json(arguments),
    )
    if not started:
        raise LeaseLost(lease.id)
    return id


def finish(tx: Tx, id: UUID, status: str, *, output: Any = None, error: str | None = None) -> None:
    """Records how it ended: completed with its output, failed or timeout with an error."""
    if status not in ENDINGS:
        raise InvalidInput("status", f"is {status!r}; it must be one of {', '.join(ENDINGS)}")
    limits.payload("output", {"output": output})
    if error is not None:
        limits.text("error", error)
    kept = None if output is None else as_json(output)
    rows = tx.call(FINISH, id=id, status=status, output=kept, error=error)
    if not rows:
        raise NotFound("tool execution", id)
    if not rows[0].finished:
        raise _not_moved(id, ENDINGS[status], rows[0].state)


def _not_moved(id: UUID, verb: str, state: str) -> NotMoved:
    return NotMoved(Refusal(id, verb, state, TOOL.refusal(verb, state), TOOL.legal_from(state)))
