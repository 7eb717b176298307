"""Questions about the doorbells: how far behind the workers are."""

from functools import lru_cache
from typing import Any

import sqlalchemy as sa

from penstock.dal import schema
from penstock.dal.dialect import Instant, Query
from penstock.dal.store import Tx
from penstock.dal.views import pages
from penstock.dal.views.pages import literal
from penstock.domain.lifecycle import PipelineStatus, Status

BELLS, E, P = schema.task_outbox, schema.task_executions, schema.pipeline_executions
NOW = sa.bindparam("now", type_=Instant())


def lag(tx: Tx, *, queue: str | None = None) -> list[Any]:
    """For each queue with doorbells: how many are due, since when the oldest, how many of them nobody has rung yet.

    What may not begin yet is counted apart: as delayed before its time, as halted while its pipeline is paused.
    """
    filters = pages.given(queue=queue)
    return tx.run(_lag(frozenset(filters)), filters)


@lru_cache
def _lag(filters: frozenset[str]) -> Query:
    return Query(_numbers().where(*pages.equal(BELLS, filters)))


def _numbers() -> sa.Select[Any]:
    halted = _halted()
    delayed, stopped = BELLS.c.available_at > NOW, halted.c.id.is_not(None)
    due = sa.and_(sa.not_(delayed), sa.not_(stopped))
    return (
        sa.select(
            BELLS.c.queue,
            sa.func.count().filter(due).label("due"),
            sa.func.count().filter(delayed).label("delayed"),
            sa.func.count().filter(sa.not_(delayed), stopped).label("halted"),
            sa.func.min(BELLS.c.available_at).filter(due).label("oldest"),
            sa.func.count().filter(due, BELLS.c.rings == 0).label("never_rung"),
        )
        .select_from(BELLS.outerjoin(halted, halted.c.id == BELLS.c.task_execution_id))
        .group_by(BELLS.c.queue)
        .order_by(BELLS.c.queue)
    )


def _halted() -> sa.Subquery:
    """What is ready in pipelines that are paused: a few, found from the pipelines."""
    return (
        sa.select(E.c.id)
        .join(P, P.c.id == E.c.pipeline_execution_id)
        .where(P.c.status == literal(PipelineStatus.PAUSED), E.c.status == literal(Status.READY))
        .subquery("halted")
    )
