"""Dependents: each rule with each pair of ends, early decisions, skips that go on and on, and who handles a failure."""

from collections.abc import Callable
from itertools import product
from typing import Any
from uuid import UUID

import pytest

from penstock.dal import executions, pipelines, schema
from penstock.dal.store import Store
from penstock.domain.executions import Job, Outcome
from penstock.domain.lifecycle import Status
from penstock.domain.pipelines import Step, TriggerRule
from tests.acting import begin, event_types, execution, row, rows, step
from tests.dal.asking import rolled_back
from tests.reaching import BOOM

# What becomes of a child whose two parents have ended: S in success, F in failure, K skipped for another reason.
BOTH = """
                SS    SF    SK    FF    FK    KK
all_success     run   skip  skip  skip  skip  skip
all_done        run   run   run   run   run   run
one_success     run   run   run   skip  skip  skip
one_failed      skip  run   skip  run   run   skip
all_failed      skip  skip  skip  run   skip  skip
none_failed     run   skip  run   skip  skip  run
"""
# And while the other one has not.
FIRST = """
                S     F     K
all_success     wait  skip  skip
all_done        wait  wait  wait
one_success     run   wait  wait
one_failed      wait  run   wait
all_failed      skip  wait  skip
none_failed     wait  skip  wait
"""
MEANS = {"run": Status.READY, "skip": Status.SKIPPED, "wait": Status.PENDING}


def table(text: str) -> dict[tuple[str, str], Status]:
    """A table as (rule, ends) -> state."""
    head, *lines = (line.split() for line in text.strip().splitlines())
    return {(rule, ends): MEANS[cell] for rule, *cells in lines for ends, cell in zip(head, cells, strict=True)}


class Started:
    """A pipeline whose tasks are known by their names."""

    def __init__(self, store: Store, *graph: Step) -> None:
        effects = store.alone(pipelines.start, pipelines.NewPipeline("p", graph))
        self.store = store
        self.id: UUID = effects.pipelines[0].id
        self.ids = {execution(store, moved.id).name: moved.id for moved in effects.moved}

    def begin(self, *names: str) -> list[Job]:
        return begin(self.store, *(self.ids[name] for name in names))

    def succeed(self, name: str) -> None:
        (held,) = self.begin(name)
        self.store.alone(executions.complete, held)

    def fail(self, name: str) -> None:
        (held,) = self.begin(name)
        self.store.alone(executions.fail, held, BOOM)

    def skip(self, name: str) -> None:
        self.store.alone(executions.pause, [self.ids[name]])
        self.store.alone(executions.skip, [self.ids[name]])

    def end(self, name: str, how: str) -> None:
        {"S": self.succeed, "F": self.fail, "K": self.skip}[how](name)

    def __getitem__(self, name: str) -> Any:
        return execution(self.store, self.ids[name])

    def states(self) -> dict[str, str]:
        return {name: self[name].status for name in self.ids}

    @property
    def row(self) -> Any:
        return row(self.store, schema.pipeline_executions, self.id)


def test_the_tables_have_every_rule() -> None:
    assert {(rule, ends) for rule, ends in product(TriggerRule, ("SS", "SF", "SK", "FF", "FK", "KK"))} == set(
        table(BOTH)
    )
    assert set(product(TriggerRule, "SFK")) == set(table(FIRST))


@pytest.mark.parametrize("rule", TriggerRule)
def test_a_child_follows_its_rule_whichever_parent_ends_first(store: Store, rule: TriggerRule) -> None:
    for first, second in product("SFK", repeat=2):
        wanted = (table(FIRST)[rule, first], table(BOTH)[rule, "".join(sorted(first + second, key="SFK".index))])
        started = Started(store, step("a"), step("b"), step("child", "a", "b", rule=rule))
        started.end("a", first)
        early = started["child"].status
        started.end("b", second)
        assert (first, second, *wanted) == (first, second, early, started["child"].status)


