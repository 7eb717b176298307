"""What a task uses while it runs: each use of a tool on record, from its start to how it ended and how long it took.

A use begins under the lease of its execution and ends by its own state: what a tool answered is a fact, even when
the execution has been taken away in the meantime.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from penstock.dal import schema
from penstock.dal.dialect import Id, Instant, Json, Script, Statement, later_of, milliseconds_until
from penstock.dal.store import Tx
from penstock.domain import limits
from penstock.domain.errors import InvalidInput, LeaseLost, NotFound, NotMoved, Refusal
from penstock.domain.executions import Job, Lease
from penstock.domain.lifecycle import TOOL, Status

E, T = schema.task_executions, schema.tool_executions
NOW = sa.bindparam("now", type_=Instant())
ID = sa.bindparam("id", type_=Id())
STATUS, ERROR = (sa.bindparam(name, type_=sa.Text()) for name in ("status", "error"))
RUNNING = sa.literal_column(f"'{Status.RUNNING}'", sa.Text())
(USED,) = (move.target for move in TOOL.of("start"))
ENDINGS = {move.target: move.verb for move in TOOL.moves if move.target in TOOL.ends}
LONGEST = 2**31 - 1


def start(tx: Tx, lease: Lease | Job, tool_name: str, arguments: Mapping[str, Any]) -> UUID:
    """A tool is about to be used; LeaseLost if the execution no longer runs under this lease."""
    id = tx.new_id()
    values = {
        "id": id,
        "task_execution_id": lease.id,
        "lease": lease.lease,
        "tool_name": limits.name("tool_name", tool_name),
        "arguments": limits.payload("arguments", arguments),
    }
    if not tx.run(START, values):
        raise LeaseLost(lease.id)
    return id


def finish(tx: Tx, id: UUID, status: str, *, output: Any = None, error: str | None = None) -> None:
    """How it ended: completed with its output, failed or timeout with an error."""
    if status not in ENDINGS:
        raise InvalidInput("status", f"is {status!r}; it must be one of {', '.join(ENDINGS)}")
    limits.payload("output", {"output": output})
    if error is not None:
        limits.text("error", error)
    if not tx.run(FINISH, {"id": id, "status": status, "output": output, "error": error}):
        raise _why_not(tx, id, ENDINGS[status])


def _why_not(tx: Tx, id: UUID, verb: str) -> NotFound | NotMoved:
    found = tx.run(STANDING, {"id": id})
    if not found:
        return NotFound("tool execution", id)
    state = found[0].status
    return NotMoved(Refusal(id, verb, state, TOOL.refusal(verb, state), TOOL.legal_from(state)))


def _start(script: Script) -> None:
    lease = E.c.lease == sa.bindparam("lease", type_=Id())
    running = sa.select(E.c.id).where(
        E.c.id == sa.bindparam("task_execution_id", type_=Id()), E.c.status == RUNNING, lease
    )
    mine = script.step("mine", running.with_for_update(key_share=True))
    brought: dict[str, Any] = {
        "id": ID,
        "task_execution_id": mine.c.id,
        "tool_name": sa.bindparam("tool_name", type_=sa.Text()),
        "arguments": sa.bindparam("arguments", type_=Json),
        "status": sa.literal_column(f"'{USED}'", sa.Text()),
        "created_at": NOW,
    }
    columns = sa.select(*(value.label(name) for name, value in brought.items()))
    begun = script.step("begun", sa.insert(T).from_select(list(brought), columns).returning(T.c.id))
    script.answer(sa.select(begun.c.id))


def _finish(script: Script) -> None:
    moment = later_of(NOW, T.c.created_at, type_=Instant())
    took = milliseconds_until(T.c.created_at, moment)
    update = (
        sa.update(T)
        .where(T.c.id == ID, T.c.status == sa.literal_column(f"'{USED}'"))
        .values(
            status=STATUS,
            output=sa.bindparam("output", type_=Json),
            error=ERROR,
            completed_at=moment,
            duration_ms=sa.case((took > LONGEST, LONGEST), else_=took),
        )
    )
    ended = script.step("ended", update.returning(T.c.id))
    script.answer(sa.select(ended.c.id))


def _standing(script: Script) -> None:
    script.answer(sa.select(T.c.status).where(T.c.id == ID))


START, FINISH, STANDING = (Statement(build) for build in (_start, _finish, _standing))
