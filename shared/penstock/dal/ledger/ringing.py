"""Taking due doorbells to ring them. A doorbell goes when its execution leaves ready, never because it was rung."""

from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa

from penstock.dal.dialect import Instant, Script, Statement, later_of, seconds_after
from penstock.dal.ledger.pieces import NOW, RUNNING_PIPELINE, E, O, P, returned, word
from penstock.dal.store import Tx

PATIENCE_SECONDS = (300, 600, 1_200, 2_400)
LONGEST_PATIENCE_SECONDS = 3_600


def ring(tx: Tx, queue: str, limit: int) -> list[Any]:
    """Takes due doorbells; each is due again after a while, so that a lost message needs no one to notice."""
    return tx.run(RING, {"queue": queue, "limit": limit})


def postpone(tx: Tx, refused: Iterable[Mapping[str, Any]]) -> int:
    """Doorbells that nobody would take: why, and when to try again. One that has been rung since is left alone."""
    return len(tx.run(POSTPONE, {"rows": list(refused)}))


def ring_again(tx: Tx, queue: str, limit: int) -> int:
    """Makes doorbells that are due, and were rung or left to their caller, ring with the next drain. How many."""
    return len(tx.run(RING_AGAIN, {"queue": queue, "limit": limit}))


def _ring(script: Script) -> None:
    running = sa.or_(E.c.pipeline_execution_id.is_(None), P.c.status == word(RUNNING_PIPELINE))
    due = script.few(
        "due",
        sa.select(O.c.id)
        .select_from(O.join(E, E.c.id == O.c.task_execution_id).outerjoin(P, P.c.id == E.c.pipeline_execution_id))
        .where(O.c.queue == sa.bindparam("queue", type_=sa.Text()), O.c.ring_at <= NOW, running)
        .order_by(O.c.ring_at)
        .limit(sa.bindparam("limit", type_=sa.Integer()))
        .with_for_update(key_share=True, skip_locked=True, of=O),
    )
    patience = sa.case(
        *(
            (O.c.rings == sa.literal_column(str(rings)), sa.literal_column(str(s)))
            for rings, s in enumerate(PATIENCE_SECONDS)
        ),
        else_=sa.literal_column(str(LONGEST_PATIENCE_SECONDS)),
    )
    update = (
        sa.update(O)
        .where(O.c.id == due.c.id)
        .values(ring_at=seconds_after(NOW, patience), rings=O.c.rings + sa.literal_column("1"))
    )
    rung = script.step(
        "rung", update.returning(*returned(O, "id", "task_execution_id", "queue", "priority", "rings", "traceparent"))
    )
    script.answer(
        sa.select(*rung.c, E.c.task_type)
        .join(E, E.c.id == rung.c.task_execution_id)
        .order_by(rung.c.priority, rung.c.id)
    )


def _postpone(script: Script) -> None:
    rows = script.given("rows", {"id": O.c.id.type, "rings": sa.Integer(), "error": sa.Text(), "ring_at": Instant()})
    # One that is locked is being taken, rung or removed: that it was refused is no longer news.
    same = script.step(
        "same",
        sa.select(O.c.id, rows.c.error, rows.c.ring_at)
        .join(rows, sa.and_(rows.c.id == O.c.id, rows.c.rings == O.c.rings))
        .with_for_update(key_share=True, skip_locked=True, of=O),
    )
    update = (
        sa.update(O)
        .where(O.c.id == same.c.id)
        .values(ring_at=later_of(same.c.ring_at, O.c.available_at, type_=Instant()), last_error=same.c.error)
    )
    later = script.step("later", update.returning(O.c.id))
    script.answer(sa.select(later.c.id))


def _ring_again(script: Script) -> None:
    silent = script.few(
        "silent",
        sa.select(O.c.id)
        .where(O.c.queue == sa.bindparam("queue", type_=sa.Text()), O.c.available_at <= NOW, O.c.ring_at > NOW)
        .limit(sa.bindparam("limit", type_=sa.Integer()))
        .with_for_update(key_share=True, skip_locked=True, of=O),
    )
    update = sa.update(O).where(O.c.id == silent.c.id).values(ring_at=NOW)
    again = script.step("again", update.returning(O.c.id))
    script.answer(sa.select(again.c.id))


RING = Statement(_ring)
POSTPONE = Statement(_postpone)
RING_AGAIN = Statement(_ring_again)
