"""A worker takes, starts, keeps and gives back."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from penstock.dal.dialect import Id, Instant, Script, Statement, later_of, seconds_after
from penstock.dal.executions.pieces import BEGUN, FENCED, MOMENT, NOW, leased, rows_of
from penstock.dal.ledger import Case, Effects, Movement, best_of_queue, move, take
from penstock.dal.ledger.pieces import E, among, word
from penstock.dal.store import Tx
from penstock.domain import limits
from penstock.domain.executions import Job, Lease
from penstock.domain.lifecycle import TASK, Status

HANDS = {
    "lease": sa.bindparam("lease", type_=Id()),
    "worker_id": sa.bindparam("worker", type_=sa.Text()),
    "resume_at": sa.null(),
}
CLAIMED = {"lease_expires_at": sa.bindparam("held_until", type_=Instant())}
CLAIM = Movement(lambda _: [Case("claim", writes=HANDS | CLAIMED)], claims=best_of_queue, jobs=True)
CLAIM_THESE = Movement(lambda _: [Case("claim", writes=HANDS | CLAIMED)], jobs=True)
BEGIN = Movement(lambda _: [Case("begin", writes=HANDS | BEGUN)], jobs=True)
START = Movement(lambda _: [Case("start", writes=BEGUN)], FENCED)
RELEASE = Movement(lambda _: [Case("release")], FENCED)


def claim(tx: Tx, *, queue: str, limit: int, worker: str, hold_for: timedelta) -> list[Job]:
    """Takes the best due executions of a queue, passing over those that others are taking."""
    limits.name("queue", queue, limits.QUEUE)
    limits.within("limit", limit, (1, limits.BATCH))
    taken = take(tx, CLAIM, queue=queue, limit=limit, held_until=_until(tx, hold_for), **_hands(tx, worker))
    return [_job(row) for row in taken]


def claim_these(tx: Tx, ids: Iterable[UUID], *, worker: str, hold_for: timedelta) -> list[Job]:
    """Takes these executions, those that are due."""
    taken = take(tx, CLAIM_THESE, rows_of(ids), held_until=_until(tx, hold_for), **_hands(tx, worker))
    return [_job(row) for row in taken]


def begin(tx: Tx, ids: Iterable[UUID], *, worker: str) -> list[Job]:
    """Takes and starts these executions, those that are due, in one step."""
    return [_job(row) for row in take(tx, BEGIN, rows_of(ids), **_hands(tx, worker))]


def start(tx: Tx, leases: Iterable[Lease | Job]) -> Effects:
    """What was claimed begins to run."""
    return move(tx, START, leased(leases))


def release(tx: Tx, leases: Iterable[Lease | Job]) -> Effects:
    """Gives back what was claimed and not begun."""
    return move(tx, RELEASE, leased(leases))


def _until(tx: Tx, hold_for: timedelta) -> datetime:
    return tx.now + limits.hold("hold_for", hold_for)


def _hands(tx: Tx, worker: str) -> dict[str, Any]:
    return {"lease": tx.new_id(), "worker": limits.name("worker", worker)}


def _job(row: Any) -> Job:
    return Job(**{name: getattr(row, name) for name in Job.__dataclass_fields__})


def _heartbeat(script: Script) -> None:
    rows = script.given("rows", FENCED | {"id": Id()})
    held = (
        sa.select(E.c.id).join(rows, rows.c.id == E.c.id).where(E.c.lease == rows.c.lease, among(E.c.status, TASK.held))
    )
    mine = script.step("mine", held.order_by(E.c.id).with_for_update(key_share=True, of=E))
    # What is claimed again after a deferral still has the start of its earlier run.
    begun = sa.case((E.c.status == word(Status.RUNNING), E.c.started_at), else_=NOW)
    whole_run = seconds_after(begun, E.c.timeout_seconds + limits.LEASE_MARGIN_SECONDS)
    wanted = sa.bindparam("held_until", type_=Instant())
    longer = sa.case((wanted < whole_run, wanted), else_=whole_run)
    update = (
        sa.update(E)
        .where(E.c.id == mine.c.id)
        .values(lease_expires_at=later_of(longer, E.c.lease_expires_at, type_=Instant()), updated_at=MOMENT)
    )
    kept = script.step("kept", update.returning(E.c.id, E.c.lease_expires_at))
    script.answer(sa.select(kept.c.id, kept.c.lease_expires_at))


HEARTBEAT = Statement(_heartbeat)


def heartbeat(tx: Tx, leases: Iterable[Lease | Job], *, hold_for: timedelta) -> dict[UUID, datetime]:
    """Holds on for longer, but never past the end of the run's own time; who is not in the answer has lost its lease."""
    kept = tx.run(HEARTBEAT, {"rows": leased(leases), "held_until": _until(tx, hold_for)})
    return {row.id: row.lease_expires_at for row in kept}
