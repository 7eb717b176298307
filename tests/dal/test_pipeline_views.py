"""What is asked about pipelines, their tasks, the catalogue and the doorbells."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import sqlalchemy as sa

from penstock.dal import executions, outbox, pipelines, schema
from penstock.dal import tasks as catalogue
from penstock.dal.store import Store
from penstock.dal.views import outbox as bells
from penstock.dal.views import pipelines as views
from penstock.dal.views import tasks
from penstock.domain.executions import Outcome
from penstock.domain.lifecycle import PIPELINE, TASK, PipelineStatus
from penstock.domain.tasks import NewTask
from tests.acting import MINUTE, Clock, begin, job, only, row, rows, step
from tests.dal.asking import ask, every_row, ids
from tests.reaching import BOOM

P = schema.pipeline_executions


def started(store: Store, name: str = "p", **options: Any) -> UUID:
    return store.alone(pipelines.start, pipelines.NewPipeline(name, [step("a")], **options)).pipelines[0].id


def in_state(store: Store, state: PipelineStatus, name: str) -> UUID:
    """A pipeline that the verbs have brought into a state."""
    effects = store.alone(pipelines.start, pipelines.NewPipeline(name, [step("a")]))
    id = effects.pipelines[0].id
    if state in (PipelineStatus.COMPLETED, PipelineStatus.FAILED):
        (held,) = begin(store, effects.moved[0].id)
        bad = state == PipelineStatus.FAILED
        settlement = executions.Settlement.fail(held, BOOM) if bad else executions.Settlement.complete(held, Outcome())
        store.alone(executions.settle, [settlement])
    if state == PipelineStatus.PAUSED:
        store.alone(pipelines.pause, [id])
    if state == PipelineStatus.CANCELLED:
        store.alone(pipelines.cancel, [id])
    return id


def test_one_is_shown_with_everything(store: Store) -> None:
    id = started(store, input={"day": "Monday"})
    assert row(store, P, id) == ask(store, views.by_id, id)
    assert ask(store, views.by_id, uuid4()) is None


def test_a_list_leaves_out_what_is_large(store: Store) -> None:
    started(store)
    (found,) = ask(store, views.page).rows
    assert {"input", "output"} == set(P.c.keys()) - set(found._fields)


def test_pipelines_are_listed_by_states_and_names_newest_first(store: Store) -> None:
    made = [(state, name, in_state(store, state, name)) for name in ("x", "y") for state in PipelineStatus]
    newest = made[::-1]
    assert [id for *_, id in newest] == ids(every_row(store, views.page, limit=3))
    for state in PIPELINE.states:
        assert [id for s, _, id in newest if s == state] == ids(every_row(store, views.page, status=state, limit=1))
    several = ("running", "failed", "cancelled")
    assert [id for s, _, id in newest if s in several] == ids(every_row(store, views.page, status=several))
    assert [id for _, name, id in newest if name == "x"] == ids(every_row(store, views.page, name="x"))
    both = every_row(store, views.page, name="x", status=several)
    assert [id for s, name, id in newest if name == "x" and s in several] == ids(both)
    assert [] == ask(store, views.page, name="z").rows


def test_the_runs_of_a_workflow_are_listed(store: Store) -> None:
    workflow = store.new_id()
    with store.database.engine.connect() as connection:
        connection.execute(sa.insert(schema.workflows).values(id=workflow, name="nightly", definition={}))
    runs = [started(store, workflow_id=workflow, workflow_version=1) for _ in range(3)]
    started(store)
    assert runs[::-1] == ids(every_row(store, views.page, workflow_id=workflow))
    assert [] == ask(store, views.page, workflow_id=workflow, status="failed").rows


def test_the_tasks_of_a_pipeline_come_in_an_order_in_which_they_could_run(store: Store) -> None:
    graph = [step("last", "left", "right"), step("left", "first"), step("right", "first"), step("first")]
    id = store.alone(pipelines.start, pipelines.NewPipeline("p", graph)).pipelines[0].id
    started(store)
    names = [task.name for task in every_row(store, views.tasks, id, limit=3)]
    assert ("first", {"left", "right"}, "last") == (names[0], set(names[1:3]), names[3])
    assert [0, 1, 2, 3] == [task.sequence for task in ask(store, views.tasks, id).rows]
    assert [] == ask(store, views.tasks, uuid4()).rows


# --- the catalogue -----------------------------------------------------------------------------------------------


def test_every_task_is_shown_with_its_newest_execution(store: Store) -> None:
    made = store.alone(catalogue.create, *(NewTask(name, "T", "noop") for name in ("c", "a", "b")))
    run, never, failed = made
    _, newest = (only(store.alone(executions.create, job(task_id=run.id))) for _ in range(2))
    (held,) = begin(store, only(store.alone(executions.create, job(task_id=failed.id))))
    store.alone(executions.fail, held, BOOM)
    found = [(task.name, task.status, task.error) for task in every_row(store, tasks.page)]
    assert [("a", None, None), ("b", "failed", "boom"), ("c", "ready", None)] == found
    shown = ask(store, tasks.by_id, run.id)
    assert shown
    assert (newest, "ready", 1) == (shown.execution_id, shown.status, shown.attempt)
    assert [failed.id] == ids(ask(store, tasks.page, status=["failed", "completed"]).rows)
    assert ask(store, tasks.by_id, uuid4()) is None
    assert never.id not in ids(ask(store, tasks.page, status=TASK.states).rows)


def test_tasks_are_listed_by_type_and_queue(store: Store) -> None:
    wanted = [NewTask(f"{kind}-{queue}", "T", kind, queue=queue) for kind in ("x", "y") for queue in ("fast", "slow")]
    store.alone(catalogue.create, *wanted)
    assert ["x-fast", "x-slow"] == [task.name for task in every_row(store, tasks.page, task_type="x", limit=1)]
    assert ["x-slow", "y-slow"] == [task.name for task in every_row(store, tasks.page, queue="slow", limit=1)]
    assert ["y-slow"] == [task.name for task in ask(store, tasks.page, queue="slow", task_type="y").rows]


# --- the doorbells -----------------------------------------------------------------------------------------------


def lag(store: Store, **filters: Any) -> list[tuple[Any, ...]]:
    return [
        (row.queue, row.due, row.delayed, row.halted, row.oldest, row.never_rung)
        for row in ask(store, bells.lag, **filters)
    ]


def test_the_lag_tells_the_due_the_delayed_and_the_halted_apart(store: Store, clock: Clock) -> None:
    assert [] == lag(store)
    begun = clock.now
    store.alone(executions.create, job(queue="a"), job(queue="a"), job(queue="b"))
    paused = started(store)
    store.alone(pipelines.pause, [paused])
    clock.pass_(MINUTE)
    store.alone(executions.create, job(queue="a"), job(queue="a", available_at=clock.now + timedelta(hours=1)))
    store.alone(outbox.ring, queue="a", limit=1)
    a, b = ("a", 3, 1, 0, begun, 2), ("b", 1, 0, 0, begun, 1)
    assert [a, b, ("default", 0, 0, 1, None, 0)] == lag(store)
    assert [b] == lag(store, queue="b")
    assert [] == lag(store, queue="c")


def test_what_has_become_due_is_no_longer_delayed(store: Store, clock: Clock) -> None:
    due = clock.now + MINUTE
    store.alone(executions.create, job(available_at=due))
    assert [("default", 0, 1, 0, None, 0)] == lag(store)
    clock.pass_(MINUTE)
    assert [("default", 1, 0, 0, due, 1)] == lag(store)


def test_claimed_work_is_no_lag(store: Store) -> None:
    begin(store, only(store.alone(executions.create, job())))
    assert ([], []) == (lag(store), rows(store, schema.task_outbox))
