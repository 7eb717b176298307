"""What several verbs of an execution say: the moment, the fence of a lease, and the rows that a caller brings."""

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar
from uuid import UUID

import sqlalchemy as sa

from penstock.dal.dialect import Id, Instant, Json, later_of, seconds_after
from penstock.dal.ledger.pieces import E
from penstock.domain import limits
from penstock.domain.executions import Job, Lease

R = TypeVar("R", bound=Mapping[str, Any])
NOW = sa.bindparam("now", type_=Instant())
MOMENT = later_of(NOW, E.c.updated_at, type_=Instant())
WITH_DATA: dict[str, Any] = {"data": Json}
FENCED: dict[str, Any] = {"lease": Id()}
WHOLE_RUN = seconds_after(MOMENT, E.c.timeout_seconds + limits.LEASE_MARGIN_SECONDS)
BEGUN = {"started_at": MOMENT, "lease_expires_at": WHOLE_RUN}


def rows_of(ids: Iterable[UUID], **values: Any) -> list[dict[str, Any]]:
    """Each execution once, with the same values beside it."""
    return [{"id": each, **values} for each in dict.fromkeys(ids)]


def leased(leases: Iterable[Lease | Job]) -> list[dict[str, Any]]:
    """Each execution with the lease that is held of it."""
    return first_of_each({"id": lease.id, "lease": lease.lease} for lease in leases)


def first_of_each(rows: Iterable[R]) -> list[R]:
    """One row for each lease: two would move their execution once, and write its event twice."""
    first: dict[tuple[UUID, UUID], R] = {}
    for row in rows:
        first.setdefault((row["id"], row["lease"]), row)
    return list(first.values())
