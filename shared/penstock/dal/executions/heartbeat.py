"""A worker extends the leases of what it is working on."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from penstock.dal.dialect import as_json
from penstock.dal.ledger.verb import Verb
from penstock.dal.store import Tx
from penstock.domain import limits
from penstock.domain.executions import Job, Lease


class Extended(NamedTuple):
    """An execution that is still held under its lease, and when the lease expires now."""

    id: UUID
    lease_expires_at: datetime


HEARTBEAT = Verb("heartbeat", Extended)


def heartbeat(tx: Tx, leases: Iterable[Lease | Job], *, hold_for: timedelta) -> dict[UUID, datetime]:
    """When each lease expires now. What is missing in the answer is no longer held: the worker stops working on it.

    A lease never lasts longer than the run may take, and never ends earlier than before.
    """
    held = [{"id": lease.id, "lease": lease.lease} for lease in leases]
    extended = tx.call(HEARTBEAT, leases=as_json(held), hold=limits.hold("hold_for", hold_for))
    return {row.id: row.lease_expires_at for row in extended}
