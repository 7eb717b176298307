"""What is asked about task executions: one of them, lists by every filter, parents, numbers."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from penstock.dal import executions, pipelines, schema, tasks
from penstock.dal.store import Store
from penstock.dal.views import executions as views
from penstock.domain.errors import InvalidInput
from penstock.domain.executions import NewExecution, Outcome
from penstock.domain.lifecycle import TASK
from penstock.domain.tasks import NewTask
from tests.acting import Clock, begin, execution, job, only, rows, step
from tests.dal.asking import ask, every_row, ids
from tests.reaching import REACH

E = schema.task_executions


def one_in_each_state(store: Store, clock: Clock) -> dict[str, UUID]:
    return {str(state): reach(store, clock).id for state, reach in REACH.items()}


def newest_first(store: Store, *where: Any) -> list[UUID]:
    """The ids as the table has them."""
    return [found.id for found in reversed(rows(store, E, *where))]


def test_one_is_shown_with_everything_but_its_leases(store: Store) -> None:
    id = only(store.alone(executions.create, job(config={"size": 3}, metadata={"a": "b"})))
    begin(store, id)
    found = ask(store, views.by_id, id)
    assert found
    kept = execution(store, id)
    assert {
        name: getattr(kept, name) for name in kept._fields if name not in ("lease", "settled_lease")
    } == found._asdict()
    assert ({"size": 3}, "worker") == (found.config, found.worker_id)


def test_what_there_is_not_is_none(store: Store) -> None:
    assert ask(store, views.by_id, uuid4()) is None
    assert [] == ask(store, views.parents, uuid4())
    assert [] == ask(store, views.page).rows


def test_an_id_as_text_is_refused(store: Store) -> None:
    wrong: Any = str(uuid4())
    for view in (views.by_id, views.parents):
        with pytest.raises(InvalidInput, match=r"id: .* must be a UUID"):
            ask(store, view, wrong)


def test_a_list_leaves_out_what_is_large_and_what_is_secret(store: Store, clock: Clock) -> None:
    store.alone(executions.create, job(config={"size": 3}))
    (found,) = ask(store, views.page).rows
    left_out = set(E.c.keys()) - set(found._fields)
    assert {"config", "metadata", "outcome", "suggestions", "lease", "settled_lease"} == left_out


def test_a_state_lists_what_is_in_it_and_nothing_else(store: Store, clock: Clock) -> None:
    one_in_each_state(store, clock)
    for state in TASK.states:
        found = every_row(store, views.page, status=state)
        assert (state, newest_first(store, E.c.status == state)) == (state, ids(found))
        assert {state} == {row.status for row in found}


def test_several_states_are_one_list_newest_first(store: Store, clock: Clock) -> None:
    for _ in range(2):
        one_in_each_state(store, clock)
    asked = [
        ("pending", "running", "completed"), ("ready", "claimed"), ("paused", "deferred", "ready"), TASK.held, TASK.ends,
        TASK.states, ("completed", "failed"), ("approved", "rejected"),
    ]  # fmt: skip
    for states in asked:
        wanted = newest_first(store, E.c.status.in_(states))
        assert (states, wanted) == (states, ids(every_row(store, views.page, status=states, limit=3)))


def test_without_a_state_everything_is_listed_newest_first(store: Store, clock: Clock) -> None:
    one_in_each_state(store, clock)
    assert newest_first(store) == ids(every_row(store, views.page, limit=5))


def test_a_state_is_named_once_however_often_it_is_given(store: Store, clock: Clock) -> None:
    id = one_in_each_state(store, clock)["failed"]
    assert [id] == ids(ask(store, views.page, status=["failed", "failed"]).rows)


FILTERS: dict[str, Any] = {"queue": "fast", "task_type": "report", "name": "weekly"}


def test_each_filter_narrows_each_list(store: Store, clock: Clock) -> None:
    """Two of each kind in each of three states, of which one fits."""
    for options in (FILTERS, {"queue": "slow", "task_type": "export", "name": "daily"}):
        created = store.alone(executions.create_many, [NewExecution(**options)] * 3)
        ready, running, done = (moved.id for moved in created.moved)
        held = begin(store, running, done)
        store.alone(executions.complete, next(each for each in held if each.id == done))
        assert ready != done
    for states in (None, "ready", "running", "completed", ["ready", "running", "completed"]):
        everything = ids(every_row(store, views.page, status=states))
        for name, value in FILTERS.items():
            fitting = [id for id in everything if getattr(execution(store, id), name) == value]
            assert (states, name, fitting) == (
                states, name, ids(every_row(store, views.page, status=states, limit=1, **{name: value})),
            )  # fmt: skip
            assert len(everything) == 2 * len(fitting)
        every_filter = ids(ask(store, views.page, status=states, **FILTERS).rows)
        assert [id for id in everything if execution(store, id).name == "weekly"] == every_filter
        assert [] == ask(store, views.page, status=states, **{**FILTERS, "queue": "slow"}).rows


def test_the_executions_of_a_task_and_of_a_pipeline_are_listed_by_their_states(store: Store, clock: Clock) -> None:
    task, other = store.alone(tasks.create, *(NewTask(name, "T", "noop") for name in ("a", "b")))
    started = store.alone(pipelines.start, pipelines.NewPipeline("p", [step("x"), step("y", "x")]))
    runs = [only(store.alone(executions.create, job(task_id=task.id))) for _ in range(3)]
    store.alone(executions.create, job(task_id=other.id))
    store.alone(executions.cancel, runs[:1])
    assert runs[::-1] == ids(every_row(store, views.page, task_id=task.id))
    assert runs[:1] == ids(ask(store, views.page, task_id=task.id, status=TASK.ends).rows)
    assert runs[:0:-1] == ids(ask(store, views.page, task_id=task.id, status=["ready", "running"]).rows)
    pipeline = started.pipelines[0].id
    inside = newest_first(store, E.c.pipeline_execution_id == pipeline)
    assert inside == ids(every_row(store, views.page, pipeline_execution_id=pipeline, limit=1))
    assert ["x"] == [row.name for row in ask(store, views.page, pipeline_execution_id=pipeline, status="ready").rows]
    assert [] == ask(store, views.page, pipeline_execution_id=pipeline, task_id=task.id).rows


def test_a_child_shows_what_became_of_its_parents(store: Store) -> None:
    graph = [step("a"), step("b"), step("c", "a", "b", requires_approval=True)]
    started = store.alone(pipelines.start, pipelines.NewPipeline("p", graph))
    by_name = {execution(store, moved.id).name: moved.id for moved in started.moved}
    (held,) = begin(store, by_name["a"])
    store.alone(executions.complete, held, Outcome({"rows": 7}))
    found = [(row.name, row.status, row.outcome) for row in ask(store, views.parents, by_name["c"])]
    assert [("a", "completed", {"success": True, "rows": 7}), ("b", "ready", None)] == found
    assert [] == ask(store, views.parents, by_name["a"])


def test_every_state_is_counted(store: Store, clock: Clock) -> None:
    assert dict.fromkeys(TASK.states, 0) == ask(store, views.counts)
    one_in_each_state(store, clock)
    there = {state: len(rows(store, E, E.c.status == state)) for state in TASK.states}
    assert there == ask(store, views.counts) == ask(store, views.counts, days=1)
    assert all(there.values())


def test_what_ended_long_ago_is_left_out_of_the_recent_numbers_and_what_lives_is_not(
    store: Store, clock: Clock
) -> None:
    one_in_each_state(store, clock)
    clock.pass_(timedelta(days=8))
    before, recent = ask(store, views.counts), ask(store, views.counts, days=7)
    assert {state: 0 if state in TASK.ends else before[state] for state in TASK.states} == recent
