"""Events: notes are written, histories read oldest first, the latest of all newest first, numbers counted."""

from collections import Counter
from typing import Any
from uuid import UUID, uuid4

import pytest

from penstock.dal import executions, pipelines, schema
from penstock.dal.store import Store
from penstock.dal.views import events as views
from penstock.domain.errors import InvalidInput
from penstock.domain.lifecycle import NOTES, PIPELINE, TASK
from tests.acting import MINUTE, Clock, begin, job, only, rows, step
from tests.dal.asking import ask, every_row
from tests.reaching import BOOM

V = schema.execution_events


def types(found: list[Any]) -> list[str]:
    return [event.event_type for event in found]


def a_pipeline(store: Store) -> tuple[UUID, UUID]:
    """A pipeline of one task that has completed."""
    started = store.alone(pipelines.start, pipelines.NewPipeline("p", [step("a")]))
    (held,) = begin(store, started.moved[0].id)
    store.alone(executions.complete, held)
    return started.pipelines[0].id, held.id


WHOLE = [
    "PipelineStarted", "TaskCreated", "TaskMarkedReady", "TaskClaimed", "TaskStarted", "TaskCompleted", "PipelineCompleted",
]  # fmt: skip


def test_the_history_of_a_pipeline_has_its_own_events_and_those_of_its_tasks(store: Store) -> None:
    id, task = a_pipeline(store)
    a_pipeline(store)
    assert WHOLE == types(every_row(store, views.list_by_pipeline, id, limit=3))
    assert WHOLE[1:-1] == types(every_row(store, views.list_by_task, task))
    assert (7, 5) == (ask(store, views.count_by_pipeline, id), ask(store, views.count_by_task, task))


def test_what_there_is_not_has_no_history(store: Store) -> None:
    assert [] == ask(store, views.list_by_pipeline, uuid4()).rows == ask(store, views.list_by_task, uuid4()).rows
    assert 0 == ask(store, views.count_by_pipeline, uuid4()) == ask(store, views.count_by_task, uuid4())


@pytest.mark.parametrize(
    "view", [views.list_by_pipeline, views.list_by_task, views.count_by_pipeline, views.count_by_task]
)
def test_a_history_is_asked_for_by_a_uuid(store: Store, view: Any) -> None:
    with pytest.raises(InvalidInput, match="must be a UUID"):
        ask(store, view, str(uuid4()))


def test_the_events_of_a_type_come_newest_first(store: Store) -> None:
    for _ in range(3):
        a_pipeline(store)
    for event_type in (*WHOLE, "TaskFailed"):
        wanted = [event.sequence_num for event in rows(store, V, V.c.event_type == event_type)][::-1]
        found = every_row(store, views.list_by_type, event_type)
        assert (event_type, wanted) == (event_type, [event.sequence_num for event in found])


def test_every_type_can_be_asked_for_and_no_other(store: Store) -> None:
    for event_type in (*TASK.events, *PIPELINE.events, *NOTES):
        assert [] == ask(store, views.list_by_type, event_type).rows
    with pytest.raises(
        InvalidInput, match="event_type: is Taskcreated; it must be one of TaskCreated, TaskMarkedReady"
    ):
        ask(store, views.list_by_type, "Taskcreated")


def test_the_latest_events_are_those_since_a_moment_newest_first(store: Store, clock: Clock) -> None:
    a_pipeline(store)
    clock.pass_(MINUTE)
    since = clock.now
    a_pipeline(store)
    assert WHOLE[::-1] * 2 == types(every_row(store, views.recent, limit=4))
    assert WHOLE[::-1] == types(every_row(store, views.recent, limit=4, since=since))
    assert [] == ask(store, views.recent, since=since + MINUTE).rows


def test_the_events_since_a_moment_are_counted_by_type(store: Store, clock: Clock) -> None:
    a_pipeline(store)
    clock.pass_(MINUTE)
    a_pipeline(store)
    (held,) = begin(store, only(store.alone(executions.create, job())))
    store.alone(executions.fail, held, BOOM)
    wanted = Counter(WHOLE) + Counter(["TaskCreated", "TaskMarkedReady", "TaskClaimed", "TaskStarted", "TaskFailed"])
    assert wanted == ask(store, views.count_by_type, since=clock.now)
    assert {} == ask(store, views.count_by_type, since=clock.now + MINUTE)


def test_an_event_is_shown_with_its_actor_and_all_that_it_says(store: Store, clock: Clock) -> None:
    (held,) = begin(store, only(store.alone(executions.create, job())), worker="w7")
    store.alone(executions.fail, held, BOOM)
    event = ask(store, views.list_by_task, held.id).rows[-1]
    assert ("tester", "w7", "failed", 5, clock.now, {"error": "boom", "error_type": "Boom"}) == (
        event.actor, event.worker_id, event.to_status, event.version, event.created_at, event.event_data,
    )  # fmt: skip
