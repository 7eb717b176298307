"""Rivals on real PostgreSQL: threads that meet at a barrier, and sessions that others are seen to wait for."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier, BrokenBarrierError
from typing import Any, TypeVar

from penstock.dal.store import Store, Tx
from tests.acting import Clock, store_at
from tests.databases import Databases, configure

A = TypeVar("A")
B = TypeVar("B")

PATIENCE_SECONDS = 20
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


@contextmanager
def arena(databases: Databases, kind: str, clock: Clock) -> Iterator[Store]:
    """A store with a database of its own, and room for many sessions.

    Who waits where nobody should wait fails, instead of standing still for ever.
    """
    with databases.migrated(kind) as url:
        configure(url, "lock_timeout", f"{PATIENCE_SECONDS}s")
        store = store_at(url, clock, pool_size=20)
        yield store
        store.database.engine.dispose()


def until_waiting(store: Store, rivals: int, *running: Future[Any]) -> None:
    """Returns once so many sessions of this database wait for a lock."""
    with store.database.engine.connect() as observer:
        while observer.exec_driver_sql(WAITING).scalar_one() != rivals:
            for each in running:
                assert not each.done(), f"it did not wait: {each.result()}"


def overlapping(store: Store, first: Callable[[Tx], A], second: Callable[[], B]) -> tuple[A, B]:
    """The first in a transaction that commits once the second has been seen waiting for it."""
    with ThreadPoolExecutor(1) as rival:
        with store.begin() as tx:
            one = first(tx)
            other = rival.submit(second)
            until_waiting(store, 1, other)
        return one, other.result(PATIENCE_SECONDS)


def race(rounds: int, *sides: Callable[[int], Any]) -> list[list[Any]]:
    """Each side in a thread of its own, all at once in every round; what each answered, round by round."""
    gate = Barrier(len(sides))

    def run(side: Callable[[int], Any]) -> list[Any]:
        try:
            return [(gate.wait(PATIENCE_SECONDS), side(number))[1] for number in range(rounds)]
        except BaseException:
            gate.abort()
            raise

    with ThreadPoolExecutor(len(sides)) as threads:
        return _answers([threads.submit(run, side) for side in sides])


def _answers(running: Sequence[Future[A]]) -> list[A]:
    """What they returned, or what went wrong first: the others then only found the barrier broken."""
    failures = [error for each in running if (error := each.exception()) is not None]
    for error in sorted(failures, key=lambda error: isinstance(error, BrokenBarrierError)):
        raise error
    return [each.result() for each in running]
