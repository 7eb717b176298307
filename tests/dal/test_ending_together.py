"""A child that ends in the same statement as its parent ends once, and its own children hear of it once."""

from collections.abc import Callable
from typing import Any

import pytest

from penstock.dal import executions, pipelines, schema
from penstock.dal.store import Store
from penstock.domain.lifecycle import Status
from penstock.domain.pipelines import TriggerRule
from tests.acting import begin, event_types, execution, row, step


@pytest.mark.parametrize(
    ("verb", "event"), [(executions.cancel, "TaskCancelled"), (executions.skip, "TaskSkipped")], ids=["cancel", "skip"]
)
@pytest.mark.parametrize("turned", [False, True])
def test_who_waits_for_another_parent_goes_on_waiting(
    store: Store, verb: Callable[..., Any], event: str, *, turned: bool
) -> None:
    graph = [
        step("parent", requires_approval=True),
        step("child", "parent"),
        step("other"),
        step("last", "child", "other", rule=TriggerRule.ALL_DONE),
    ]
    started = store.alone(pipelines.start, pipelines.NewPipeline("p", graph))
    ids = {execution(store, moved.id).name: moved.id for moved in started.moved}
    together = [ids["parent"], ids["child"]]
    store.alone(verb, together[::-1] if turned else together)
    assert ["TaskCreated", event] == event_types(store, ids["child"])
    last = execution(store, ids["last"])
    assert (Status.PENDING, 1, 1) == (last.status, last.waiting_on, last.parents_failed + last.parents_skipped)
    assert 2 == row(store, schema.pipeline_executions, started.pipelines[0].id).unfinished
    (running,) = begin(store, ids["other"])
    store.alone(executions.complete, running)
    assert Status.READY == execution(store, ids["last"]).status
