"""Questions about what happened: the history of one execution or pipeline, oldest first, and the latest of all, newest first."""

from datetime import datetime
from functools import lru_cache, partial
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from penstock.dal import schema
from penstock.dal.dialect import Instant, Query
from penstock.dal.schema import EVENT_TYPES, RARE_EVENTS
from penstock.dal.store import Tx
from penstock.dal.views import pages
from penstock.dal.views.pages import Order, Page, is_one_of, literal
from penstock.domain import limits

V = schema.execution_events
FACTS = tuple(column for column in V.c if column.name != "transaction_id")
OLDEST_FIRST = Order("history", {"sequence_num": pages.number}, newest_first=False)
NEWEST_FIRST = Order("events", {"sequence_num": pages.number})
NOT_BEFORE = V.c.created_at >= sa.bindparam("since", type_=Instant())

# --- one history -------------------------------------------------------------------------------------------------


def list_by_pipeline(tx: Tx, id: UUID, *, cursor: str | None = None, limit: int = 100) -> Page:
    """What happened to a pipeline and all of its tasks."""
    return _history(tx, "pipeline_execution_id", id, cursor, limit)


def list_by_task(tx: Tx, id: UUID, *, cursor: str | None = None, limit: int = 100) -> Page:
    """What happened to a task execution."""
    return _history(tx, "task_execution_id", id, cursor, limit)


def count_by_pipeline(tx: Tx, id: UUID) -> int:
    """How many events a pipeline and its tasks have."""
    return _count(tx, "pipeline_execution_id", id)


def count_by_task(tx: Tx, id: UUID) -> int:
    """How many events a task execution has."""
    return _count(tx, "task_execution_id", id)


def _history(tx: Tx, subject: str, id: UUID, cursor: str | None, limit: int) -> Page:
    of = {subject: pages.identity(subject, id)}
    return pages.turn(tx, OLDEST_FIRST, partial(_histories, subject), cursor=cursor, limit=limit, **of)


def _count(tx: Tx, subject: str, id: UUID) -> int:
    (row,) = tx.run(_counts(subject), {subject: pages.identity(subject, id)})
    return int(row.number)


@lru_cache
def _histories(subject: str, after: bool) -> Query:  # noqa: FBT001 - part of the key
    return pages.listing(OLDEST_FIRST, [sa.select(*FACTS).where(*pages.equal(V, [subject]))], after=after)


@lru_cache
def _counts(subject: str) -> Query:
    return pages.one([sa.func.count().label("number")], *pages.equal(V, [subject]))


# --- the latest --------------------------------------------------------------------------------------------------


def list_by_type(tx: Tx, event_type: str, *, cursor: str | None = None, limit: int = 100) -> Page:
    """The latest events of a type."""
    (known,) = pages.chosen("event_type", event_type, EVENT_TYPES)
    return pages.turn(tx, NEWEST_FIRST, partial(_of_type, known), cursor=cursor, limit=limit)


def recent(tx: Tx, *, since: datetime | None = None, cursor: str | None = None, limit: int = 100) -> Page:
    """The latest events of all, or those since a moment."""
    known = {} if since is None else {"since": limits.instant("since", since)}
    return pages.turn(tx, NEWEST_FIRST, partial(_latest, bool(known)), cursor=cursor, limit=limit, **known)


def count_by_type(tx: Tx, *, since: datetime) -> dict[str, int]:
    """How many events of each type there were since a moment."""
    rows = tx.run(BY_TYPE, {"since": limits.instant("since", since)})
    return {row.event_type: row.number for row in rows}


@lru_cache
def _of_type(event_type: str, after: bool) -> Query:  # noqa: FBT001 - part of the key
    # Every thousandth event is a rare one and has an index; a usual one is met at once on the way back through all.
    rare = [is_one_of(V.c.event_type, RARE_EVENTS)] if event_type in RARE_EVENTS else []
    events = sa.select(*FACTS).where(V.c.event_type == literal(event_type), *rare)
    return pages.listing(NEWEST_FIRST, [events], after=after)


@lru_cache
def _latest(bounded: bool, after: bool) -> Query:  # noqa: FBT001 - the whole key
    events = sa.select(*FACTS)
    since = sa.select(*pages.fenced(events.where(NOT_BEFORE), "since_then").c)
    return pages.listing(NEWEST_FIRST, [since if bounded else events], after=after)


def _by_type() -> sa.Select[Any]:
    return sa.select(V.c.event_type, sa.func.count().label("number")).where(NOT_BEFORE).group_by(V.c.event_type)


BY_TYPE = Query(_by_type)
