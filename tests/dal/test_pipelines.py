"""A pipeline as a whole: begun, ended by its last task, paused, resumed and cancelled, and what cannot be begun."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from penstock.dal import executions, pipelines, schema
from penstock.dal.effects import Effects
from penstock.dal.store import Store
from penstock.domain.errors import InvalidInput
from penstock.domain.executions import Job, Outcome
from penstock.domain.lifecycle import Status
from penstock.domain.pipelines import Step
from tests.acting import MINUTE, Clock, begin, execution, only, row, rows, step
from tests.reaching import BOOM

P, E, D, V = (
    schema.pipeline_executions, schema.task_executions, schema.task_dependencies, schema.execution_events,
)  # fmt: skip


def start(store: Store, *graph: Step, **options: Any) -> Effects:
    return store.alone(pipelines.start, pipelines.NewPipeline("p", graph, **options))


def home(effects: Effects) -> UUID:
    return effects.pipelines[0].id


def claim(store: Store) -> list[Job]:
    return store.alone(executions.claim, queue="default", limit=10, worker="worker", hold_for=MINUTE)


def own_events(store: Store, id: UUID) -> list[Any]:
    return rows(store, V, V.c.pipeline_execution_id == id, V.c.task_execution_id.is_(None))


def test_a_pipeline_begins_with_its_tasks_and_edges(store: Store, clock: Clock) -> None:
    effects = start(store, step("c", "a", "b"), step("a"), step("b"), input={"day": 1})
    kept = row(store, P, home(effects))
    assert ("p", "running", {"day": 1}, 3, 0, "tester", clock.now, 1) == (
        kept.name, kept.status, kept.input, kept.unfinished, kept.failed, kept.created_by, kept.started_at, kept.version,
    )  # fmt: skip
    tasks = {task.name: task for task in rows(store, E)}
    assert {"a": ("ready", 0), "b": ("ready", 0), "c": ("pending", 2)} == {
        name: (task.status, task.waiting_on) for name, task in tasks.items()
    }
    assert {(tasks[p].id, tasks["c"].id) for p in "ab"} == {(edge.parent_id, edge.child_id) for edge in rows(store, D)}
    assert {tasks["a"].id, tasks["b"].id} == {bell.task_execution_id for bell in effects.bells}
    assert ["PipelineStarted"] == [event.event_type for event in own_events(store, home(effects))]


def test_several_pipelines_begin_as_one(store: Store) -> None:
    wanted = [pipelines.NewPipeline(name, [step("a"), step("b", "a")]) for name in ("x", "y", "z")]
    effects = store.alone(pipelines.start, *wanted)
    assert (3, 6, 3) == (len(effects.pipelines), len(effects.moved), len(effects.bells))
    assert {"x", "y", "z"} == {kept.name for kept in rows(store, P)}
    parents = {edge.child_id: edge.parent_id for edge in rows(store, D)}
    for child, parent in parents.items():
        assert execution(store, child).pipeline_execution_id == execution(store, parent).pipeline_execution_id


def test_a_parent_that_is_named_twice_is_waited_for_once(store: Store) -> None:
    effects = start(store, step("a"), step("b", "a", "a"))
    (held,) = begin(store, next(m.id for m in effects.moved if m.status == Status.READY))
    assert [Status.READY] == [child.status for child in store.alone(executions.complete, held).children]


def test_the_last_task_ends_the_pipeline(store: Store, clock: Clock) -> None:
    effects = start(store, step("a"), step("b"))
    first, second = begin(store, *effects.ids)
    assert [] == store.alone(executions.complete, first).pipelines
    assert 1 == row(store, P, home(effects)).unfinished
    clock.pass_(MINUTE)
    (ended,) = store.alone(executions.complete, second).pipelines
    kept = row(store, P, home(effects))
    assert ("completed", 2, clock.now, 0) == (kept.status, kept.version, kept.completed_at, kept.unfinished)
    assert (kept.id, "completed", 2) == (ended.id, ended.status, ended.version)
    assert ["PipelineStarted", "PipelineCompleted"] == [event.event_type for event in own_events(store, kept.id)]


def test_a_failure_ends_the_pipeline_with_its_last_task_and_not_before(store: Store) -> None:
    effects = start(store, step("a"), step("b"))
    first, second = begin(store, *effects.ids)
    store.alone(executions.fail, first, BOOM)
    assert ("running", 1) == (row(store, P, home(effects)).status, row(store, P, home(effects)).failed)
    store.alone(executions.complete, second)
    assert "failed" == row(store, P, home(effects)).status


def test_many_pipelines_end_in_one_statement(store: Store) -> None:
    effects = store.alone(pipelines.start, *(pipelines.NewPipeline("p", [step("a"), step("b")]) for _ in range(5)))
    held = begin(store, *effects.ids)
    ended = store.alone(executions.settle, [executions.Settlement.complete(job, Outcome()) for job in held])
    assert ["completed"] * 5 == [moved.status for moved in ended.pipelines]


def test_a_retry_of_a_task_keeps_its_pipeline_waiting(store: Store, clock: Clock) -> None:
    effects = start(store, step("a"), step("b", "a"))
    (held,) = begin(store, next(m.id for m in effects.moved if m.status == Status.READY))
    moved = store.alone(executions.schedule_retry, held, BOOM, at=clock.now + MINUTE)
    assert ([], [], 2) == (moved.children, moved.pipelines, row(store, P, home(effects)).unfinished)


# --- pausing and resuming ----------------------------------------------------------------------------------------


def test_of_a_paused_pipeline_nothing_is_taken(store: Store, clock: Clock) -> None:
    effects = start(store, step("a"), step("b"))
    store.alone(pipelines.pause, [home(effects)], reason="lunch")
    kept = row(store, P, home(effects))
    assert ("paused", "lunch", clock.now, 2) == (kept.status, kept.pause_reason, kept.paused_at, kept.version)
    ids = list(effects.ids)
    assert ([], [], []) == (
        claim(store), begin(store, *ids), store.alone(executions.claim_these, ids, worker="w", hold_for=MINUTE),
    )  # fmt: skip
    assert {Status.READY} == {execution(store, id).status for id in ids}
    store.alone(pipelines.resume, [home(effects)])
    assert set(ids) == {job.id for job in claim(store)}
    kept = row(store, P, home(effects))
    assert ("running", None, None, 3) == (kept.status, kept.pause_reason, kept.paused_at, kept.version)
    assert [{}, {"reason": "lunch"}, {}] == [event.event_data for event in own_events(store, kept.id)]


def test_what_runs_in_a_paused_pipeline_goes_on(store: Store, clock: Clock) -> None:
    effects = start(store, step("a"), step("b", "a"), step("c"), step("d"))
    by_name = {execution(store, moved.id).name: moved.id for moved in effects.moved}
    held = {job.name: job for job in begin(store, by_name["a"], by_name["c"], by_name["d"])}
    store.alone(pipelines.pause, [home(effects)])
    assert [Status.READY] == [child.status for child in store.alone(executions.complete, held["a"]).children]
    store.alone(executions.schedule_retry, held["c"], BOOM, at=clock.now)
    clock.pass_(timedelta(hours=1))
    store.alone(executions.recover)
    assert {"a": "completed", "b": "ready", "c": "ready", "d": "ready"} == {
        name: execution(store, id).status for name, id in by_name.items()
    }
    assert {by_name[name] for name in "bcd"} == {bell.task_execution_id for bell in rows(store, schema.task_outbox)}
    assert [] == claim(store)
    store.alone(pipelines.resume, [home(effects)])
    assert {"b", "c", "d"} == {job.name for job in claim(store)}


def test_a_paused_pipeline_ends_with_its_last_task(store: Store) -> None:
    effects = start(store, step("a"))
    (held,) = begin(store, only(effects))
    store.alone(pipelines.pause, [home(effects)])
    assert ["completed"] == [moved.status for moved in store.alone(executions.complete, held).pipelines]


def test_a_pause_is_of_one_pipeline(store: Store) -> None:
    paused, other = start(store, step("a")), start(store, step("a"))
    store.alone(pipelines.pause, [home(paused)])
    assert other.ids == {job.id for job in claim(store)}


# --- cancelling --------------------------------------------------------------------------------------------------


def test_a_cancelled_pipeline_keeps_what_had_ended_and_the_reason(store: Store) -> None:
    effects = start(store, step("a"), step("b", "a"), step("c", "b"))
    by_name = {execution(store, moved.id).name: moved.id for moved in effects.moved}
    (held,) = begin(store, by_name["a"])
    store.alone(executions.complete, held)
    store.alone(pipelines.cancel, [home(effects)], reason="enough")
    assert {"a": "completed", "b": "cancelled", "c": "cancelled"} == {
        name: execution(store, id).status for name, id in by_name.items()
    }
    kept = row(store, P, home(effects))
    assert ("cancelled", "enough", 0) == (kept.status, kept.error, kept.unfinished)
    assert {"reason": "enough"} == own_events(store, kept.id)[-1].event_data


def test_several_pipelines_are_cancelled_at_once_and_no_other(store: Store) -> None:
    one, two, other = (start(store, step("a"), step("b", "a")) for _ in range(3))
    cancelled = store.alone(pipelines.cancel, [home(one), home(two), home(one)])
    assert ({home(one), home(two)}, 4) == ({moved.id for moved in cancelled.pipelines}, len(cancelled.moved))
    assert "running" == row(store, P, home(other)).status


def test_a_pipeline_and_its_retry_are_linked(store: Store) -> None:
    first = start(store, step("a"))
    store.alone(pipelines.cancel, [home(first)])
    assert home(first) == row(store, P, home(start(store, step("a"), retry_of=home(first)))).retry_of


# --- what cannot be begun ----------------------------------------------------------------------------------------

BAD: dict[str, tuple[str, dict[str, Any]]] = {
    "no name": ("name: must be a text that is not blank", {"name": " "}),
    "a long name": ("name: is 201 characters long; at most 200", {"name": "n" * 201}),
    "a large input": ("input: is .* bytes of JSON; at most 262,144", {"input": {"x": "y" * 262_144}}),
    "an input that is no object": ("input: must be a JSON object", {"input": ["x"]}),
    "no steps": ("steps: is empty", {"steps": []}),
    "too many steps": ("steps: has 1,001 entries; at most 1,000", {"steps": [step(f"s{n}") for n in range(1_001)]}),
    "two of a name": ("steps: has two steps named 'a'", {"steps": [step("a"), step("a")]}),
    "an unknown parent": ("steps.b.depends_on: names no step .*: x", {"steps": [step("a"), step("b", "a", "x")]}),
    "a step that waits for itself": ("steps: form a cycle: a -> a", {"steps": [step("a", "a")]}),
    "a cycle": ("steps: form a cycle", {"steps": [step("a", "c"), step("b", "a"), step("c", "b"), step("d")]}),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_pipeline_is_refused_before_it_begins(name: str) -> None:
    message, options = BAD[name]
    with pytest.raises(InvalidInput, match=message):
        pipelines.NewPipeline(**{"name": "p", "steps": [step("a")], **options})


def test_a_step_with_an_unknown_rule_is_refused() -> None:
    rule: Any = "all_sucess"
    with pytest.raises(InvalidInput, match=r"steps.b.trigger_rule: is 'all_sucess'; it must be one of all_success"):
        step("b", "a", rule=rule)


def test_a_pipeline_of_a_thousand_steps_begins(store: Store) -> None:
    chain = [step("s0"), *(step(f"s{n}", f"s{n - 1}") for n in range(1, 1_000))]
    assert 1_000 == len(start(store, *chain).moved)
