"""Taking work: the best first, no more than asked for, only what is due, and no longer than a run may last."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from penstock.dal import executions, pipelines, schema
from penstock.dal.store import Store
from penstock.domain import limits
from penstock.domain.errors import InvalidInput
from penstock.domain.executions import Job, Lease, Outcome
from penstock.domain.lifecycle import Status
from tests.acting import MINUTE, Clock, begin, event_types, execution, job, only, rows, step

BELLS, V = schema.task_outbox, schema.execution_events
SECOND = timedelta(seconds=1)


def claim(store: Store, limit: int = 10, **options: Any) -> list[Job]:
    return store.alone(
        executions.claim, **{"queue": "default", "limit": limit, "worker": "worker", "hold_for": MINUTE, **options}
    )


def create(store: Store, **options: Any) -> UUID:
    return only(store.alone(executions.create, job(**options)))


def test_a_claim_takes_by_priority_and_then_by_age(store: Store, clock: Clock) -> None:
    made: dict[tuple[int, int], UUID] = {}
    for age in (1, 2):
        for priority in (5, 3, 1, 4, 2):
            made[priority, age] = create(store, priority=priority)
            clock.pass_(SECOND)
    taken = []
    while jobs := claim(store, limit=1):
        taken += [held.id for held in jobs]
    assert [made[order] for order in sorted(made)] == taken


def test_the_age_is_the_time_since_it_was_due(store: Store, clock: Clock) -> None:
    late = create(store, available_at=clock.now + MINUTE)
    early = create(store, available_at=clock.now + SECOND)
    clock.pass_(MINUTE)
    assert [[early], [late], []] == [[held.id for held in claim(store, limit=1)] for _ in range(3)]


def test_a_claim_takes_no_more_than_its_limit_over_all_priorities(store: Store) -> None:
    best = {create(store, priority=priority) for priority in (1, 1, 2)}
    rest = {create(store, priority=priority) for priority in (3, 5)}
    assert best == {held.id for held in claim(store, limit=3)}
    assert rest == {held.id for held in claim(store)}


def test_a_claim_takes_from_its_queue(store: Store) -> None:
    here, there = create(store, queue="here"), create(store, queue="there")
    assert [here] == [held.id for held in claim(store, queue="here")]
    assert [there] == [held.id for held in claim(store, queue="there")]
    assert [] == claim(store, queue="nowhere")


def test_what_is_not_due_is_not_taken_and_hides_nothing_that_is(store: Store, clock: Clock) -> None:
    due = clock.now + MINUTE
    future, now = create(store, priority=1, available_at=due), create(store, priority=5)
    assert [now] == [held.id for held in claim(store)]
    assert [] == store.alone(executions.claim_these, [future], worker="w", hold_for=MINUTE) == begin(store, future)
    clock.pass_(MINUTE)
    assert [future] == [held.id for held in claim(store)]


def test_a_job_tells_its_worker_all_that_it_needs(store: Store, clock: Clock) -> None:
    options = {"config": {"a": [1, {"b": None}]}, "metadata": {"m": "ü"}, "workspace_path": "/w", "timeout_seconds": 7}
    id = create(store, priority=2, max_attempts=4, queue="q", **options)
    (held,) = claim(store, queue="q")
    kept = execution(store, id)
    assert {name: getattr(kept, name) for name in Job.__dataclass_fields__} == {
        name: getattr(held, name) for name in Job.__dataclass_fields__
    }
    assert ({**options, "status": "claimed", "attempt": 1}, clock.now + MINUTE) == (
        {name: getattr(held, name) for name in (*options, "status", "attempt")}, held.lease_expires_at,
    )  # fmt: skip


def test_what_was_taken_is_taken_from_the_others(store: Store) -> None:
    id = create(store)
    assert [id] == [held.id for held in claim(store)]
    assert [] == claim(store) == begin(store, id)
    assert [] == rows(store, BELLS)


def test_a_batch_is_claimed_started_and_completed_in_a_statement_each(store: Store) -> None:
    store.alone(executions.create_many, [job()] * 100)
    held = claim(store, limit=100)
    assert 100 == len(store.alone(executions.start, held).moved)
    assert 100 == len(
        store.alone(executions.settle, [executions.Settlement.complete(each, Outcome()) for each in held]).moved
    )
    assert {Status.COMPLETED} == {row.status for row in rows(store, schema.task_executions)}
    assert 500 == len(rows(store, V))


def test_twenty_thousand_are_created_at_once(store: Store) -> None:
    effects = store.alone(executions.create_many, [job()] * limits.BATCH)
    assert (20_000, 20_000, 20_000) == (len(effects.moved), len(effects.ids), len(effects.bells))
    assert (20_000, 40_000) == (len(rows(store, BELLS)), len(rows(store, V)))
    with pytest.raises(InvalidInput, match="executions: has 20,001 entries; at most 20,000"):
        store.alone(executions.create_many, [job()] * 20_001)


def test_nothing_is_created_where_nothing_is_wanted(store: Store) -> None:
    assert [] == store.alone(executions.create_many, []).moved


def test_each_of_a_batch_gets_its_events_and_its_doorbell(store: Store, clock: Clock) -> None:
    due = clock.now + MINUTE
    wanted = [job("now"), job("later", available_at=due), job("asked", requires_approval=True)]
    effects = store.alone(executions.create_many, wanted)
    by_name = {execution(store, moved.id).name: moved.id for moved in effects.moved}
    assert [["TaskCreated", "TaskMarkedReady"], ["TaskCreated", "TaskMarkedReady"], ["TaskCreated"]] == [
        event_types(store, by_name[name]) for name in ("now", "later", "asked")
    ]
    bells = {bell.task_execution_id: (bell.available_at, bell.ring_at, bell.rings) for bell in rows(store, BELLS)}
    assert {by_name["now"]: (clock.now, clock.now, 0), by_name["later"]: (due, due, 0)} == bells
    assert set(bells) == {bell.task_execution_id for bell in effects.bells}


# --- holding on --------------------------------------------------------------------------------------------------


def test_a_claim_holds_for_as_long_as_it_says_and_a_run_for_its_time_and_a_margin(store: Store, clock: Clock) -> None:
    id = create(store, timeout_seconds=100)
    (held,) = claim(store)
    assert clock.now + MINUTE == held.lease_expires_at
    store.alone(executions.start, [held])
    assert clock.now + 130 * SECOND == execution(store, id).lease_expires_at


def test_a_heartbeat_holds_on_but_never_past_the_end_of_the_run(store: Store, clock: Clock) -> None:
    id = create(store, timeout_seconds=100)
    (held,) = begin(store, id)
    end = clock.now + 130 * SECOND
    for _ in range(5):
        clock.pass_(20 * SECOND)
        kept = store.alone(executions.heartbeat, [held], hold_for=timedelta(hours=1))
        assert {id: end} == kept == {id: execution(store, id).lease_expires_at}


def test_a_heartbeat_never_lets_go_earlier(store: Store, clock: Clock) -> None:
    (held,) = begin(store, create(store))
    kept = store.alone(executions.heartbeat, [held], hold_for=SECOND)
    assert {held.id: held.lease_expires_at} == kept


def test_a_heartbeat_extends_a_claim(store: Store, clock: Clock) -> None:
    create(store)
    (held,) = claim(store)
    clock.pass_(30 * SECOND)
    assert {held.id: clock.now + 2 * MINUTE} == store.alone(executions.heartbeat, [held], hold_for=2 * MINUTE)


def test_a_heartbeat_tells_who_has_lost_the_lease(store: Store, clock: Clock) -> None:
    first, second = begin(store, create(store), create(store))
    store.alone(executions.complete, first)
    stranger = Lease(second.id, uuid4())
    kept = store.alone(executions.heartbeat, [first, stranger], hold_for=MINUTE)
    assert {} == kept
    assert {second.id} == set(store.alone(executions.heartbeat, [first, second], hold_for=MINUTE))


def test_a_heartbeat_is_no_move(store: Store, clock: Clock) -> None:
    (held,) = begin(store, create(store))
    history, version = event_types(store, held.id), execution(store, held.id).version
    store.alone(executions.heartbeat, [held], hold_for=MINUTE)
    assert (history, version) == (event_types(store, held.id), execution(store, held.id).version)


# --- silent workers ----------------------------------------------------------------------------------------------


def test_only_what_has_expired_is_taken_back(store: Store, clock: Clock) -> None:
    create(store, priority=1)
    create(store, priority=2)
    (short,) = claim(store, limit=1)
    claim(store, hold_for=2 * MINUTE)
    clock.pass_(MINUTE)
    assert [] == store.alone(executions.recover).moved
    clock.pass_(SECOND)
    assert [short.id] == [moved.id for moved in store.alone(executions.recover).moved]
    assert [] == store.alone(executions.complete, short).moved


def test_a_sweep_takes_back_as_many_as_it_is_told_the_longest_expired_first(store: Store, clock: Clock) -> None:
    ids = []
    for _ in range(3):
        ids.append(create(store))
        claim(store)
        clock.pass_(SECOND)
    clock.pass_(MINUTE)
    assert [{ids[0], ids[1]}, {ids[2]}] == [store.alone(executions.recover, limit=2).ids for _ in range(2)]


def test_what_waits_for_an_abandoned_run_is_skipped(store: Store, clock: Clock) -> None:
    effects = store.alone(pipelines.start, pipelines.NewPipeline("p", [step("a"), step("b", "a")]))
    (first,) = (moved.id for moved in effects.moved if moved.status == Status.READY)
    for _ in range(limits.RECOVERIES + 1):
        assert 1 == len(begin(store, first))
        clock.pass_(timedelta(hours=1))
        effects = store.alone(executions.recover)
    assert ["failed"] == [moved.status for moved in effects.moved] == [moved.status for moved in effects.pipelines]
    assert [Status.SKIPPED] == [moved.status for moved in effects.children]
    assert "its worker went silent once too often" == execution(store, first).error


# --- bad input ---------------------------------------------------------------------------------------------------


def test_bad_claims_are_refused_by_the_name_of_the_field(store: Store) -> None:
    bad: list[tuple[str, dict[str, Any]]] = [
        ("queue", {"queue": " "}), ("queue", {"queue": "q" * 81}), ("limit", {"limit": 0}), ("limit", {"limit": 20_001}),
        ("limit", {"limit": True}), ("worker", {"worker": ""}), ("worker", {"worker": "w" * 201}),
    ]  # fmt: skip
    for field, options in bad:
        with pytest.raises(InvalidInput, match=f"{field}: "):
            claim(store, **options)


BAD_JOBS: list[tuple[str, dict[str, Any]]] = [
    ("priority: is 0; it must be a whole number from 1 to 5", {"priority": 0}),
    ("priority: is 6", {"priority": 6}),
    ("priority: is True", {"priority": True}),
    ("priority: is 2.0", {"priority": 2.0}),
    ("name: is 201 characters long; at most 200", {"name": "n" * 201}),
    ("name: must be a text that is not blank", {"name": "  "}),
    ("name: contains a NUL", {"name": "a\x00"}),
    ("queue: is 81 characters", {"queue": "q" * 81}),
    ("config: is .* bytes of JSON; at most 262,144", {"config": {"x": "y" * 262_144}}),
    ("config: is not JSON", {"config": {"x": float("nan")}}),
    ("config: must be a JSON object, not list", {"config": [1]}),
    ("metadata: must be a JSON object", {"metadata": "x"}),
    ("max_attempts: is 0; .* from 1 to 100", {"max_attempts": 0}),
    ("timeout_seconds: is 86401; .* from 1 to 86,400", {"timeout_seconds": 86_401}),
    ("workspace_path: is 1,001", {"workspace_path": "p" * 1_001}),
]


@pytest.mark.parametrize(("message", "options"), BAD_JOBS)
def test_a_bad_execution_is_refused_before_it_is_created(message: str, options: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match=message):
        job(**options)


def test_a_naive_moment_is_refused(clock: Clock) -> None:
    with pytest.raises(InvalidInput, match=r"available_at: .* time zone"):
        job(available_at=clock.now.replace(tzinfo=None))
