"""Which work is the best: what a worker is given who asks for any."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement

from penstock.dal.dialect import Script
from penstock.dal.ledger.cases import Case, allowed_by
from penstock.dal.ledger.pieces import E, O, P
from penstock.domain.limits import PRIORITY

LIMIT = sa.bindparam("limit", type_=sa.Integer())


def best_of_queue(script: Script) -> sa.Select[Any]:
    """The best due executions of a queue: by priority, then by age; others' are passed over, nobody is waited for.

    Each priority is a read of its own. One ordered read over all of them would walk through every doorbell of a
    higher priority that is not due yet.
    """
    first, last = PRIORITY
    best = script.in_turn(range(first, last + 1), _best_of_priority)
    return sa.select(best.c.id).limit(LIMIT)


def _best_of_priority(priority: ColumnElement[Any]) -> sa.Select[Any]:
    claim = Case("claim")
    return (
        sa.select(E.c.id)
        .select_from(E.join(O, O.c.task_execution_id == E.c.id).outerjoin(P, P.c.id == E.c.pipeline_execution_id))
        .where(O.c.queue == sa.bindparam("queue", type_=sa.Text()), O.c.priority == priority)
        .where(allowed_by(claim, E))
        .order_by(O.c.available_at, O.c.id)
        .limit(LIMIT)
        .with_for_update(key_share=True, skip_locked=True, of=[E, O])
    )