@pytest.mark.parametrize("rule", TriggerRule)
def test_two_parents_that_end_in_one_statement_count_once_each(store: Store, rule: TriggerRule) -> None:
    for ends in ("SS", "SF", "FF"):
        started = Started(store, step("a"), step("b"), step("child", "a", "b", rule=rule))
        settlements = [
            executions.Settlement.complete(held, Outcome()) if end == "S" else executions.Settlement.fail(held, BOOM)
            for held, end in zip(started.begin("a", "b"), ends, strict=True)
        ]
        store.alone(executions.settle, settlements)
        child = started["child"]
        assert (ends, table(BOTH)[rule, ends]) == (ends, child.status)
        assert (0, ends.count("S"), ends.count("F"), 0) == (
            child.waiting_on, child.parents_succeeded, child.parents_failed, child.parents_skipped,
        )  # fmt: skip


def test_cancelled_and_rejected_parents_have_failed(store: Store) -> None:
    for verb in (executions.cancel, executions.reject):
        parent = step("a", requires_approval=True)
        started = Started(store, parent, step("handler", "a", rule=TriggerRule.ONE_FAILED), step("next", "a"))
        store.alone(verb, [started.ids["a"]])
        assert (Status.READY, Status.SKIPPED) == (started["handler"].status, started["next"].status)


# --- skips go on -------------------------------------------------------------------------------------------------

CHAIN = [step("a"), *(step(child, parent) for parent, child in zip("abcde", "bcdef", strict=True))]


def test_a_failure_skips_level_after_level_in_one_transaction(store: Store) -> None:
    started = Started(store, *CHAIN)
    (held,) = started.begin("a")
    effects = store.alone(executions.fail, held, BOOM)
    assert {started.ids[name] for name in "bcdef"} == {moved.id for moved in effects.children}
    assert {"a": "failed", **dict.fromkeys("bcdef", "skipped")} == started.states()
    assert [["TaskCreated", "TaskSkipped"]] * 5 == [event_types(store, started.ids[name]) for name in "bcdef"]
    assert ("failed", 0, 1) == (started.row.status, started.row.unfinished, started.row.failed)


def test_a_failure_that_is_rolled_back_has_skipped_nothing(store: Store) -> None:
    started = Started(store, *CHAIN)
    (held,) = started.begin("a")
    with rolled_back(store) as tx:
        assert 5 == len(executions.fail(tx, held, BOOM).children)
    assert {"a": "running", **dict.fromkeys("bcdef", "pending")} == started.states()


def test_a_child_is_skipped_once_however_many_ways_lead_to_it(store: Store) -> None:
    graph = [step("a"), step("b", "a"), step("c", "a"), step("d", "a", "b"), step("e", "b", "c", "d")]
    started = Started(store, *graph)
    started.fail("a")
    assert {"a": "failed", **dict.fromkeys("bcde", "skipped")} == started.states()
    assert [2] * 4 == [started[name].version for name in "bcde"]
    assert ("failed", 0) == (started.row.status, started.row.unfinished)


def test_a_skip_because_of_a_failure_is_a_failure_for_the_next(store: Store) -> None:
    handler = step("handler", "b", rule=TriggerRule.ONE_FAILED)
    started = Started(store, step("a"), step("b", "a"), handler, step("c", "b", rule=TriggerRule.NONE_FAILED))
    started.fail("a")
    assert {"a": "failed", "b": "skipped", "handler": "ready", "c": "skipped"} == started.states()
    (event,) = rows(
        store,
        schema.execution_events,
        schema.execution_events.c.event_type == "TaskSkipped",
        schema.execution_events.c.task_execution_id == started.ids["b"],
    )
    assert {"because": "a parent failed"} == event.event_data


def test_a_skip_for_another_reason_is_no_failure_for_the_next(store: Store) -> None:
    handler = step("handler", "b", rule=TriggerRule.ONE_FAILED)
    started = Started(store, step("a"), step("b", "a"), handler, step("c", "b", rule=TriggerRule.NONE_FAILED))
    started.skip("a")
    assert {"a": "skipped", "b": "skipped", "handler": "skipped", "c": "ready"} == started.states()


def test_a_handler_that_nobody_needs_is_no_failure_for_the_next(store: Store) -> None:
    handler = step("handler", "a", rule=TriggerRule.ONE_FAILED)
    started = Started(store, step("a"), handler, step("report", "handler", rule=TriggerRule.NONE_FAILED))
    started.succeed("a")
    assert {"a": "completed", "handler": "skipped", "report": "ready"} == started.states()


