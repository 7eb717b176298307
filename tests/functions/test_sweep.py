"""Sweeping takes up what time alone decides, in bounded steps, and rings what became ready at once."""

from datetime import timedelta

import pytest

from penstock import wiring
from penstock.dal import executions, schema
from penstock.dal.store import Store
from sweep.app import STEP, handler
from tests.acting import MINUTE, Clock, begin, create, event_types, execution, job, rows
from tests.amazon import Amazon
from tests.functions.conftest import LambdaContext
from tests.functions.payloads import event

NOTHING = {"recovered": 0, "resumed_deferred": 0, "resumed_paused": 0}
MOMENT = timedelta(seconds=1)


def sweep(context: LambdaContext) -> dict[str, int]:
    swept: dict[str, int] = handler(event("sweep.scheduled"), context)
    return swept


def test_what_a_silent_worker_holds_is_taken_back_and_rung_at_once(
    wired: Store, clock: Clock, amazon: Amazon, lambda_context: LambdaContext
) -> None:
    (held,) = wired.alone(create, job(timeout_seconds=60))
    begin(wired, held)
    clock.pass_(MINUTE)
    assert NOTHING == sweep(lambda_context)
    clock.pass_(MINUTE)
    assert NOTHING | {"recovered": 1} == sweep(lambda_context)
    assert ("ready", "TaskRecovered") == (execution(wired, held).status, event_types(wired, held)[-1])
    assert [str(held)] == [said["task_execution_id"] for said in amazon.said("default")]


def test_a_deferral_that_is_over_goes_on(
    wired: Store, clock: Clock, amazon: Amazon, lambda_context: LambdaContext
) -> None:
    (deferred,) = wired.alone(create, job())
    wired.alone(executions.defer, begin(wired, deferred)[0], until=clock.now + MINUTE)
    assert NOTHING == sweep(lambda_context)
    clock.pass_(MINUTE)
    assert NOTHING | {"resumed_deferred": 1} == sweep(lambda_context)
    assert [str(deferred)] == [said["task_execution_id"] for said in amazon.said("default")]


def test_a_pause_that_is_over_ends_and_a_manual_one_without_a_time_stays(
    wired: Store, clock: Clock, lambda_context: LambdaContext
) -> None:
    timed, full, manual = wired.alone(create, job("timed"), job("full"), job("manual"))
    wired.alone(executions.pause, [timed], resume_after=clock.now + MINUTE)
    wired.alone(executions.pause, [full], reason="insufficient_capacity")
    wired.alone(executions.pause, [manual])
    clock.pass_(MINUTE)
    assert NOTHING | {"resumed_paused": 2} == sweep(lambda_context)
    assert ["ready", "ready", "paused"] == [execution(wired, id).status for id in (timed, full, manual)]


@pytest.mark.parametrize(("capacity", "resumed"), [("", 5), ("100", 5), ("4", 2), ("2", 0), ("1", 0)])
def test_no_more_pauses_end_than_there_is_capacity_for(  # noqa: PLR0917 - fixtures, by name
    environ: dict[str, str], clock: Clock, wired: Store, lambda_context: LambdaContext, capacity: str, resumed: int
) -> None:
    """What is ready, claimed or running takes up room: here one of each of the first and the last."""
    wiring.compose(environ | {"CAPACITY": capacity}, clock)
    store = wiring.store("tester")
    running, _, *waiting = store.alone(create, *(job() for _ in range(7)))
    begin(store, running)
    store.alone(executions.pause, waiting, reason="insufficient_capacity")
    assert NOTHING | {"resumed_paused": resumed} == sweep(lambda_context)
    assert NOTHING == sweep(lambda_context)


def test_any_number_is_taken_up_step_by_step(
    wired: Store, clock: Clock, amazon: Amazon, lambda_context: LambdaContext
) -> None:
    many = wired.alone(create, *(job(timeout_seconds=1) for _ in range(2 * STEP + 7)))
    begin(wired, *many)
    clock.pass_(MINUTE)
    assert NOTHING | {"recovered": len(many)} == sweep(lambda_context)
    assert sorted(map(str, many)) == sorted(said["task_execution_id"] for said in amazon.said("default"))


def test_it_stops_when_time_is_short(wired: Store, clock: Clock, lambda_context: LambdaContext) -> None:
    begin(wired, *wired.alone(create, job(timeout_seconds=1)))
    clock.pass_(MINUTE)
    lambda_context.remaining_ms = 15_000
    assert NOTHING == sweep(lambda_context)


def test_who_went_silent_once_too_often_is_abandoned(wired: Store, clock: Clock, lambda_context: LambdaContext) -> None:
    (poison,) = wired.alone(create, job(timeout_seconds=1))
    for _ in range(4):
        begin(wired, poison)
        clock.pass_(MINUTE)
        assert NOTHING | {"recovered": 1} == sweep(lambda_context)
    assert ("failed", "TaskAbandoned") == (execution(wired, poison).status, event_types(wired, poison)[-1])


def test_who_swept_is_on_record(wired: Store, clock: Clock, lambda_context: LambdaContext) -> None:
    (held,) = wired.alone(create, job(timeout_seconds=1))
    begin(wired, held)
    clock.pass_(MINUTE)
    sweep(lambda_context)
    assert "sweep" == last_actor(wired)


def last_actor(store: Store) -> str:
    actor: str = rows(store, schema.execution_events)[-1].actor
    return actor
