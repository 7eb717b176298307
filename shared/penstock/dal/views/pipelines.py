"""Questions about pipeline executions: one of them, lists of them, and the tasks of one. Lists leave out what may be large."""

from collections.abc import Iterable
from functools import lru_cache, partial
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from penstock.dal import schema
from penstock.dal.dialect import Id, Query
from penstock.dal.store import Tx
from penstock.dal.views import pages
from penstock.dal.views.executions import BRIEF as TASK_BRIEF
from penstock.dal.views.executions import E
from penstock.dal.views.pages import Order, Page, is_one_of, literal
from penstock.domain.lifecycle import PIPELINE

P = schema.pipeline_executions

LARGE = ("input", "output")
BRIEF = tuple(column for column in P.c if column.name not in LARGE)
BY_ID = Order("pipelines", {"id": UUID})
BY_SEQUENCE = Order("tasks of a pipeline", {"sequence": pages.number, "id": UUID}, newest_first=False)
BY_ITS_ID = pages.one(list(P.c), P.c.id == sa.bindparam("id", type_=Id()))


def by_id(tx: Tx, id: UUID) -> Any | None:
    """One pipeline execution with everything that there is to know of it."""
    return pages.first(tx.run(BY_ITS_ID, {"id": pages.identity("id", id)}))


def page(
    tx: Tx,
    *,
    status: str | Iterable[str] | None = None,
    name: str | None = None,
    workflow_id: UUID | None = None,
    cursor: str | None = None,
    limit: int = 100,
) -> Page:
    """Pipeline executions in one or several states, of a name or a workflow, newest first."""
    filters = pages.given(name=name, workflow_id=workflow_id)
    statuses = pages.chosen("status", status, PIPELINE.states)
    question = partial(_list, frozenset(filters), statuses)
    return pages.turn(tx, BY_ID, question, cursor=cursor, limit=limit, **filters)


@lru_cache(pages.SHAPES)
def _list(filters: frozenset[str], statuses: tuple[str, ...], after: bool) -> Query:  # noqa: FBT001 - part of the key
    same = pages.equal(P, filters)
    branches = [sa.select(*BRIEF).where(*same, *state) for state in _states(filters, statuses)]
    return pages.listing(BY_ID, branches, after=after)


def _states(filters: frozenset[str], statuses: tuple[str, ...]) -> list[list[Any]]:
    """A branch for each state, since the index begins with it; a name or a workflow is found by an index of its own."""
    if not statuses:
        return [[]]
    if filters:
        return [[is_one_of(P.c.status, statuses)]]
    return [[P.c.status == literal(status)] for status in statuses]


def tasks(tx: Tx, id: UUID, *, cursor: str | None = None, limit: int = 100) -> Page:
    """The task executions of a pipeline, in an order in which they could run."""
    pages.identity("id", id)
    return pages.turn(tx, BY_SEQUENCE, _tasks, cursor=cursor, limit=limit, pipeline_execution_id=id)


@lru_cache
def _tasks(after: bool) -> Query:  # noqa: FBT001 - the whole key
    mine = sa.select(*TASK_BRIEF).where(*pages.equal(E, ["pipeline_execution_id"]))
    return pages.listing(BY_SEQUENCE, [mine], after=after)
