"""The catalogue in plain Python: what a task must be, what a change may be, and how a run becomes an execution."""

from dataclasses import fields, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from penstock.domain import limits
from penstock.domain.errors import InvalidInput
from penstock.domain.pipelines import TriggerRule
from penstock.domain.retry import Retry
from penstock.domain.tasks import CHECKS, NewTask, Run, RunStep, Task, checked

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
AT = datetime(2100, 1, 1, tzinfo=UTC)
EXPORT = Task(
    id=UUID(int=1),
    name="export",
    task_type="sql.run",
    queue="nightly",
    config={"table": "orders", "format": "csv"},
    metadata={"team": "data"},
    workspace_path="/exports",
    priority=2,
    max_attempts=5,
    retry={"backoff": "fixed", "delay_seconds": 7},
    timeout_seconds=60,
    requires_approval=True,
)

WRONG: list[tuple[str, Any, str]] = [
    ("name", " ", "not blank"),
    ("name", "n" * (limits.NAME + 1), "at most 200"),
    ("title", "", "not blank"),
    ("description", "d" * (limits.TEXT + 1), "at most 10,000"),
    ("task_type", "", "not blank"),
    ("queue", "q" * (limits.QUEUE + 1), "at most 80"),
    ("config", [], "must be a JSON object"),
    ("config", {"text": "x" * limits.PAYLOAD}, "at most 262,144"),
    ("metadata", "text", "must be a JSON object"),
    ("workspace_path", "p" * (limits.PATH + 1), "at most 1,000"),
    ("priority", 6, "from 1 to 5"),
    ("max_attempts", 0, "from 1 to 100"),
    ("retry", 3, "must be a retry policy"),
    ("timeout_seconds", 0, "from 1 to 86,400"),
    ("requires_approval", "yes", "true or false"),
]


@pytest.mark.parametrize(("field", "value", "problem"), WRONG)
def test_a_new_task_says_which_field_breaks_which_limit(field: str, value: Any, problem: str) -> None:
    values = {"name": "export", "title": "Export", "task_type": "sql.run", field: value}
    with pytest.raises(InvalidInput, match=f"^{field}: .*{problem}"):
        NewTask(**values)


@pytest.mark.parametrize(("field", "value", "problem"), WRONG)
def test_a_change_is_held_to_the_same(field: str, value: Any, problem: str) -> None:
    with pytest.raises(InvalidInput, match=f"^{field}: .*{problem}"):
        checked({field: value})


def test_every_field_of_a_task_is_checked() -> None:
    assert {field.name for field in fields(NewTask)} == set(CHECKS)


@pytest.mark.parametrize("field", ["description", "metadata", "workspace_path"])
def test_what_a_task_need_not_have_can_be_taken_away(field: str) -> None:
    assert {field: None} == checked({field: None})


def test_a_change_of_something_that_a_task_does_not_have_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"^status: is nothing that a task has; it has name, title"):
        checked({"status": "ready"})


def test_a_change_of_nothing_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"^changes: is empty"):
        checked({})


def test_a_retry_policy_may_come_as_json() -> None:
    assert {"retry": Retry(delay_seconds=9)} == checked({"retry": {"delay_seconds": 9}})


def test_a_run_takes_everything_from_its_task() -> None:
    execution = EXPORT.execution(Run("export"))
    same = ("name", "task_type", "queue", "config", "metadata", "workspace_path", "priority", "max_attempts")
    assert [getattr(EXPORT, name) for name in same] == [getattr(execution, name) for name in same]
    assert (60, True, EXPORT.id) == (execution.timeout_seconds, execution.requires_approval, execution.task_id)
    assert Retry("fixed", 7) == execution.retry


def test_what_a_run_brings_goes_first() -> None:
    run = Run("export", {"format": "json", "rows": 10}, {"ticket": 7}, 1, AT, TRACE)
    execution = EXPORT.execution(run)
    assert {"table": "orders", "format": "json", "rows": 10} == execution.config
    assert ({"ticket": 7}, 1, AT, TRACE) == (
        execution.metadata, execution.priority, execution.available_at, execution.traceparent,
    )  # fmt: skip


def test_configs_are_merged_by_their_top_level_keys_only() -> None:
    task = replace(EXPORT, config={"where": {"year": 2026, "month": 7}})
    assert {"where": {"year": 2027}} == task.execution(Run("export", {"where": {"year": 2027}})).config


def test_a_merged_config_may_not_grow_past_the_limit() -> None:
    half = "x" * (limits.PAYLOAD // 2)
    task = replace(EXPORT, config={"a": half})
    with pytest.raises(InvalidInput, match=r"^config: .* at most 262,144"):
        task.execution(Run("export", {"b": half}))


@pytest.mark.parametrize(("name", "expected"), [(None, "export"), ("first", "first")])
def test_a_step_bears_the_name_of_its_task_unless_it_has_its_own(name: str | None, expected: str) -> None:
    step = RunStep(Run("export"), name, ("before",), TriggerRule.ALL_DONE).of(EXPORT)
    assert (expected, ("before",), TriggerRule.ALL_DONE) == (step.name, step.depends_on, step.trigger_rule)


def test_a_step_without_a_name_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"^name: must be a text that is not blank"):
        RunStep(Run("export"), "").of(EXPORT)
