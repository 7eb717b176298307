"""Pipelines by id, executions by id, doorbells: whoever meets on the same rows waits in line, and nobody deadlocks.

Each round has rows of its own, and every side goes through them in an order of its own. No verb is run a second
time here: a deadlock fails the test.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from penstock.dal import executions, outbox, pipelines, schema
from penstock.dal.store import Store
from penstock.domain.executions import Job, Outcome
from penstock.domain.lifecycle import TASK, PipelineStatus, Status
from tests.acting import MINUTE, Clock, begin, create, execution, job, row, rows, step
from tests.books import discrepancies
from tests.databases import SERVERS, Databases
from tests.racing import arena, race, until_waiting
from tests.reaching import BOOM

ROUNDS = 200
FEWER_ROUNDS = 60  # for those whose locks are also tried below, in a given order
GRAPH = (step("a"), step("b"), step("child", "a", "b"), step("grandchild", "child"), step("free"))
EXECUTIONS, PIPELINES, OUTBOX = schema.task_executions, schema.pipeline_executions, schema.task_outbox


@pytest.fixture(params=SERVERS)
def busy(request: pytest.FixtureRequest, databases: Databases, clock: Clock) -> Iterator[Store]:
    """A store for many sessions, on each installed PostgreSQL in turn."""
    with arena(databases, request.param, clock) as store:
        yield store


@pytest.fixture(autouse=True)
def first_try_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penstock.dal.store.TRIES", 1)


@dataclass(frozen=True)
class Meeting:
    """Two pipelines of which a and b run, and free is ready."""

    pipelines: tuple[UUID, ...]
    a: tuple[Job, ...]
    b: tuple[Job, ...]
    free: tuple[UUID, ...]

    @property
    def all(self) -> list[UUID]:
        return sorted([*(held.id for held in self.a + self.b), *self.free])


def meetings(store: Store, number: int) -> list[Meeting]:
    started = store.alone(pipelines.start, *[pipelines.NewPipeline("p", GRAPH)] * (2 * number))
    ids = [moved.id for moved in started.pipelines]
    # What has moved lies behind what has not: no longer in the order of the ids, should somebody rely on that.
    pause_and_resume(store, ids[::2])
    tasks = {(task.pipeline_execution_id, task.name): task.id for task in rows(store, EXECUTIONS)}
    running = {held.id: held for held in begin(store, *(tasks[id, name] for id in ids for name in "ab"))}
    pairs = zip(ids[::2], ids[1::2], strict=True)
    return [
        Meeting(
            pair,
            tuple(running[tasks[id, "a"]] for id in pair),
            tuple(running[tasks[id, "b"]] for id in pair),
            tuple(tasks[id, "free"] for id in pair),
        )
        for pair in pairs
    ]


def complete(store: Store, held: Sequence[Job]) -> Any:
    return store.alone(executions.settle, [executions.Settlement.complete(each, Outcome()) for each in held])


def fail(store: Store, held: Sequence[Job]) -> Any:
    return store.alone(executions.settle, [executions.Settlement.fail(each, BOOM) for each in held])


def claim_and_release(store: Store) -> Any:
    held = store.alone(executions.claim, queue="default", limit=2, worker="worker", hold_for=MINUTE)
    return store.alone(executions.release, held)


def pause_and_resume(store: Store, ids: Sequence[UUID]) -> Any:
    store.alone(pipelines.pause, ids)
    return store.alone(pipelines.resume, ids)


def ring_and_postpone(store: Store) -> Any:
    bells = store.alone(outbox.ring, queue="default", limit=10)
    return store.alone(outbox.postpone, dict.fromkeys(reversed(bells), "busy"))


SIDES: dict[str, Callable[[Store, Meeting], Any]] = {
    "complete a": lambda store, at: complete(store, at.a),
    "complete b backwards": lambda store, at: complete(store, at.b[::-1]),
    "complete all backwards": lambda store, at: complete(store, (at.a + at.b)[::-1]),
    "fail b backwards": lambda store, at: fail(store, at.b[::-1]),
    "heartbeat backwards": lambda store, at: store.alone(executions.heartbeat, (at.a + at.b)[::-1], hold_for=MINUTE),
    "begin": lambda store, at: begin(store, *at.free),
    "begin backwards": lambda store, at: begin(store, *at.free[::-1]),
    "claim": lambda store, _: claim_and_release(store),
    "cancel": lambda store, at: store.alone(executions.cancel, at.all),
    "cancel backwards": lambda store, at: store.alone(executions.cancel, at.all[::-1]),
    "cancel pipelines": lambda store, at: store.alone(pipelines.cancel, at.pipelines),
    "cancel pipelines backwards": lambda store, at: store.alone(pipelines.cancel, at.pipelines[::-1]),
    "pause pipelines": lambda store, at: pause_and_resume(store, at.pipelines[::-1]),
    "postpone": lambda store, _: ring_and_postpone(store),
    "recover": lambda store, _: store.alone(executions.recover),
}
RIVALS: list[tuple[str, ...]] = [
    ("cancel pipelines", "complete a", "complete b backwards"),
    ("cancel backwards", "claim", "begin"),
    ("complete a", "complete b backwards"),
]
MORE_RIVALS: list[tuple[str, ...]] = [
    ("complete a", "fail b backwards", "cancel pipelines backwards"),
    ("complete all backwards", "complete a", "complete b backwards"),
    ("heartbeat backwards", "cancel", "complete a"),
    ("begin", "begin backwards", "cancel pipelines"),
    ("pause pipelines", "begin", "claim", "postpone"),
    ("postpone", "cancel", "claim"),
    ("recover", "heartbeat backwards", "complete all backwards", "cancel pipelines"),
]


@pytest.mark.parametrize("sides", RIVALS + MORE_RIVALS, ids=" + ".join)
def test_rivals_leave_a_consistent_result_and_never_deadlock(busy: Store, clock: Clock, sides: tuple[str, ...]) -> None:
    met = meetings(busy, ROUNDS if sides in RIVALS else FEWER_ROUNDS)
    if "recover" in sides:
        clock.pass_(60 * MINUTE)
    race(len(met), *(lambda n, side=SIDES[side]: side(busy, met[n]) for side in sides))
    assert [] == discrepancies(busy)
    if "cancel pipelines" in sides:
        assert {PipelineStatus.CANCELLED} == {pipeline.status for pipeline in rows(busy, PIPELINES)}
        assert {task.status for task in rows(busy, EXECUTIONS)} <= set(TASK.ends)


# --- in a given order ----------------------------------------------------------------------------------------------


@contextmanager
def held(store: Store, table: sa.Table, id: Any) -> Iterator[None]:
    """One row, locked by somebody who goes away without having changed it."""
    key = next(iter(table.primary_key.columns))
    with store.database.engine.connect() as other:
        other.exec_driver_sql("BEGIN")
        other.execute(sa.select(key).where(key == id).with_for_update(key_share=True))
        yield
        other.exec_driver_sql("COMMIT")


def in_line(store: Store, table: sa.Table, id: Any, *verbs: Callable[[], Any]) -> list[Any]:
    """One after the other they wait for a row, or for who waits for it; then the row is free."""
    with ThreadPoolExecutor(len(verbs)) as threads:
        with held(store, table, id):
            running = []
            for place, verb in enumerate(verbs, 1):
                running.append(threads.submit(verb))
                until_waiting(store, place, *running)
        return [each.result() for each in running]


@pytest.mark.parametrize("backwards", [False, True])
def test_settling_two_pipelines_waits_for_the_first_before_it_locks_the_second(busy: Store, *, backwards: bool) -> None:
    (met,) = meetings(busy, 1)
    mine, theirs = (met.a[::-1], met.b) if backwards else (met.a, met.b[::-1])
    in_line(busy, PIPELINES, met.pipelines[0], lambda: complete(busy, mine), lambda: complete(busy, theirs))
    assert [] == discrepancies(busy)
    assert 2 == sum(task.status == Status.READY and task.name == "child" for task in rows(busy, EXECUTIONS))


def test_settling_waits_for_the_first_of_two_pipelines_that_are_cancelled_before_it_locks_the_second(
    busy: Store,
) -> None:
    (met,) = meetings(busy, 1)
    cancel = partial(busy.alone, pipelines.cancel, met.pipelines)
    in_line(busy, PIPELINES, met.pipelines[0], cancel, lambda: complete(busy, met.a))
    assert {PipelineStatus.CANCELLED} == {pipeline.status for pipeline in rows(busy, PIPELINES)}
    assert [] == discrepancies(busy)


@pytest.mark.parametrize("name", ["cancel", "cancel backwards", "cancel pipelines"])
@pytest.mark.parametrize("rival", ["heartbeat backwards", "complete all backwards"])
def test_who_holds_leases_locks_in_the_order_of_who_cancels(busy: Store, name: str, rival: str) -> None:
    (met,) = meetings(busy, 1)
    first = min(each.id for each in met.a + met.b)
    in_line(busy, EXECUTIONS, first, lambda: SIDES[name](busy, met), lambda: SIDES[rival](busy, met))
    assert [] == discrepancies(busy)
    assert execution(busy, first).status in TASK.ends


def test_two_begins_in_opposite_order_take_each_execution_once(busy: Store) -> None:
    ids = busy.alone(create, job(), job())
    first, second = in_line(busy, EXECUTIONS, ids[0], lambda: begin(busy, *ids), lambda: begin(busy, *reversed(ids)))
    assert (set(ids), []) == ({each.id for each in first}, second)


def test_resuming_a_pipeline_locks_its_executions_before_their_doorbells(busy: Store) -> None:
    """The doorbells lie in another order than the executions, as after a retry."""
    started = busy.alone(pipelines.start, pipelines.NewPipeline("p", [step("a"), step("b")]))
    (pipeline_id,), (first, second) = [m.id for m in started.pipelines], sorted(started.ids)
    (lost,) = begin(busy, first)
    busy.alone(executions.schedule_retry, lost, BOOM, at=busy.clock())

    def pause_and_go_on() -> None:
        pause_and_resume(busy, [pipeline_id])

    begins, _ = in_line(busy, EXECUTIONS, second, lambda: begin(busy, first, second), pause_and_go_on)
    assert {first, second} == {each.id for each in begins}
    assert PipelineStatus.RUNNING == row(busy, PIPELINES, pipeline_id).status


def test_a_refused_doorbell_that_goes_away_is_not_waited_for(busy: Store) -> None:
    ids = busy.alone(create, job(), job())
    bells = busy.alone(outbox.ring, queue="default", limit=2)
    with busy.begin() as tx:
        executions.cancel(tx, ids[:1])
        assert 1 == busy.alone(outbox.postpone, dict.fromkeys(bells, "busy"))
    assert [] == rows(busy, OUTBOX, OUTBOX.c.task_execution_id == ids[0])
