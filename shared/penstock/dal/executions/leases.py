"""A worker claims, begins, starts and releases."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any
from uuid import UUID

from penstock.dal.dialect.calls import uuid
from penstock.dal.effects import Effects
from penstock.dal.executions.settle import settle
from penstock.dal.ledger.verb import Verb
from penstock.dal.store import Tx
from penstock.domain import limits
from penstock.domain.executions import Failure, Job, Lease
from penstock.domain.settlements import Settlement

CLAIM = Verb("claim", Job)


def claim(tx: Tx, *, queue: str, limit: int, worker: str, hold_for: timedelta) -> list[Job]:
    """Claims the best due executions of a queue, by priority and age. Passes over those that others are claiming."""
    hold = limits.hold("hold_for", hold_for)
    return _best(tx, queue=queue, limit=limit, worker=worker, hold=hold, starting=False)


def begin_next(tx: Tx, *, queue: str, limit: int, worker: str) -> list[Job]:
    """Claims the best due executions of a queue and starts them, in one call."""
    return _best(tx, queue=queue, limit=limit, worker=worker, hold=timedelta(0), starting=True)


def claim_these(tx: Tx, ids: Iterable[UUID], *, worker: str, hold_for: timedelta) -> list[Job]:
    """Claims those of these executions that are due."""
    return _these(tx, ids, worker=worker, hold=limits.hold("hold_for", hold_for), starting=False)


def begin(tx: Tx, ids: Iterable[UUID], *, worker: str) -> list[Job]:
    """Claims those of these executions that are due, and starts them, in one call."""
    return _these(tx, ids, worker=worker, hold=timedelta(0), starting=True)


def start(tx: Tx, leases: Iterable[Lease | Job]) -> Effects:
    """Starts what was claimed."""
    return settle(tx, [Settlement.start(lease) for lease in leases])


def release(tx: Tx, leases: Iterable[Lease | Job]) -> Effects:
    """Gives back what was claimed and has not begun."""
    return settle(tx, [Settlement.release(lease) for lease in leases])


def _best(tx: Tx, *, queue: str, limit: int, worker: str, hold: timedelta, starting: bool) -> list[Job]:
    limits.name("queue", queue, limits.QUEUE)
    limits.within("limit", limit, (1, limits.BATCH))
    limits.name("worker", worker)
    return _claimed(tx, worker=worker, queue=queue, ids=None, capacity=limit, hold=hold, starting=starting)


def _these(tx: Tx, ids: Iterable[UUID], *, worker: str, hold: timedelta, starting: bool) -> list[Job]:
    limits.name("worker", worker)
    wanted = list(dict.fromkeys(ids))
    return _claimed(tx, worker=worker, queue=None, ids=wanted, capacity=1, hold=hold, starting=starting)


def _claimed(tx: Tx, **arguments: Any) -> list[Job]:
    """The jobs of a claim. One whose payload cannot be read fails, so that the others go on."""
    jobs: list[Job] = []
    unreadable: list[Settlement] = []
    for values in tx.answer(CLAIM, **arguments, actor=tx.actor):
        try:
            jobs.append(CLAIM.decoded(values))
        except (ValueError, RecursionError) as error:
            lease = Lease(*(uuid(value) for value in values[:2]))
            unreadable.append(Settlement.fail(lease, Failure(f"its payload cannot be read: {error}", "Unreadable")))
    if unreadable:
        settle(tx, unreadable)
    return jobs
