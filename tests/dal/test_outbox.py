"""The doorbells: rung when due, rung again by themselves, never by two at once, and left alone where nobody may come."""

from datetime import timedelta
from typing import Any

import pytest

from penstock.dal import executions, outbox, pipelines, schema
from penstock.dal.outbox import Ring
from penstock.dal.store import Store
from penstock.domain.errors import InvalidInput
from tests.acting import MINUTE, Clock, begin, job, only, rows, step
from tests.dal.asking import rolled_back

O = schema.task_outbox  # noqa: E741 - as in the ledger
SECOND = timedelta(seconds=1)
TRACE = f"00-{'a' * 32}-{'b' * 16}-01"


def ring(store: Store, *, queue: str = "default", limit: int = 100) -> list[Ring]:
    return store.alone(outbox.ring, queue=queue, limit=limit)


def test_a_doorbell_says_what_its_message_needs(store: Store) -> None:
    id = only(
        store.alone(
            executions.create, job(priority=2, traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
        )
    )
    (bell,) = ring(store)
    assert Ring(id, "default", 2, 1, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "noop") == bell


def test_what_is_not_due_is_not_rung(store: Store, clock: Clock) -> None:
    id = only(store.alone(executions.create, job(available_at=clock.now + MINUTE)))
    clock.pass_(MINUTE - SECOND)
    assert [] == ring(store)
    clock.pass_(SECOND)
    assert [id] == [bell.task_execution_id for bell in ring(store)]


def test_a_queue_rings_its_own_doorbells(store: Store) -> None:
    here = only(store.alone(executions.create, job(queue="here")))
    store.alone(executions.create, job(queue="there"))
    assert [here] == [bell.task_execution_id for bell in ring(store, queue="here")]


def test_patience_grows_from_five_minutes_to_an_hour(store: Store, clock: Clock) -> None:
    store.alone(executions.create, job())
    waits = []
    for rings in range(1, 8):
        (bell,) = ring(store)
        assert rings == bell.rings
        (row,) = rows(store, O)
        waits.append((row.ring_at - clock.now) // MINUTE)
        clock.pass_(row.ring_at - clock.now - SECOND)
        assert [] == ring(store)
        clock.pass_(SECOND)
    assert [5, 10, 20, 40, 60, 60, 60] == waits


def test_ringing_changes_neither_when_it_is_due_nor_the_execution(store: Store, clock: Clock) -> None:
    store.alone(executions.create, job())
    before, executions_before = rows(store, O)[0], rows(store, schema.task_executions)
    clock.pass_(MINUTE)
    ring(store)
    after = rows(store, O)[0]
    assert (before.available_at, 0, 1) == (after.available_at, before.rings, after.rings)
    assert executions_before == rows(store, schema.task_executions)


def test_two_drains_take_different_doorbells(postgres: Store) -> None:
    postgres.alone(executions.create_many, [job()] * 10)
    with postgres.begin() as one, postgres.begin() as other:
        first = outbox.ring(one, queue="default", limit=6)
        second = outbox.ring(other, queue="default", limit=6)
    assert (6, 4) == (len(first), len(second))
    assert set() == {bell.task_execution_id for bell in first} & {bell.task_execution_id for bell in second}


def test_a_drain_that_rolls_back_has_rung_nothing(store: Store) -> None:
    store.alone(executions.create, job())
    with rolled_back(store) as tx:
        assert 1 == len(outbox.ring(tx, queue="default", limit=1))
    assert 1 == ring(store)[0].rings


def test_the_longest_due_ring_first_and_in_the_order_of_priority(store: Store, clock: Clock) -> None:
    old = [only(store.alone(executions.create, job(priority=priority))) for priority in (4, 1, 3)]
    clock.pass_(MINUTE)
    store.alone(executions.create, job(priority=1))
    taken = ring(store, limit=3)
    assert [old[1], old[2], old[0]] == [bell.task_execution_id for bell in taken]


def test_what_was_claimed_is_not_rung_again(store: Store, clock: Clock) -> None:
    id = only(store.alone(executions.create, job()))
    ring(store)
    begin(store, id)
    clock.pass_(timedelta(hours=2))
    assert [] == ring(store)


def test_a_paused_pipeline_is_not_rung_before_it_is_resumed(store: Store, clock: Clock) -> None:
    graph = [step("now"), step("later", available_at=clock.now + timedelta(hours=1))]
    id = store.alone(pipelines.start, pipelines.NewPipeline("p", graph)).pipelines[0].id
    ring(store)
    store.alone(pipelines.pause, [id])
    clock.pass_(timedelta(minutes=30))
    assert [] == ring(store)
    store.alone(pipelines.resume, [id])
    (bell,) = ring(store)
    assert 2 == bell.rings
    by_time = {row.available_at <= clock.now: row for row in rows(store, O)}
    assert by_time[False].ring_at == by_time[False].available_at


def test_resuming_rings_at_once_what_had_just_been_rung(store: Store, clock: Clock) -> None:
    id = store.alone(pipelines.start, pipelines.NewPipeline("p", [step("a")])).pipelines[0].id
    ring(store)
    store.alone(pipelines.pause, [id])
    clock.pass_(MINUTE)
    store.alone(pipelines.resume, [id])
    assert [2] == [bell.rings for bell in ring(store)]


def test_a_new_doorbell_rings_after_the_grace_of_whoever_rings_himself(store: Store, clock: Clock) -> None:
    patient = type(store)(store.database, "tester", clock, store.new_id, store.chance, 30 * SECOND)
    id = only(patient.alone(executions.create, job()))
    assert [] == ring(store)
    assert [id] == [held.id for held in begin(store, id)]
    patient.alone(executions.create, job())
    clock.pass_(30 * SECOND)
    assert 1 == len(ring(store))


# --- refused messages --------------------------------------------------------------------------------------------


def test_a_refused_message_rings_again_after_a_back_off_with_the_reason(store: Store, clock: Clock) -> None:
    store.alone(executions.create, job())
    (bell,) = ring(store)
    assert 1 == store.alone(outbox.postpone, {bell: "ThrottlingException"})
    (row,) = rows(store, O)
    assert ("ThrottlingException", clock.now + 15 * SECOND, 1) == (row.last_error, row.ring_at, row.rings)
    assert [] == ring(store)
    clock.pass_(15 * SECOND)
    assert [2] == [again.rings for again in ring(store)]


def test_a_doorbell_that_was_rung_since_is_left_alone(store: Store, clock: Clock) -> None:
    store.alone(executions.create, job())
    (bell,) = ring(store)
    clock.pass_(timedelta(hours=1))
    ring(store)
    before = rows(store, O)
    assert 0 == store.alone(outbox.postpone, {bell: "too late"})
    assert before == rows(store, O)


def test_a_doorbell_that_is_gone_cannot_be_postponed(store: Store) -> None:
    id = only(store.alone(executions.create, job()))
    (bell,) = ring(store)
    begin(store, id)
    assert 0 == store.alone(outbox.postpone, {bell: "nobody there"})


def test_several_are_postponed_at_once_each_with_its_own_reason(store: Store) -> None:
    store.alone(executions.create, job(), job(), job())
    first, second, _ = ring(store)
    assert 2 == store.alone(outbox.postpone, {first: "a", second: "b"})
    reasons = {row.task_execution_id: row.last_error for row in rows(store, O) if row.last_error}
    assert {first.task_execution_id: "a", second.task_execution_id: "b"} == reasons
    assert 0 == store.alone(outbox.postpone, {})


def test_a_reason_is_cut_to_what_may_be_kept(store: Store) -> None:
    store.alone(executions.create, job())
    (bell,) = ring(store)
    store.alone(outbox.postpone, {bell: "x" * 20_000})
    assert 10_000 == len(rows(store, O)[0].last_error)


def test_the_back_off_doubles_from_fifteen_seconds_to_an_hour() -> None:
    seconds = [int(outbox.backoff(rings).total_seconds()) for rings in (1, 2, 3, 4, 8, 9, 10, 1_000)]
    assert [15, 30, 60, 120, 1_920, 3_600, 3_600, 3_600] == seconds


def test_bad_drains_are_refused_by_the_name_of_the_field(store: Store) -> None:
    bad: list[tuple[str, dict[str, Any]]] = [
        ("queue", {"queue": ""}), ("queue", {"queue": "q" * 81}), ("limit", {"limit": 0}), ("limit", {"limit": 20_001}),
    ]  # fmt: skip
    for field, options in bad:
        with pytest.raises(InvalidInput, match=f"{field}: "):
            ring(store, **options)
