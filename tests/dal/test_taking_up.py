"""What somebody who is known to be gone has left is taken up at once: doorbells ring again, and leases end."""

from datetime import timedelta

import pytest

from penstock.dal import executions, outbox
from penstock.dal.store import Store
from penstock.domain.errors import InvalidInput
from penstock.domain.executions import Job
from tests.acting import MINUTE, Clock, job, only

AFTERWARDS = timedelta(microseconds=1)


def ring(store: Store, queue: str = "default") -> list[outbox.Ring]:
    return store.alone(outbox.ring, queue=queue, limit=100)


def claim(store: Store, worker: str) -> Job:
    (claimed,) = store.alone(executions.claim, queue="default", limit=1, worker=worker, hold_for=MINUTE)
    return claimed


def sweep(store: Store, clock: Clock) -> set[object]:
    clock.pass_(AFTERWARDS)
    return set(store.alone(executions.recover).ids)


# --- doorbells ---------------------------------------------------------------------------------------------------


def test_what_was_rung_for_in_vain_rings_again_at_once(store: Store) -> None:
    ids = {only(store.alone(executions.create, job(name))) for name in "ab"}
    assert (2, 0) == (len(ring(store)), len(ring(store)))
    assert 2 == store.alone(outbox.ring_again, queue="default", limit=10)
    assert ids == {bell.task_execution_id for bell in ring(store)}


def test_what_is_not_due_waits_on(store: Store, clock: Clock) -> None:
    store.alone(executions.create, job(available_at=clock.now + MINUTE))
    assert 0 == store.alone(outbox.ring_again, queue="default", limit=10)
    assert [] == ring(store)


def test_what_is_about_to_ring_anyway_is_left_alone(store: Store) -> None:
    store.alone(executions.create, job())
    assert 0 == store.alone(outbox.ring_again, queue="default", limit=10)


def test_other_queues_keep_their_patience(store: Store) -> None:
    store.alone(executions.create, job(queue="other"))
    ring(store, "other")
    assert 0 == store.alone(outbox.ring_again, queue="default", limit=10)
    assert [] == ring(store, "other")


def test_a_step_takes_as_many_as_it_may(store: Store) -> None:
    for name in "abc":
        store.alone(executions.create, job(name))
    ring(store)
    assert [2, 1, 0] == [store.alone(outbox.ring_again, queue="default", limit=2) for _ in range(3)]


# --- leases ------------------------------------------------------------------------------------------------------


def test_what_workers_held_that_are_gone_is_free_with_the_next_sweep(store: Store, clock: Clock) -> None:
    for name in "abc":
        store.alone(executions.create, job(name))
    claimed, running, theirs = (claim(store, worker) for worker in ("mine/1", "mine/2", "theirs/1"))
    store.alone(executions.start, [running, theirs])
    assert 2 == store.alone(executions.expire, workers="mine/")
    assert {claimed.id, running.id} == sweep(store, clock)
    assert 0 == store.alone(executions.expire, workers="mine/")


def test_a_name_is_taken_as_it_is_written(store: Store) -> None:
    store.alone(executions.create, job())
    claim(store, "mine/1")
    assert [0, 0] == [store.alone(executions.expire, workers=name) for name in ("m%", "min_/")]


def test_what_was_settled_in_time_stays_settled(store: Store, clock: Clock) -> None:
    store.alone(executions.create, job())
    held = claim(store, "mine/1")
    store.alone(executions.start, [held])
    store.alone(executions.expire, workers="mine/")
    assert store.alone(executions.complete, held).moved
    assert set() == sweep(store, clock)


def test_nobody_is_not_everybody(store: Store) -> None:
    with pytest.raises(InvalidInput):
        store.alone(executions.expire, workers="")
