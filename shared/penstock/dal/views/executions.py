"""Questions about task executions: one of them, lists of them, what they wait for, how many there are.

A list leaves out what may be large (a config of 256 KiB, a thousand times). No answer has a lease, which is its holder's
secret. Lists are newest first: by id, since ids are made in the order of time. What has ended is found by its state
and the moment of its creation, so lists of ended states alone have that order.
"""

from collections.abc import Iterable
from datetime import timedelta
from functools import lru_cache, partial
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from penstock.dal import schema
from penstock.dal.dialect import Id, Instant, Query
from penstock.dal.store import Tx
from penstock.dal.views import pages
from penstock.dal.views.pages import Order, Page, is_one_of, literal
from penstock.domain import limits
from penstock.domain.lifecycle import TASK, Status

E, D = schema.task_executions, schema.task_dependencies
BELLS = schema.task_outbox

LARGE = ("config", "metadata", "outcome", "suggestions")
SECRET = ("lease", "settled_lease")
WHOLE = tuple(column for column in E.c if column.name not in SECRET)
BRIEF = tuple(column for column in WHOLE if column.name not in LARGE)
# The states of ix_task_executions_waiting, in the order in which it spells them.
WAITING = (Status.PENDING, Status.APPROVED, Status.DEFERRED, Status.PAUSED)
OWNERS = frozenset({"pipeline_execution_id", "task_id"})
BY_ID = Order("executions", {"id": UUID})
BY_CREATION = Order("ended executions", {"created_at": pages.moment, "id": UUID})
DAYS = (1, 365)
SINCE = sa.bindparam("since", type_=Instant())
ENDED = E.c.completed_at.is_not(None)

# --- one of them -------------------------------------------------------------------------------------------------

BY_ITS_ID = pages.one(WHOLE, E.c.id == sa.bindparam("id", type_=Id()))


def by_id(tx: Tx, id: UUID) -> Any | None:
    """One execution with everything that there is to know of it."""
    return pages.first(tx.run(BY_ITS_ID, {"id": pages.identity("id", id)}))


def _parents() -> sa.Select[Any]:
    columns = (E.c.id, E.c.name, E.c.status, E.c.outcome, E.c.error, E.c.completed_at)
    child = D.c.child_id == sa.bindparam("id", type_=Id())
    return sa.select(*columns).join(D, D.c.parent_id == E.c.id).where(child).order_by(E.c.sequence, E.c.id)


PARENTS = Query(_parents)


def parents(tx: Tx, id: UUID) -> list[Any]:
    """The executions that one waits for, or has waited for, with what became of them."""
    return tx.run(PARENTS, {"id": pages.identity("id", id)})


# --- lists -------------------------------------------------------------------------------------------------------


def page(
    tx: Tx,
    *,
    status: str | Iterable[str] | None = None,
    queue: str | None = None,
    task_type: str | None = None,
    name: str | None = None,
    task_id: UUID | None = None,
    pipeline_execution_id: UUID | None = None,
    cursor: str | None = None,
    limit: int = 100,
) -> Page:
    """Executions in one or several states, of a queue, a type, a name, a task or a pipeline."""
    filters = pages.given(
        queue=queue,
        task_type=task_type,
        name=name,
        task_id=task_id,
        pipeline_execution_id=pipeline_execution_id,
    )
    statuses = pages.chosen("status", status, TASK.states)
    question = partial(_list, frozenset(filters), statuses)
    return pages.turn(tx, _order(frozenset(filters), statuses), question, cursor=cursor, limit=limit, **filters)


@lru_cache(pages.SHAPES)
def _list(filters: frozenset[str], statuses: tuple[str, ...], after: bool) -> Query:  # noqa: FBT001 - part of the key
    return pages.listing(_order(filters, statuses), _branches(filters, statuses), after=after)


def _order(filters: frozenset[str], statuses: tuple[str, ...]) -> Order:
    return BY_CREATION if statuses and not filters & OWNERS and set(statuses) <= set(TASK.ends) else BY_ID


def _branches(filters: frozenset[str], statuses: tuple[str, ...]) -> list[sa.Select[Any]]:
    """A branch for each state, since each has an index of its own; a pipeline or a task has one for all states."""
    found = sa.select(*BRIEF).where(*pages.equal(E, filters))
    if not statuses or statuses == TASK.states:
        return [found]
    if filters & OWNERS:
        return [found.where(is_one_of(E.c.status, statuses))]
    return [_in_state(found.where(E.c.status == literal(status)), status, filters) for status in statuses]


def _in_state(found: sa.Select[Any], status: str, filters: frozenset[str]) -> sa.Select[Any]:
    """What is in a state, said so that its partial index can see that it is meant."""
    if status == Status.READY:
        # Ready if and only if it has a doorbell; their queue is the same.
        bells = pages.equal(BELLS, filters & {"queue"})
        return found.join(BELLS, BELLS.c.task_execution_id == E.c.id).where(*bells)
    if status in WAITING:
        return found.where(is_one_of(E.c.status, WAITING))
    if status in TASK.held:
        return sa.select(*pages.fenced(found.where(E.c.lease_expires_at.is_not(None)), status).c)
    return found.where(ENDED)


# --- numbers -----------------------------------------------------------------------------------------------------


def counts(tx: Tx, *, days: int | None = None) -> dict[str, int]:
    """How many are in each state: all that live, and of the ended ones those created in the last *days*, or all.

    What lives is few, and counted by its partial indexes. What has ended is all of history: say how much of it.
    """
    since = {} if days is None else {"since": since_days(tx, days)}
    found = {row.status: row.number for row in tx.run(_counts(bool(since)), since)}
    return {status: found.get(status, 0) for status in TASK.states}


def occupied(tx: Tx) -> int:
    """How many are with a worker, or may go to one."""
    (row,) = tx.run(OCCUPIED)
    return int(row.number)


def since_days(tx: Tx, days: int) -> Any:
    """The moment so many days ago."""
    return tx.now - timedelta(days=limits.within("days", days, DAYS))


@lru_cache
def _counts(bounded: bool) -> Query:  # noqa: FBT001 - the whole key
    groups = (is_one_of(E.c.status, WAITING), E.c.lease_expires_at.is_not(None), *_ended_since(bounded=bounded))
    number = sa.func.count().label("number")
    live = [sa.select(E.c.status, number).where(group).group_by(E.c.status) for group in groups]
    ready = sa.select(literal(Status.READY).label("status"), number).select_from(BELLS)
    return Query(sa.union_all(*live, ready))


def _ended_since(*, bounded: bool) -> list[sa.ColumnElement[bool]]:
    recent = [E.c.created_at >= SINCE] if bounded else []
    return [sa.and_(E.c.status == literal(status), ENDED, *recent) for status in TASK.ends]


def _occupied() -> sa.Select[Any]:
    held = sa.select(sa.func.count()).select_from(E).where(E.c.lease_expires_at.is_not(None)).scalar_subquery()
    ready = sa.select(sa.func.count()).select_from(BELLS).scalar_subquery()
    return sa.select((held + ready).label("number"))


OCCUPIED = Query(_occupied)
