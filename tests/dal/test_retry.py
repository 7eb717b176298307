"""To run again what has ended is a new execution, as the old one was asked for; the old one stays as it is."""

from uuid import UUID, uuid4

import pytest

from penstock.dal import executions, pipelines, schema, tasks
from penstock.dal.store import Store
from penstock.domain.errors import InvalidInput, NotMoved
from penstock.domain.executions import NewExecution
from penstock.domain.lifecycle import TASK, Status
from penstock.domain.pipelines import TriggerRule
from penstock.domain.retry import Retry
from penstock.domain.tasks import NewTask, Run
from tests.acting import MINUTE, Clock, begin, event_types, execution, job, only, rows, step
from tests.books import discrepancies
from tests.reaching import BOOM, REACH

ENDED = [status for status in REACH if status in TASK.ends]
LIVE = [status for status in REACH if status not in TASK.ends]
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
ASKED_FOR = (
    "task_id", "name", "task_type", "queue", "config", "metadata", "workspace_path", "priority", "max_attempts", "retry",
    "timeout_seconds", "requires_approval", "traceparent",
)  # fmt: skip


def failed(store: Store, wanted: NewExecution) -> UUID:
    """An execution that has failed at its second attempt."""
    id = only(store.alone(executions.create, wanted))
    store.alone(executions.schedule_retry, begin(store, id)[0], BOOM, at=store.clock())
    store.alone(executions.fail, begin(store, id)[0], BOOM)
    return id


@pytest.mark.parametrize("status", ENDED)
def test_what_has_ended_is_run_again_from_every_end(store: Store, clock: Clock, status: Status) -> None:
    old = REACH[status](store, clock).id
    before = execution(store, old)
    effects = store.alone(executions.retry, [old])
    new = execution(store, only(effects))
    assert (old, 1, None) == (new.retry_of, new.attempt, new.resume_at)
    assert before == execution(store, old)
    assert [] == discrepancies(store)


@pytest.mark.parametrize("status", LIVE)
def test_what_has_not_ended_is_not_run_again_and_says_why(store: Store, clock: Clock, status: Status) -> None:
    id = REACH[status](store, clock).id
    there = len(rows(store, schema.task_executions))
    effects = store.alone(executions.retry, [id])
    with pytest.raises(NotMoved) as refused:
        store.alone(executions.must_move, "retry", id, effects)
    refusal = refused.value.refusal
    assert f"cannot retry: it is {status}; only what has ended is run again" == refusal.reason
    assert (status, TASK.legal_from(status)) == (refusal.state, refusal.legal)
    assert there == len(rows(store, schema.task_executions))


def test_it_is_asked_for_as_it_was(store: Store, clock: Clock) -> None:
    store.alone(tasks.create, NewTask("export", "Export", "noop", retry=Retry("fixed", 9), max_attempts=7))
    run = Run("export", {"a": [1, None]}, {"team": "data"}, 1, clock.now + MINUTE, TRACE)
    old = only(store.alone(tasks.run, [run]))
    clock.pass_(MINUTE)
    store.alone(executions.fail, begin(store, old)[0], BOOM)
    new = execution(store, only(store.alone(executions.retry, [old])))
    assert [getattr(execution(store, old), name) for name in ASKED_FOR] == [getattr(new, name) for name in ASKED_FOR]


def test_nothing_of_the_old_run_comes_along(store: Store, clock: Clock) -> None:
    old = failed(store, job())
    clock.pass_(MINUTE)
    new = execution(store, only(store.alone(executions.retry, [old])))
    assert (Status.READY, 1, None, None, None, None, 0, clock.now, clock.now, 2) == (
        new.status, new.attempt, new.error, new.outcome, new.started_at, new.completed_at, new.recoveries, new.created_at,
        new.updated_at, new.version,
    )  # fmt: skip


def test_a_new_run_has_a_history_and_a_doorbell_of_its_own(store: Store) -> None:
    effects = store.alone(executions.retry, [failed(store, job())])
    assert ["TaskCreated", "TaskMarkedReady"] == event_types(store, only(effects))
    assert [only(effects)] == [bell.task_execution_id for bell in effects.bells]


def test_what_asked_for_an_approval_asks_again(store: Store) -> None:
    id = only(store.alone(executions.create, job(requires_approval=True)))
    store.alone(executions.reject, [id])
    assert [Status.PENDING] == [moved.status for moved in store.alone(executions.retry, [id]).moved]


def test_steps_of_a_pipeline_are_run_again_each_on_its_own(store: Store) -> None:
    graph = [step("a"), step("b", "a", rule=TriggerRule.ALL_FAILED)]
    started = store.alone(pipelines.start, pipelines.NewPipeline("p", graph))
    store.alone(pipelines.cancel, [started.pipelines[0].id])
    again = [execution(store, id) for id in store.alone(executions.retry, started.ids).ids]
    assert {("a", None, 0, False, 0, "all_success", Status.READY), ("b", None, 0, False, 0, "all_success", Status.READY)} == {
        (
            new.name, new.pipeline_execution_id, new.sequence, new.failure_handled, new.waiting_on, new.trigger_rule,
            new.status,
        )
        for new in again
    }  # fmt: skip
    assert [] == discrepancies(store)


def test_many_are_run_again_at_once_and_each_only_once(store: Store) -> None:
    ended = [failed(store, job(f"job {number}")) for number in range(3)]
    live = only(store.alone(executions.create, job()))
    effects = store.alone(executions.retry, [*ended, live, uuid4(), ended[0]])
    again = {execution(store, id).retry_of for id in effects.ids}
    assert (3, set(ended)) == (len(effects.moved), again)


def test_a_run_can_be_run_again_and_again(store: Store) -> None:
    first = failed(store, job())
    second = only(store.alone(executions.retry, [first]))
    store.alone(executions.cancel, [second])
    third = only(store.alone(executions.retry, [second]))
    assert [None, first, second] == [execution(store, id).retry_of for id in (first, second, third)]


def test_what_is_not_there_cannot_be_run_again(store: Store) -> None:
    (refusal,) = store.alone(executions.refusals, "retry", [uuid4()])
    assert "cannot retry: there is no such execution" == refusal.reason


def test_what_would_be_run_again_is_not_refused(store: Store) -> None:
    assert [] == store.alone(executions.refusals, "retry", [failed(store, job())])


def test_who_runs_it_again_is_on_record(store: Store) -> None:
    old = failed(store, job())
    new = only(store.acting_as("ann").alone(executions.retry, [old]))
    history = rows(store, schema.execution_events, schema.execution_events.c.task_execution_id == new)
    assert ("tester", "ann") == (execution(store, old).created_by, execution(store, new).created_by)
    assert ["ann", "ann"] == [event.actor for event in history]


def test_nobody_acts_without_a_name(store: Store) -> None:
    with pytest.raises(InvalidInput, match=r"^actor: must be a text that is not blank"):
        store.acting_as("")
