"""How a run ends or goes on: retries by policy, deferrals, resets, batches of all kinds, and why something did not move."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from penstock.dal import executions, pipelines, schema
from penstock.dal.store import Store
from penstock.domain.errors import InvalidInput, NotMoved
from penstock.domain.executions import Failure, Job, Lease, Outcome
from penstock.domain.lifecycle import Status
from penstock.domain.retry import Retry
from tests.acting import MINUTE, Clock, begin, event_types, execution, job, only, rows, step
from tests.reaching import BOOM

E, BELLS, Q, V = schema.task_executions, schema.task_outbox, schema.pause_queue, schema.execution_events
SECOND = timedelta(seconds=1)


def running(store: Store, **options: Any) -> Job:
    (held,) = begin(store, only(store.alone(executions.create, job(**options))))
    return held


def give_up(store: Store, held: Job, failure: Failure = BOOM) -> str:
    """Where an execution goes when its worker gives the attempt up."""
    with store.begin() as tx:
        effects = executions.settle(tx, [executions.given_up(tx, held, failure)])
    return effects.moved[0].status


# --- retries -----------------------------------------------------------------------------------------------------


def test_attempts_are_made_until_they_are_spent(store: Store, clock: Clock) -> None:
    held = running(store, max_attempts=3, retry=Retry(backoff="fixed", delay_seconds=60, jitter=0))
    for attempt in (1, 2):
        assert attempt == held.attempt
        assert Status.READY == give_up(store, held)
        assert [] == begin(store, held.id)
        clock.pass_(MINUTE)
        (held,) = begin(store, held.id)
    assert (3, Status.FAILED) == (held.attempt, give_up(store, held))
    kept = execution(store, held.id)
    assert (3, "boom", {"success": False, "error_type": "Boom"}) == (kept.attempt, kept.error, kept.outcome)
    assert 2 == event_types(store, held.id).count("TaskRetryScheduled")


CONDITIONS: list[tuple[Retry, str, Status]] = [
    (Retry(), "Timeout", Status.READY),
    (Retry(on=("Timeout",)), "Timeout", Status.READY),
    (Retry(on=("Timeout",)), "timeout", Status.FAILED),
    (Retry(on=("Timeout", "Throttled")), "Refused", Status.FAILED),
    (Retry(never=("Refused",)), "Refused", Status.FAILED),
    (Retry(never=("Refused",)), "Timeout", Status.READY),
    (Retry(on=("Timeout",), never=("Timeout",)), "Timeout", Status.FAILED),
]


@pytest.mark.parametrize(("retry", "error_type", "goes_to"), CONDITIONS)
def test_the_type_of_an_error_decides_whether_it_is_tried_again(
    store: Store, retry: Retry, error_type: str, goes_to: Status
) -> None:
    assert goes_to == give_up(store, running(store, retry=retry), Failure("no", error_type))


DELAYS: list[tuple[Retry, list[float]]] = [
    (Retry("fixed", 10, jitter=0), [10, 10, 10, 10]),
    (Retry("linear", 10, jitter=0, cap_seconds=25), [10, 20, 25, 25]),
    (Retry("exponential", 10, factor=3, jitter=0, cap_seconds=100), [10, 30, 90, 100]),
    (Retry("fixed", 10, jitter=0.5), [7.5, 7.5, 7.5, 7.5]),
    (Retry("exponential", 10, factor=10, jitter=1, cap_seconds=100), [5, 50, 50, 50]),
    (Retry("fixed", 0), [0, 0, 0, 0]),
]


@pytest.mark.parametrize(("retry", "seconds"), DELAYS)
def test_the_policy_decides_when_the_next_attempt_is_due(
    store: Store, clock: Clock, retry: Retry, seconds: list[float]
) -> None:
    """Chance is one half in these stores, so that half of the jitter is taken away."""
    held = running(store, max_attempts=5, retry=retry)
    for delay in seconds:
        give_up(store, held)
        (bell,) = rows(store, BELLS)
        assert (timedelta(seconds=delay), bell.available_at) == (bell.available_at - clock.now, bell.ring_at)
        clock.pass_(timedelta(seconds=delay))
        (held,) = begin(store, held.id)


def test_a_retry_keeps_the_error_and_says_when(store: Store, clock: Clock) -> None:
    held = running(store)
    due = clock.now + MINUTE
    store.alone(executions.schedule_retry, held, BOOM, at=due)
    kept = execution(store, held.id)
    assert ("ready", 2, "boom", due, None, None) == (
        kept.status, kept.attempt, kept.error, kept.resume_at, kept.lease, kept.started_at,
    )  # fmt: skip
    event = rows(store, V)[-1]
    assert {"error": "boom", "error_type": "Boom"}.items() <= event.event_data.items()
    clock.pass_(MINUTE)
    (again,) = begin(store, held.id)
    store.alone(executions.complete, again)
    assert (None, {"success": True}) == (execution(store, held.id).error, execution(store, held.id).outcome)


def test_the_last_attempt_cannot_be_followed_by_another(store: Store, clock: Clock) -> None:
    held = running(store, max_attempts=1)
    assert [] == store.alone(executions.schedule_retry, held, BOOM, at=clock.now).moved
    (refusal,) = store.alone(executions.refusals, "schedule_retry", [held])
    assert "cannot schedule_retry: attempt 1 of 1 was the last" == refusal.reason
    assert Status.RUNNING == execution(store, held.id).status


def test_a_retry_in_the_past_is_due_now(store: Store, clock: Clock) -> None:
    held = running(store)
    store.alone(executions.schedule_retry, held, BOOM, at=clock.now - MINUTE)
    assert clock.now == rows(store, BELLS)[0].available_at


def test_a_reset_gives_back_every_attempt_and_is_due_now(store: Store, clock: Clock) -> None:
    held = running(store, max_attempts=2)
    store.alone(executions.schedule_retry, held, BOOM, at=clock.now + MINUTE)
    store.alone(executions.reset, [held.id])
    kept = execution(store, held.id)
    assert ("ready", 1, None, None) == (kept.status, kept.attempt, kept.resume_at, kept.error)
    assert [clock.now] == [bell.available_at for bell in rows(store, BELLS)]
    assert [1] == [again.attempt for again in begin(store, held.id)]


def test_a_reset_deferral_is_due_now(store: Store, clock: Clock) -> None:
    held = running(store)
    store.alone(executions.defer, held, until=clock.now + MINUTE)
    effects = store.alone(executions.reset, [held.id])
    assert [(held.id, clock.now)] == [(bell.task_execution_id, bell.available_at) for bell in effects.bells]
    assert 1 == len(begin(store, held.id))


# --- deferrals and pauses ----------------------------------------------------------------------------------------


def test_a_deferral_costs_no_attempt_and_ends_when_its_moment_has_come(store: Store, clock: Clock) -> None:
    held = running(store, max_attempts=1)
    store.alone(executions.defer, held, until=clock.now + MINUTE)
    assert ("deferred", 1, clock.now + MINUTE) == (
        execution(store, held.id).status, execution(store, held.id).attempt, execution(store, held.id).resume_at,
    )  # fmt: skip
    clock.pass_(MINUTE - SECOND)
    assert [] == store.alone(executions.resume_deferred).moved
    clock.pass_(SECOND)
    assert {held.id} == store.alone(executions.resume_deferred).ids
    assert [(1, "running")] == [(again.attempt, again.status) for again in begin(store, held.id)]


def test_a_deferral_can_be_ended_early(store: Store, clock: Clock) -> None:
    held = running(store)
    store.alone(executions.defer, held, until=clock.now + MINUTE)
    store.alone(executions.resume, [held.id])
    assert [held.id] == [again.id for again in begin(store, held.id)]


def test_a_sweep_resumes_those_that_waited_longest_and_no_more_than_it_is_told(store: Store, clock: Clock) -> None:
    held = [running(store) for _ in range(3)]
    for minutes, each in zip((3, 1, 2), held, strict=True):
        store.alone(executions.defer, each, until=clock.now + minutes * MINUTE)
    clock.pass_(3 * MINUTE)
    assert {held[1].id, held[2].id} == store.alone(executions.resume_deferred, limit=2).ids
    assert {held[0].id} == store.alone(executions.resume_deferred, limit=2).ids


def test_pauses_end_by_time_or_by_capacity_and_manual_ones_by_hand(store: Store, clock: Clock) -> None:
    by_hand, timed, crowded = (only(store.alone(executions.create, job())) for _ in range(3))
    store.alone(executions.pause, [by_hand])
    store.alone(executions.pause, [timed], resume_after=clock.now + MINUTE)
    store.alone(executions.pause, [crowded], reason="insufficient_capacity", work_plan={"gpu": 1})
    assert [{"gpu": 1}] == [entry.work_plan for entry in rows(store, Q, Q.c.task_execution_id == crowded)]
    assert {crowded} == store.alone(executions.resume_paused, limit=10).ids
    clock.pass_(MINUTE)
    assert {timed} == store.alone(executions.resume_paused, limit=10).ids
    assert set() == store.alone(executions.resume_paused, limit=10).ids
    assert [by_hand] == [entry.task_execution_id for entry in rows(store, Q)]


def test_capacity_goes_to_the_most_important_and_then_to_the_oldest(store: Store, clock: Clock) -> None:
    made = []
    for priority in (3, 1, 3, 1):
        made.append(only(store.alone(executions.create, job(priority=priority))))
        store.alone(executions.pause, made[-1:], reason="insufficient_capacity")
        clock.pass_(SECOND)
    taken = [only(store.alone(executions.resume_paused, limit=1)) for _ in made]
    assert [made[1], made[3], made[0], made[2]] == taken


def test_a_pause_for_no_known_reason_is_refused(store: Store) -> None:
    with pytest.raises(InvalidInput, match="reason: is 'lunch'; it must be manual_pause or insufficient_capacity"):
        store.alone(executions.pause, [uuid4()], reason="lunch")


# --- batches -----------------------------------------------------------------------------------------------------


def test_a_batch_is_settled_each_in_its_own_way(store: Store, clock: Clock) -> None:
    names = ("done", "broken", "again", "later", "lost", "next")
    ids = {name: only(store.alone(executions.create, job(name))) for name in names}
    held = {each.name: each for each in begin(store, *(ids[name] for name in names[:-1]))}
    (following,) = store.alone(executions.claim_these, [ids["next"]], worker="w", hold_for=MINUTE)
    due = clock.now + MINUTE
    effects = store.alone(
        executions.settle,
        [
            executions.Settlement.complete(held["done"], Outcome({"n": 1}, ("s3",), ({"hint": "more"},))),
            executions.Settlement.fail(held["broken"], Failure("broke", "Broken", ("ses",))),
            executions.Settlement.retry(held["again"], BOOM, at=due),
            executions.Settlement.defer(held["later"], until=due),
            executions.Settlement.complete(Lease(ids["lost"], uuid4()), Outcome()),
            executions.Settlement.start(following),
        ],
    )
    assert set(ids.values()) - {ids["lost"]} == effects.ids
    assert {
        "done": "completed", "broken": "failed", "again": "ready", "later": "deferred", "lost": "running", "next": "running",
    } == {name: execution(store, id).status for name, id in ids.items()}  # fmt: skip
    done, broken = execution(store, ids["done"]), execution(store, ids["broken"])
    assert ({"success": True, "n": 1}, ["s3"], [{"hint": "more"}], None) == (
        done.outcome, done.services_touched, done.suggestions, done.error,
    )  # fmt: skip
    assert ({"success": False, "error_type": "Broken"}, ["ses"], "broke") == (
        broken.outcome, broken.services_touched, broken.error,
    )  # fmt: skip
    assert [(ids["again"], due)] == [(bell.task_execution_id, bell.available_at) for bell in effects.bells]
    assert ["TaskCompleted", "TaskFailed", "TaskRetryScheduled", "TaskDeferred", "TaskStarted", "TaskStarted"] == [
        event_types(store, ids[name])[-1] for name in names
    ]


def test_a_settled_batch_answers_the_doorbells_of_the_children_it_released(store: Store, clock: Clock) -> None:
    graph = [step("a"), step("b"), step("c", "a"), step("d", "b", queue="other"), step("e", "a", "b")]
    effects = store.alone(pipelines.start, pipelines.NewPipeline("p", graph))
    by_name = {execution(store, moved.id).name: moved.id for moved in effects.moved}
    held = begin(store, by_name["a"], by_name["b"])
    settled = store.alone(executions.settle, [executions.Settlement.complete(each, Outcome()) for each in held])
    assert {by_name["c"], by_name["d"], by_name["e"]} == {moved.id for moved in settled.children}
    assert {(by_name["c"], "default"), (by_name["d"], "other"), (by_name["e"], "default")} == {
        (bell.task_execution_id, bell.queue) for bell in settled.bells
    }
    assert {bell.task_execution_id for bell in settled.bells} == {bell.task_execution_id for bell in rows(store, BELLS)}


def test_nothing_is_settled_where_nothing_is_held(store: Store) -> None:
    assert [] == store.alone(executions.settle, []).moved


def test_what_is_released_can_be_taken_at_once_by_another(store: Store, clock: Clock) -> None:
    id = only(store.alone(executions.create, job()))
    (held,) = store.alone(executions.claim_these, [id], worker="w", hold_for=MINUTE)
    (bell,) = store.alone(executions.release, [held]).bells
    assert (id, clock.now) == (bell.task_execution_id, bell.available_at)
    assert [(id, 1)] == [(again.id, again.attempt) for again in begin(store, id, worker="other")]
    assert [] == store.alone(executions.start, [held]).moved


# --- why not -----------------------------------------------------------------------------------------------------


def reasons(store: Store, verb: str, *wanted: Any) -> list[str]:
    return [refusal.reason for refusal in store.alone(executions.refusals, verb, wanted)]


def test_a_lease_that_was_taken_over_is_told_so(store: Store, clock: Clock) -> None:
    held = running(store)
    clock.pass_(timedelta(hours=1))
    store.alone(executions.recover)
    begin(store, held.id, worker="other")
    for verb in ("complete", "fail", "schedule_retry", "defer"):
        assert [f"cannot {verb}: this lease is no longer valid; somebody else has taken the execution over"] == reasons(
            store, verb, held
        )


def test_what_is_not_due_says_when_it_is(store: Store, clock: Clock) -> None:
    due = clock.now + MINUTE
    id = only(store.alone(executions.create, job(available_at=due)))
    for verb in ("claim", "begin"):
        assert [f"cannot {verb}: it is not due before {due.isoformat()}"] == reasons(store, verb, id)


def test_what_belongs_to_a_paused_pipeline_says_so(store: Store) -> None:
    effects = store.alone(pipelines.start, pipelines.NewPipeline("p", [step("a")]))
    store.alone(pipelines.pause, [effects.pipelines[0].id])
    assert ["cannot begin: its pipeline is paused"] == reasons(store, "begin", only(effects))


def test_what_needs_no_approval_says_so(store: Store) -> None:
    graph = [step("a"), step("b", "a")]
    effects = store.alone(pipelines.start, pipelines.NewPipeline("p", graph))
    (pending,) = (moved.id for moved in effects.moved if moved.status == Status.PENDING)
    for verb in (executions.approve, executions.reject):
        assert [] == store.alone(verb, [pending]).moved
        assert [f"cannot {verb.__name__}: it does not ask for an approval"] == reasons(store, verb.__name__, pending)


def test_what_waits_for_nothing_cannot_be_reset_and_says_so(store: Store) -> None:
    id = only(store.alone(executions.create, job()))
    assert [] == store.alone(executions.reset, [id]).moved
    assert ["cannot reset: it waits for nothing; it is due already"] == reasons(store, "reset", id)


def test_a_lease_that_still_runs_says_how_long(store: Store) -> None:
    held = running(store)
    assert [f"cannot recover: its lease runs until {held.lease_expires_at.isoformat()}"] == reasons(
        store, "recover", held.id
    )


def test_what_is_not_there_says_so(store: Store) -> None:
    missing = uuid4()
    (refusal,) = store.alone(executions.refusals, "cancel", [missing])
    assert (missing, None, "cannot cancel: there is no such execution", ()) == (
        refusal.id, refusal.state, refusal.reason, refusal.legal,
    )  # fmt: skip


def test_each_of_several_says_why_for_itself(store: Store) -> None:
    held, done = running(store), running(store)
    store.alone(executions.complete, done)
    refusals = store.alone(executions.refusals, "complete", [held, done])
    assert [done.id] == [refusal.id for refusal in refusals]


def test_an_unknown_verb_is_refused(store: Store) -> None:
    with pytest.raises(KeyError, match="no such verb: finish"):
        store.alone(executions.refusals, "finish", [uuid4()])


def test_who_must_move_one_is_given_it_or_told_why_not(store: Store) -> None:
    held = running(store)
    with store.begin() as tx:
        moved = executions.must_move(tx, "complete", held, executions.complete(tx, held))
    assert (held.id, Status.COMPLETED) == (moved.id, moved.status)
    with (
        store.begin() as tx,
        pytest.raises(NotMoved, match="cannot fail: it is completed; from completed nothing") as not_moved,
    ):
        executions.must_move(tx, "fail", held, executions.fail(tx, held, BOOM))
    assert (held.id, "fail", "completed", ()) == (
        not_moved.value.refusal.id, not_moved.value.refusal.verb, not_moved.value.refusal.state, not_moved.value.refusal.legal,
    )  # fmt: skip


def test_who_must_move_what_could_move_by_now_is_told_to_look_again(store: Store) -> None:
    held = running(store)
    with store.begin() as tx, pytest.raises(NotMoved, match="it was moved by somebody else at this moment; look again"):
        executions.must_move(tx, "complete", held, executions.Effects())


# --- bad input ---------------------------------------------------------------------------------------------------


def test_bad_settlements_are_refused_by_the_name_of_the_field(store: Store, clock: Clock) -> None:
    held = Lease(UUID(int=1), UUID(int=2))
    naive = clock.now.replace(tzinfo=None)
    bad: dict[str, Any] = {
        "at: .* time zone": lambda: executions.Settlement.retry(held, BOOM, at=naive),
        "until: .* time zone": lambda: executions.Settlement.defer(held, until=naive),
        "output: is .* bytes of JSON": lambda: Outcome({"x": "y" * 262_144}),
        "services_touched: must be a list": lambda: Outcome(services_touched="s3"),  # type: ignore[arg-type]  # the mistake
        "suggestions: is not JSON": lambda: Outcome(suggestions=({"x": object()},)),
        "message: is 10,001 characters": lambda: Failure("m" * 10_001),
        "error_type: must be a text that is not blank": lambda: Failure("m", " "),
    }
    for message, make in bad.items():
        with pytest.raises(InvalidInput, match=message):
            make()


def test_a_reason_that_no_database_holds_is_refused(store: Store) -> None:
    for verb in (executions.cancel, executions.skip, executions.reject):
        with pytest.raises(InvalidInput, match="reason: contains a NUL"):
            store.alone(verb, [uuid4()], reason="a\x00")
