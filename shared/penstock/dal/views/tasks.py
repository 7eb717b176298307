"""Questions about the catalogue: every task with the state of its newest execution."""

from collections.abc import Iterable
from functools import lru_cache, partial
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from penstock.dal import schema
from penstock.dal.dialect import Id, Query
from penstock.dal.store import Tx
from penstock.dal.views import pages
from penstock.dal.views.pages import Order, Page, is_one_of
from penstock.domain.lifecycle import TASK

E = schema.task_executions
# A view of the database, so not part of the metadata of its tables; and a Table, so that it is looked for in their schema.
OVERVIEW = sa.Table(
    "task_overview",
    sa.MetaData(),
    *(sa.Column(column.name, column.type) for column in schema.tasks.c),
    sa.Column("execution_id", Id()),
    *(sa.Column(name, E.c[name].type) for name in ("status", "attempt", "started_at", "completed_at", "error")),
)
BY_NAME = Order("tasks", {"name": pages.name}, newest_first=False)
BY_ITS_ID = pages.one(list(OVERVIEW.c), OVERVIEW.c.id == sa.bindparam("id", type_=Id()))


def by_id(tx: Tx, id: UUID) -> Any | None:
    """One task with the state of its newest execution."""
    return pages.first(tx.run(BY_ITS_ID, {"id": pages.identity("id", id)}))


def page(
    tx: Tx,
    *,
    status: str | Iterable[str] | None = None,
    task_type: str | None = None,
    queue: str | None = None,
    cursor: str | None = None,
    limit: int = 100,
) -> Page:
    """Tasks by name: all of them, or those whose newest execution is in some state."""
    filters = pages.given(task_type=task_type, queue=queue)
    statuses = pages.chosen("status", status, TASK.states)
    question = partial(_list, frozenset(filters), statuses)
    return pages.turn(tx, BY_NAME, question, cursor=cursor, limit=limit, **filters)


@lru_cache(pages.SHAPES)
def _list(filters: frozenset[str], statuses: tuple[str, ...], after: bool) -> Query:  # noqa: FBT001 - part of the key
    states = [is_one_of(OVERVIEW.c.status, statuses)] if statuses else []
    tasks = sa.select(*OVERVIEW.c).where(*pages.equal(OVERVIEW, filters), *states)
    return pages.listing(BY_NAME, [tasks], after=after)
