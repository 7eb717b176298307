"""What time decides: silent workers lose what they hold, deferrals and pauses end."""

from typing import Any

import sqlalchemy as sa

from penstock.dal.dialect import Script, Statement
from penstock.dal.executions.deciding import RESUME_CASES
from penstock.dal.executions.pieces import MOMENT, NOW
from penstock.dal.ledger import Case, Effects, Movement, move
from penstock.dal.ledger.pieces import E, Q, among
from penstock.dal.store import Tx
from penstock.domain import limits
from penstock.domain.lifecycle import TASK


def _expired() -> sa.Select[Any]:
    query = sa.select(E.c.id).where(E.c.lease_expires_at < NOW).order_by(E.c.lease_expires_at)
    return query.limit(sa.bindparam("limit", type_=sa.Integer()))


def _deferrals_due() -> sa.Select[Any]:
    query = (
        sa.select(E.c.id)
        .where(E.c.status == sa.literal_column("'deferred'"), E.c.resume_at <= NOW)
        .order_by(E.c.resume_at)
    )
    return query.limit(sa.bindparam("limit", type_=sa.Integer()))


def _pauses_due() -> sa.Select[Any]:
    over = sa.or_(Q.c.resume_after <= NOW, sa.and_(Q.c.resume_after.is_(None), Q.c.reason == "insufficient_capacity"))
    query = sa.select(Q.c.task_execution_id.label("id")).where(over).order_by(Q.c.priority, Q.c.paused_at, Q.c.id)
    return query.limit(sa.bindparam("limit", type_=sa.Integer()))


SPENT = sa.and_(E.c.status == "running", E.c.recoveries >= limits.RECOVERIES)
RECOVER = Movement(
    lambda _: [
        Case(
            "recover",
            when=sa.not_(SPENT),
            writes={"recoveries": E.c.recoveries + sa.case((E.c.status == "running", 1), else_=0)},
        ),
        Case("abandon", when=SPENT, writes={"error": sa.literal("its worker went silent once too often")}),
    ],
    picks=_expired,
)


def _expire(script: Script) -> None:
    kind = sa.bindparam("kind", type_=sa.Text())
    theirs = sa.func.substr(E.c.worker_id, 1, sa.func.length(kind)) == kind
    held = sa.select(E.c.id).where(E.c.lease_expires_at > NOW, among(E.c.status, TASK.held), theirs)
    gone = script.step("gone", held.order_by(E.c.id).with_for_update(key_share=True, of=E))
    update = sa.update(E).where(E.c.id == gone.c.id).values(lease_expires_at=NOW, updated_at=MOMENT)
    expired = script.step("expired", update.returning(E.c.id))
    script.answer(sa.select(expired.c.id))


EXPIRE = Statement(_expire)
RESUME_DEFERRED = Movement(lambda _: RESUME_CASES, picks=_deferrals_due)
RESUME_PAUSED = Movement(lambda _: RESUME_CASES, picks=_pauses_due)


def recover(tx: Tx, *, limit: int = 100) -> Effects:
    """Takes back what silent workers hold; what has been taken back too often is abandoned."""
    return move(tx, RECOVER, limit=limit)


def expire(tx: Tx, *, workers: str) -> int:
    """Ends the leases of workers that are known to be gone; the next sweep takes back what they held. How many.

    *workers* is what the names of all of them begin with. Were one of them not gone after all, it would lose its lease,
    as if it had gone silent.
    """
    return len(tx.run(EXPIRE, {"kind": limits.name("workers", workers)}))


def resume_deferred(tx: Tx, *, limit: int = 100) -> Effects:
    """Deferrals whose moment has come go on."""
    return move(tx, RESUME_DEFERRED, limit=limit)


def resume_paused(tx: Tx, *, limit: int) -> Effects:
    """Pauses that are over end, as many as there is capacity for; a manual pause without a time stays."""
    return move(tx, RESUME_PAUSED, limit=limit)
