"""The audit: what has ended, by time, state, service and intent. A total counts what the list with the same filters has."""

from collections.abc import Iterable
from functools import lru_cache, partial
from typing import Any

import sqlalchemy as sa

from penstock.dal.dialect import Query, has_name
from penstock.dal.store import Tx
from penstock.dal.views import pages
from penstock.dal.views.executions import BRIEF, BY_CREATION, ENDED, SINCE, E, since_days
from penstock.dal.views.pages import Page, is_one_of, literal
from penstock.domain.lifecycle import TASK, Status

AUDITED = (*BRIEF, E.c.outcome, E.c.suggestions)
INTENT = "action_type"


def failures(tx: Tx, *, days: int = 7, service: str | None = None, cursor: str | None = None, limit: int = 100) -> Page:
    """What failed in the last days, everywhere or in one service, newest first."""
    return query(tx, status=Status.FAILED, days=days, service=service, cursor=cursor, limit=limit)


def by_service(
    tx: Tx,
    service: str,
    *,
    status: str | Iterable[str] | None = None,
    days: int | None = None,
    cursor: str | None = None,
    limit: int = 100,
) -> Page:
    """What touched a service, newest first."""
    return query(tx, service=service, status=status, days=days, cursor=cursor, limit=limit)


def query(
    tx: Tx,
    *,
    status: str | Iterable[str] | None = None,
    service: str | None = None,
    intent: str | None = None,
    days: int | None = None,
    cursor: str | None = None,
    limit: int = 100,
) -> Page:
    """What has ended: in some state, having touched a service, with an intent, in the last days; newest first."""
    statuses, filters = _asked(tx, status, service, intent, days)
    question = partial(_list, statuses, frozenset(filters))
    return pages.turn(tx, BY_CREATION, question, cursor=cursor, limit=limit, **filters)


def count(
    tx: Tx,
    *,
    status: str | Iterable[str] | None = None,
    service: str | None = None,
    intent: str | None = None,
    days: int | None = None,
) -> int:
    """How many executions the list with the same filters has on all its pages."""
    statuses, filters = _asked(tx, status, service, intent, days)
    (row,) = tx.run(_count(statuses, frozenset(filters)), filters)
    return int(row.number)


def _asked(
    tx: Tx, status: str | Iterable[str] | None, service: str | None, intent: str | None, days: int | None
) -> tuple[tuple[str, ...], dict[str, Any]]:
    filters = pages.given(service=service, intent=intent)
    if days is not None:
        filters["since"] = since_days(tx, days)
    return pages.chosen("status", status, TASK.ends), filters


def _where(filters: frozenset[str]) -> list[Any]:
    """The filters of the list and of its total."""
    conditions = {
        "service": has_name(E.c.services_touched, sa.bindparam("service", type_=sa.Text())),
        "intent": E.c.outcome[INTENT].as_string() == sa.bindparam("intent", type_=sa.Text()),
        "since": E.c.created_at >= SINCE,
    }
    return [ENDED, *(condition for name, condition in conditions.items() if name in filters)]


@lru_cache(pages.SHAPES)
def _list(statuses: tuple[str, ...], filters: frozenset[str], after: bool) -> Query:  # noqa: FBT001 - part of the key
    branches = [sa.select(*AUDITED).where(state, *_where(filters)) for state in _states(statuses, filters)]
    return pages.listing(BY_CREATION, branches, after=after)


def _states(statuses: tuple[str, ...], filters: frozenset[str]) -> list[Any]:
    """A branch for each state, since the index of moments begins with it; a service is found by an index of its own."""
    wanted = statuses or TASK.ends
    if "service" in filters:
        return [is_one_of(E.c.status, wanted)]
    return [E.c.status == literal(status) for status in wanted]


@lru_cache(pages.SHAPES)
def _count(statuses: tuple[str, ...], filters: frozenset[str]) -> Query:
    number = sa.func.count().label("number")
    return pages.one([number], is_one_of(E.c.status, statuses or TASK.ends), *_where(filters))