def test_the_children_of_what_somebody_skips_are_skipped_with_it(store: Store) -> None:
    started = Started(store, step("a", requires_approval=True), *CHAIN[1:])
    store.alone(executions.skip, [started.ids["a"]])
    assert dict.fromkeys("abcdef", "skipped") == started.states()
    assert ("completed", 0, 0) == (started.row.status, started.row.unfinished, started.row.failed)


# --- early firing, pauses and approvals ----------------------------------------------------------------------------


@pytest.mark.parametrize(("rule", "end"), [(TriggerRule.ONE_SUCCESS, "S"), (TriggerRule.ONE_FAILED, "F")])
def test_who_fires_early_waits_for_nothing_ever_again(store: Store, rule: TriggerRule, end: str) -> None:
    for later in "SFK":
        started = Started(store, step("a"), step("b"), step("child", "a", "b", rule=rule))
        started.end("a", end)
        fired = started["child"]
        assert (Status.READY, 0) == (fired.status, fired.waiting_on)
        started.end("b", later)
        assert fired == started["child"]


@pytest.mark.parametrize(("rule", "end"), [(TriggerRule.ONE_SUCCESS, "S"), (TriggerRule.ONE_FAILED, "F")])
def test_who_fired_early_while_paused_is_ready_when_resumed(store: Store, rule: TriggerRule, end: str) -> None:
    for later in "SFK":
        started = Started(store, step("a"), step("b"), step("child", "a", "b", rule=rule))
        store.alone(executions.pause, [started.ids["child"]])
        started.end("a", end)
        assert (Status.PAUSED, 0) == (started["child"].status, started["child"].waiting_on)
        started.end("b", later)
        store.alone(executions.resume, [started.ids["child"]])
        assert (later, Status.READY) == (later, started["child"].status)


def test_what_asks_for_an_approval_waits_for_it_after_its_parents(store: Store) -> None:
    started = Started(store, step("a"), step("child", "a", requires_approval=True))
    started.succeed("a")
    assert (Status.PENDING, 0) == (started["child"].status, started["child"].waiting_on)
    store.alone(executions.approve, [started.ids["child"]])
    assert Status.READY == started["child"].status


def test_what_was_approved_waits_for_its_parents(store: Store) -> None:
    started = Started(store, step("a"), step("child", "a", requires_approval=True))
    store.alone(executions.approve, [started.ids["child"]])
    assert Status.APPROVED == started["child"].status
    started.succeed("a")
    assert ["TaskCreated", "TaskApproved", "TaskMarkedReady"] == event_types(store, started.ids["child"])


@pytest.mark.parametrize("before", [executions.pause, executions.approve])
def test_paused_and_approved_children_are_skipped_too(store: Store, before: Callable[..., Any]) -> None:
    started = Started(store, step("a"), step("child", "a", requires_approval=True))
    store.alone(before, [started.ids["child"]])
    started.fail("a")
    assert Status.SKIPPED == started["child"].status
    assert [] == rows(store, schema.pause_queue)


# --- who handles a failure ---------------------------------------------------------------------------------------

HANDLES = {
    TriggerRule.ALL_SUCCESS: False, TriggerRule.ALL_DONE: True, TriggerRule.ONE_SUCCESS: False,
    TriggerRule.ONE_FAILED: True, TriggerRule.ALL_FAILED: True, TriggerRule.NONE_FAILED: False,
}  # fmt: skip


@pytest.mark.parametrize("rule", TriggerRule)
def test_a_failure_that_a_child_waits_for_does_not_fail_the_pipeline(store: Store, rule: TriggerRule) -> None:
    started = Started(store, step("a"), step("child", "a", rule=rule), step("apart"))
    assert (HANDLES[rule], False, False) == tuple(started[name].failure_handled for name in ("a", "child", "apart"))
    started.fail("a")
    if started["child"].status == Status.READY:
        started.succeed("child")
    assert "running" == started.row.status
    started.succeed("apart")
    assert ("completed" if HANDLES[rule] else "failed", int(not HANDLES[rule])) == (
        started.row.status, started.row.failed,
    )  # fmt: skip


def test_a_handler_that_fails_fails_the_pipeline(store: Store) -> None:
    started = Started(store, step("a"), step("handler", "a", rule=TriggerRule.ONE_FAILED))
    started.fail("a")
    started.fail("handler")
    assert ("failed", 1) == (started.row.status, started.row.failed)
