"""What a database holds of one example, read by three queries: executions, pipelines, new events."""

from collections import Counter
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from penstock.dal import schema
from penstock.dal.dialect import Id, Query
from penstock.dal.store import Store

E, P, V = schema.task_executions, schema.pipeline_executions, schema.execution_events
O, Q = schema.task_outbox, schema.pause_queue  # noqa: E741 - as the ledger calls them
# Ids are handed out in order, so that what an example made is all that comes after its first id.
FIRST = sa.bindparam("first", type_=Id())


def _executions() -> sa.Select[Any]:
    """With their doorbells and pause entries beside them: a second one of either would show as a second row."""
    source = E.outerjoin(O, O.c.task_execution_id == E.c.id).outerjoin(Q, Q.c.task_execution_id == E.c.id)
    return sa.select(
        E.c.id, E.c.pipeline_execution_id, E.c.name, E.c.status, E.c.version, E.c.queue, E.c.lease, E.c.settled_lease,
        E.c.lease_expires_at, E.c.started_at, E.c.completed_at, E.c.attempt, E.c.max_attempts, E.c.recoveries,
        E.c.requires_approval, E.c.resume_at, E.c.timeout_seconds, E.c.error, E.c.updated_at,
        O.c.id.label("bell"), O.c.available_at, O.c.ring_at, O.c.rings, O.c.priority.label("bell_priority"),
        Q.c.id.label("pause"), Q.c.reason, Q.c.resume_after, Q.c.priority.label("pause_priority"), Q.c.paused_at,
    ).select_from(source).where(E.c.id > FIRST).order_by(E.c.id)  # fmt: skip


def _pipelines() -> sa.Select[Any]:
    columns = (P.c.id, P.c.status, P.c.version, P.c.unfinished, P.c.failed, P.c.completed_at, P.c.updated_at)
    return sa.select(*columns).where(P.c.id > FIRST).order_by(P.c.id)


def _events() -> sa.Select[Any]:
    subject = sa.func.coalesce(V.c.task_execution_id, V.c.pipeline_execution_id)
    columns = (V.c.sequence_num, sa.type_coerce(subject, Id()).label("subject"), V.c.event_type, V.c.version)
    last = sa.bindparam("last", type_=sa.BigInteger())
    return sa.select(*columns).where(V.c.sequence_num > last).order_by(V.c.sequence_num)


EXECUTIONS, PIPELINES, EVENTS = Query(_executions), Query(_pipelines), Query(_events)


@dataclass(frozen=True)
class Sight:
    """An example at one moment."""

    executions: dict[UUID, Any]
    pipelines: dict[UUID, Any]
    events: list[Any]
    last: int
    doubled: list[UUID]

    @property
    def versions(self) -> dict[UUID, int]:
        """How often each execution and pipeline has moved."""
        return {id: row.version for rows in (self.executions, self.pipelines) for id, row in rows.items()}

    @property
    def bells(self) -> dict[int, UUID]:
        """The doorbells that hang, by their number: whose they are."""
        return {row.bell: row.id for row in self.executions.values() if row.bell is not None}


def look(store: Store, *, first: UUID, last: int) -> Sight:
    """All rows of the example, and the events after the *last* one."""
    with store.read() as tx:
        executions = tx.run(EXECUTIONS, {"first": first})
        pipelines = tx.run(PIPELINES, {"first": first})
        events = tx.run(EVENTS, {"last": last})
    times = Counter(row.id for row in executions)
    return Sight(
        {row.id: row for row in executions},
        {row.id: row for row in pipelines},
        events,
        events[-1].sequence_num if events else last,
        [id for id, n in times.items() if n > 1],
    )


def last_event(store: Store) -> int:
    """Where the history stands before an example begins."""
    with store.read() as tx:
        return int(tx.run(LAST)[0].last)


LAST = Query(sa.select(sa.func.coalesce(sa.func.max(V.c.sequence_num), 0).label("last")))
