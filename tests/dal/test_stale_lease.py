"""A lease that was taken over is worth nothing: whoever still holds it changes nothing, and is told so."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from penstock.dal import executions, schema
from penstock.dal.store import Store
from penstock.domain.executions import Job, Lease, Outcome
from penstock.domain.lifecycle import TASK, Proof, Status
from tests.acting import MINUTE, Clock, begin, create, execution, job, rows
from tests.books import discrepancies
from tests.databases import SERVERS, Databases
from tests.racing import arena, overlapping
from tests.reaching import BOOM, REACH, recover

FENCED: dict[str, Callable[[Store, Lease | Job], Any]] = {
    "start": lambda store, lease: store.alone(executions.start, [lease]),
    "release": lambda store, lease: store.alone(executions.release, [lease]),
    "complete": lambda store, lease: store.alone(executions.complete, lease),
    "fail": lambda store, lease: store.alone(executions.fail, lease, BOOM),
    "schedule_retry": lambda store, lease: store.alone(executions.schedule_retry, lease, BOOM, at=store.clock()),
    "defer": lambda store, lease: store.alone(executions.defer, lease, until=store.clock()),
}
SETTLEMENTS: dict[str, Callable[[Store, Lease | Job], executions.Settlement]] = {
    "complete": lambda _store, lease: executions.Settlement.complete(lease, Outcome()),
    "fail": lambda _store, lease: executions.Settlement.fail(lease, BOOM),
    "schedule_retry": lambda store, lease: executions.Settlement.retry(lease, BOOM, at=store.clock()),
    "defer": lambda store, lease: executions.Settlement.defer(lease, until=store.clock()),
    "start": lambda _store, lease: executions.Settlement.start(lease),
}
HELD = (Status.CLAIMED, Status.RUNNING)


@pytest.fixture(params=SERVERS)
def busy(request: pytest.FixtureRequest, databases: Databases, clock: Clock) -> Iterator[Store]:
    """A store for many sessions, on each installed PostgreSQL in turn."""
    with arena(databases, request.param, clock) as store:
        yield store


def everything(store: Store) -> list[list[Any]]:
    tables: list[sa.Table] = [schema.task_executions, schema.execution_events, schema.task_outbox]
    return [rows(store, table) for table in tables]


def taken_over(store: Store, clock: Clock, state: Status) -> Lease | Job:
    """The lease of a worker who was too slow; somebody else has the execution in this state now."""
    stage = REACH[state](store, clock)
    recover(stage)
    if state is Status.CLAIMED:
        store.alone(executions.claim_these, [stage.id], worker="next", hold_for=MINUTE)
    else:
        begin(store, stage.id, worker="next")
    return stage.lease


def test_every_verb_that_a_lease_proves_is_tried() -> None:
    assert {move.verb for move in TASK.moves if move.proof is Proof.LEASE} == set(FENCED)


@pytest.mark.parametrize("state", HELD)
@pytest.mark.parametrize("verb", FENCED)
def test_a_stale_lease_moves_nothing(store: Store, clock: Clock, verb: str, state: Status) -> None:
    stale = taken_over(store, clock, state)
    before = everything(store)
    assert [] == FENCED[verb](store, stale).moved
    assert before == everything(store)


@pytest.mark.parametrize("verb", FENCED)
def test_the_same_lease_would_have_moved_it_before_it_was_taken_over(store: Store, clock: Clock, verb: str) -> None:
    """Else the test above would say nothing."""
    stage = REACH[Status(TASK.of(verb)[0].sources[0])](store, clock)
    assert {stage.id} == FENCED[verb](store, stage.lease).ids


@pytest.mark.parametrize("state", HELD)
def test_a_stale_lease_cannot_be_held_on_to(store: Store, clock: Clock, state: Status) -> None:
    stale = taken_over(store, clock, state)
    before = everything(store)
    assert {} == store.alone(executions.heartbeat, [stale], hold_for=MINUTE)
    assert before == everything(store)


@pytest.mark.parametrize("verb", SETTLEMENTS)
def test_in_a_batch_a_stale_lease_stays_behind_and_the_others_move(store: Store, clock: Clock, verb: str) -> None:
    state = Status.CLAIMED if verb == "start" else Status.RUNNING
    stale, fresh = taken_over(store, clock, state), REACH[state](store, clock).lease
    before = execution(store, stale.id)
    batch = [SETTLEMENTS[verb](store, lease) for lease in (stale, fresh)]
    assert {fresh.id} == store.alone(executions.settle, batch).ids
    assert before == execution(store, stale.id)
    assert [] == discrepancies(store)


@pytest.mark.parametrize("verb", FENCED)
def test_whoever_holds_a_stale_lease_is_told_why(store: Store, clock: Clock, verb: str) -> None:
    state = Status.CLAIMED if verb in ("start", "release") else Status.RUNNING
    stale = taken_over(store, clock, state)
    (refusal,) = store.alone(executions.refusals, verb, [stale])
    assert f"cannot {verb}: this lease is no longer valid" in refusal.reason


def test_a_result_that_waited_for_its_recovery_comes_too_late(busy: Store, clock: Clock) -> None:
    (held,) = begin(busy, *busy.alone(create, job()))
    clock.pass_(60 * MINUTE)
    recovered, completed = overlapping(busy, executions.recover, lambda: busy.alone(executions.complete, held))
    assert ({held.id}, set()) == (recovered.ids, completed.ids)
    assert Status.READY == execution(busy, held.id).status
    assert [] == discrepancies(busy)


def test_a_recovery_passes_over_what_is_being_settled(busy: Store, clock: Clock) -> None:
    held, other = begin(busy, *busy.alone(create, job(), job()))
    clock.pass_(60 * MINUTE)
    with busy.begin() as tx:
        executions.complete(tx, held)
        assert {other.id} == busy.alone(executions.recover).ids
    assert Status.COMPLETED == execution(busy, held.id).status


def test_a_recovery_passes_over_what_is_held_on_to(busy: Store, clock: Clock) -> None:
    (held,) = busy.alone(executions.claim_these, busy.alone(create, job()), worker="worker", hold_for=MINUTE)
    clock.pass_(2 * MINUTE)

    with busy.begin() as tx:
        executions.heartbeat(tx, [held], hold_for=MINUTE)
        assert [] == busy.alone(executions.recover).moved
    assert [] == busy.alone(executions.recover).moved
    assert held.lease == execution(busy, held.id).lease
