"""What crosses a boundary: requests are as strict as the domain, answers have the fields of the views, none has drifted."""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa
from pydantic import ValidationError
from sqlalchemy import orm

from penstock import models
from penstock import orm as mapped
from penstock.dal import events, executions, pipelines, schema
from penstock.dal.store import Store
from penstock.dal.views import audit
from penstock.dal.views import events as event_views
from penstock.dal.views import executions as execution_views
from penstock.dal.views import outbox as outbox_views
from penstock.dal.views import pipelines as pipeline_views
from penstock.dal.views import tasks as task_views
from penstock.domain import limits
from penstock.domain.errors import InvalidInput
from penstock.domain.events import NewEvent
from penstock.domain.executions import NewExecution, Outcome
from penstock.domain.lifecycle import NOTES
from penstock.domain.pipelines import Step, TriggerRule
from penstock.domain.retry import Retry
from penstock.models.answers import Answer
from tests import shapes
from tests.acting import START, Clock, begin, execution, job, only, run, step
from tests.migrations.rows import ROWS, inserts

EXECUTION: dict[str, Any] = {"name": "report", "task_type": "sql.run"}
ID = uuid4()

# --- requests: the domain's fields, the domain's bounds -----------------------------------------------------------

SAME_FIELDS: list[tuple[Any, set[str]]] = [
    (models.RetryRequest, set(Retry.__dataclass_fields__)),
    (models.ExecutionRequest, set(NewExecution.__dataclass_fields__)),
    (models.StepRequest, {*NewExecution.__dataclass_fields__, "depends_on", "trigger_rule"}),
    (models.PipelineRequest, set(pipelines.NewPipeline.__dataclass_fields__) - {"graph"}),
    (models.NewExecutionEvent, set(NewEvent.__dataclass_fields__)),
]


@pytest.mark.parametrize(("model", "fields"), SAME_FIELDS, ids=lambda value: getattr(value, "__name__", ""))
def test_a_request_has_the_fields_of_what_is_wanted(model: Any, fields: set[str]) -> None:
    assert fields == set(model.model_fields)


def test_what_is_left_out_is_what_the_domain_takes_for_usual() -> None:
    assert NewExecution("report", "sql.run") == models.ExecutionRequest(**EXECUTION).wanted
    assert Step(NewExecution("report", "sql.run")) == models.StepRequest(**EXECUTION).wanted
    assert Retry() == models.RetryRequest().wanted


def test_everything_that_is_asked_for_arrives() -> None:
    asked = {
        **EXECUTION,
        "queue": "slow", "config": {"sql": "SELECT 1"}, "metadata": {"team": "ops"}, "workspace_path": "a/b", "priority": 1,
        "max_attempts": 7, "retry": {"backoff": "fixed", "delay_seconds": 3, "never": ["BadInput"]}, "timeout_seconds": 60,
        "requires_approval": True, "available_at": "2100-01-01T01:00:00+01:00", "task_id": str(ID), "retry_of": str(ID),
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    }  # fmt: skip
    assert set(models.ExecutionRequest.model_fields) == set(asked)
    retry = Retry("fixed", delay_seconds=3, never=("BadInput",))
    expected = NewExecution(**{**asked, "retry": retry, "available_at": START, "task_id": ID, "retry_of": ID})
    assert expected == models.ExecutionRequest.model_validate_json(json.dumps(asked)).wanted
    assert expected == models.ExecutionRequest.model_validate(asked).wanted


def test_a_pipeline_arrives_as_a_checked_graph() -> None:
    asked = {
        "name": "nightly",
        "steps": [
            {**EXECUTION, "name": "load", "depends_on": ["fetch"], "trigger_rule": "all_done"},
            {**EXECUTION, "name": "fetch"},
        ],
        "input": {"day": 1},
        "workflow_id": str(ID),
        "workflow_version": 3,
        "retry_of": str(ID),
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    }
    assert set(models.PipelineRequest.model_fields) == set(asked)
    wanted = models.PipelineRequest.model_validate(asked).wanted
    steps = [
        Step(NewExecution("load", "sql.run"), ("fetch",), TriggerRule.ALL_DONE),
        Step(NewExecution("fetch", "sql.run")),
    ]
    assert (
        pipelines.NewPipeline(
            "nightly", steps, {"day": 1}, ID, 3, ID, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        )
        == wanted
    )
    assert ["fetch", "load"] == [each.name for each in wanted.graph.steps]


WRONG: list[tuple[str, Any]] = [
    ("name", "n" * (limits.NAME + 1)),
    ("name", " "),
    ("name", "a\x00b"),
    ("name", "\ud800"),
    ("task_type", "t" * (limits.NAME + 1)),
    ("queue", "q" * (limits.QUEUE + 1)),
    ("config", {"k": "v" * limits.PAYLOAD}),
    ("config", {"k": float("nan")}),
    ("metadata", {"k": "v" * limits.PAYLOAD}),
    ("workspace_path", "p" * (limits.PATH + 1)),
    ("priority", limits.PRIORITY[0] - 1),
    ("priority", limits.PRIORITY[1] + 1),
    ("max_attempts", limits.ATTEMPTS[1] + 1),
    ("timeout_seconds", limits.TIMEOUT_SECONDS[1] + 1),
    ("available_at", datetime(2100, 1, 1)),  # noqa: DTZ001 - a naive one is what is refused
    ("available_at", datetime(999, 1, 1, tzinfo=UTC)),
    ("available_at", datetime.max.replace(tzinfo=timezone(timedelta(hours=-1)))),
    ("traceparent", "t" * (limits.NAME + 1)),
]


@pytest.mark.parametrize(("field", "value"), WRONG)
def test_what_the_domain_refuses_the_request_refuses_in_the_same_field(field: str, value: Any) -> None:
    with pytest.raises(InvalidInput) as by_domain:
        NewExecution(**{**EXECUTION, field: value})
    assert field == by_domain.value.field
    with pytest.raises(ValidationError) as by_request:
        models.ExecutionRequest(**{**EXECUTION, field: value})
    assert [(field,)] == [error["loc"] for error in by_request.value.errors()]


EDGES: list[tuple[str, Any]] = [
    ("name", "n" * limits.NAME),
    ("queue", "q" * limits.QUEUE),
    ("workspace_path", "p" * limits.PATH),
    *(("priority", value) for value in limits.PRIORITY),
    *(("max_attempts", value) for value in limits.ATTEMPTS),
    *(("timeout_seconds", value) for value in limits.TIMEOUT_SECONDS),
]


@pytest.mark.parametrize(("field", "value"), EDGES)
def test_what_the_domain_just_takes_the_request_takes(field: str, value: Any) -> None:
    wanted = models.ExecutionRequest(**{**EXECUTION, field: value}).wanted
    assert NewExecution(**{**EXECUTION, field: value}) == wanted


@pytest.mark.parametrize("field", ["delay_seconds", "factor", "cap_seconds", "jitter"])
def test_a_retry_has_the_same_bounds_on_both_sides(field: str) -> None:
    low, high = getattr(
        limits, {"jitter": "RETRY_JITTER", "factor": "RETRY_FACTOR"}.get(field, f"RETRY_{field.upper()}")
    )
    for value in (low, high):
        assert Retry(**{field: value}) == models.RetryRequest(**{field: value}).wanted
    for value in (low - 0.5, high + 0.5):
        with pytest.raises(InvalidInput, match=f"retry.{field}"):
            Retry(**{field: value})
        with pytest.raises(ValidationError, match=field):
            models.RetryRequest(**{field: value})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("priority", "3"), ("priority", 3.0), ("priority", True), ("requires_approval", "yes"), ("requires_approval", 1),
        ("available_at", 4102444800), ("available_at", "41"), ("available_at", "tomorrow"), ("name", 7),
        ("config", "{}"), ("config", [1]), ("task_id", "7"), ("colour", "blue"), ("status", "completed"),
        ("retry", {"colour": 1}),
        ("retry", {"backoff": "quadratic"}), ("retry", {"jitter": "0.5"}), ("retry", {"on": "Timeout"}),
    ],
)  # fmt: skip
def test_nothing_is_guessed(field: str, value: Any) -> None:
    with pytest.raises(ValidationError) as refused:
        models.ExecutionRequest.model_validate({**EXECUTION, field: value})
    assert {field} == {error["loc"][0] for error in refused.value.errors()}


def steps(*edges: tuple[str, list[str]], **more: Any) -> dict[str, Any]:
    return {"name": "p", "steps": [{**EXECUTION, "name": name, "depends_on": on, **more} for name, on in edges]}


@pytest.mark.parametrize(
    ("asked", "place", "problem"),
    [
        (steps(("a", ["b"]), ("b", ["a"])), ("steps",), "form a cycle: "),
        (steps(("a", []), ("a", [])), ("steps",), "two steps named 'a'"),
        (steps(("a.b", ["x"])), ("steps", "a.b", "depends_on"), "names no step of this pipeline: x"),
        (steps(("a", [" "])), ("steps", 0, "depends_on"), "not blank"),
        (steps(("a", []), priority=9), ("steps", 0, "priority"), "less than or equal to 5"),
        (steps(("a", []), trigger_rule="maybe"), ("steps", 0, "trigger_rule"), "all_success"),
        (steps(), ("steps",), "at least one step"),
        ({**steps(("a", [])), "input": {"k": "v" * limits.PAYLOAD}}, ("input",), "bytes of JSON"),
        ({**steps(("a", [])), "unfinished": 7}, ("unfinished",), "not permitted"),
    ],
)  # fmt: skip
def test_a_graph_that_cannot_run_is_refused_where_it_is_wrong(
    asked: dict[str, Any], place: tuple[Any, ...], problem: str
) -> None:
    with pytest.raises(ValidationError) as refused:
        models.PipelineRequest.model_validate(asked)
    (error,) = refused.value.errors()
    assert (place, True) == (error["loc"], problem in error["msg"])


def test_a_note_is_written_as_it_came_in(store: Store) -> None:
    id = only(store.alone(executions.create, job()))
    asked = models.NewExecutionEvent.model_validate(
        {"event_type": "TaskNoted", "task_execution_id": str(id), "event_data": {"why": "asked"}, "worker_id": "w"}
    )
    number = store.alone(events.write, asked.wanted)
    (noted,) = store.alone(event_views.list_by_type, "TaskNoted").rows
    assert (number, {"why": "asked"}, "w", "tester") == (
        noted.sequence_num, noted.event_data, noted.worker_id, noted.actor,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"event_type": "TaskCompleted", "task_execution_id": ID}, "event_type"),
        ({"event_type": "TaskNoted"}, "task_execution_id"),
        ({"event_type": "TaskNoted", "task_execution_id": ID, "worker_id": ""}, "worker_id"),
        ({"event_type": "TaskNoted", "task_execution_id": ID, "actor": "the king"}, "actor"),
    ],
)
def test_a_note_can_neither_pass_for_a_move_nor_for_somebody_else(asked: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError) as refused:
        models.NewExecutionEvent.model_validate(asked)
    assert [(field,)] == [error["loc"] for error in refused.value.errors()]


def test_a_wanted_pipeline_runs(store: Store) -> None:
    wanted = models.PipelineRequest.model_validate(steps(("a", []), ("b", ["a"]), max_attempts=1)).wanted
    started = store.alone(pipelines.start, wanted)
    assert {("a", 1), ("b", 1)} == {
        (execution(store, moved.id).name, execution(store, moved.id).max_attempts) for moved in started.moved
    }


def test_the_schema_for_callers_names_the_bounds_of_the_domain() -> None:
    fields = models.ExecutionRequest.model_json_schema()["properties"]
    assert limits.PRIORITY == (fields["priority"]["minimum"], fields["priority"]["maximum"])
    assert limits.NAME == fields["name"]["maxLength"]
    assert list(NOTES) == models.NewExecutionEvent.model_json_schema()["properties"]["event_type"]["enum"]
    assert not models.ExecutionRequest.model_json_schema()["additionalProperties"]
    steps_of_a_pipeline = models.PipelineRequest.model_json_schema()["properties"]["steps"]
    assert (1, limits.STEPS) == (steps_of_a_pipeline["minItems"], steps_of_a_pipeline["maxItems"])


# --- answers: the columns of the views -----------------------------------------------------------------------------

# Model, columns that it is made of, whether they say what may be missing.
ANSWERS: list[tuple[Any, Iterable[Any], bool]] = [
    (models.Task, task_views.OVERVIEW.c, False),
    (models.Workflow, schema.workflows.c, True),
    (models.TaskExecutionBrief, execution_views.BRIEF, True),
    (models.AuditedExecution, audit.AUDITED, True),
    (models.TaskExecution, execution_views.WHOLE, True),
    (models.PipelineExecutionBrief, pipeline_views.BRIEF, True),
    (models.PipelineExecution, schema.pipeline_executions.c, True),
    (models.ExecutionEvent, event_views.FACTS, True),
    (models.PauseQueueEntryModel, schema.pause_queue.c, True),
    (models.ToolExecution, schema.tool_executions.c, True),
    (models.Session, schema.sessions.c, True),
]


@pytest.mark.parametrize(("model", "columns", "sure"), ANSWERS, ids=lambda value: getattr(value, "__name__", ""))
def test_an_answer_says_of_each_column_what_its_view_says(model: Any, columns: Iterable[Any], *, sure: bool) -> None:
    said = {name: shapes.of_hint(field.annotation) for name, field in model.model_fields.items()}
    expected = {column.name: shapes.of_column(column) for column in columns}
    if sure:
        assert expected == said
    else:
        assert {name: kind for name, (kind, _) in expected.items()} == {name: kind for name, (kind, _) in said.items()}


def test_a_setting_has_the_fields_of_its_table_and_may_keep_its_value_to_itself() -> None:
    said = {name: shapes.of_hint(field.annotation) for name, field in models.Configuration.model_fields.items()}
    expected = {column.name: shapes.of_column(column) for column in schema.configurations.c}
    assert {**expected, "value": ("str", True)} == said


def plain(answer: Any) -> dict[str, Any]:
    fields: dict[str, Any] = answer.model_dump()
    return fields


def of_row(found: Any) -> dict[str, Any]:
    return dict(found._asdict())


@pytest.fixture
def finished(store: Store, clock: Clock) -> Any:
    """An execution that has ended, in a pipeline, with something in nearly every field."""
    started = store.alone(
        pipelines.start, pipelines.NewPipeline("p", [step("a", metadata={"k": 1}), step("b", "a")], {"day": 1})
    )
    (first,) = (moved.id for moved in started.moved if moved.status == "ready")
    (running,) = begin(store, first)
    store.alone(executions.complete, running, Outcome({"rows": 7}, ("crm",), ({"try": "again"},)))
    return started.pipelines[0].id, first


READERS: list[tuple[Any, Callable[[Store, Any, Any], Any]]] = [
    (models.TaskExecution, lambda store, _, task: store.alone(execution_views.by_id, task)),
    (models.TaskExecutionBrief, lambda store, *_: store.alone(execution_views.page, status="ready").rows[0]),
    (models.AuditedExecution, lambda store, *_: store.alone(audit.query).rows[0]),
    (models.PipelineExecution, lambda store, pipeline, _: store.alone(pipeline_views.by_id, pipeline)),
    (models.PipelineExecutionBrief, lambda store, *_: store.alone(pipeline_views.page).rows[0]),
    (models.ExecutionEvent, lambda store, _, task: store.alone(event_views.list_by_task, task).rows[-1]),
    (models.QueueLag, lambda store, *_: store.alone(outbox_views.lag)[0]),
]


@pytest.mark.parametrize(("model", "read"), READERS, ids=lambda value: getattr(value, "__name__", ""))
def test_what_a_view_reads_goes_out_whole(store: Store, finished: Any, model: Any, read: Any) -> None:
    found = read(store, *finished)
    assert of_row(found) == plain(model.model_validate(found))


def test_the_parents_of_an_execution_go_out_with_their_outcome(store: Store, finished: Any) -> None:
    (child,) = store.alone(execution_views.page, status="ready").rows
    (parent,) = store.alone(execution_views.parents, child.id)
    answer = models.Parent.model_validate(parent)
    assert of_row(parent) == plain(answer)
    assert (finished[1], {"success": True, "rows": 7}) == (answer.id, answer.outcome)


TABLES: list[tuple[Any, Any]] = [
    (models.Workflow, mapped.Workflow),
    (models.Task, mapped.TaskOverview),
    (models.TaskExecution, mapped.TaskExecution),
    (models.PipelineExecution, mapped.PipelineExecution),
    (models.ExecutionEvent, mapped.ExecutionEvent),
    (models.PauseQueueEntryModel, mapped.PauseQueueEntry),
    (models.ToolExecution, mapped.ToolExecution),
    (models.Session, mapped.Session),
    (models.Configuration, mapped.Configuration),
]


@pytest.mark.parametrize(("model", "source"), TABLES, ids=lambda value: value.__name__)
def test_a_mapped_object_goes_out_as_its_model(store: Store, model: Any, source: Any) -> None:
    run(store, *inserts(ROWS))
    with orm.Session(store.database.engine) as session:
        found = session.scalars(sa.select(source)).first()
        answer = plain(model.model_validate(found))
        names = {name: "metadata_" if name == "metadata" else name for name in answer}
        assert {name: getattr(found, attribute) for name, attribute in names.items()} == answer


def test_moments_go_out_in_utc_and_states_as_their_names(store: Store, clock: Clock, finished: Any) -> None:
    document = models.TaskExecution.model_validate(store.alone(execution_views.by_id, finished[1])).model_dump(
        mode="json"
    )
    assert ("2100-01-01T00:00:00Z", "completed", str(finished[1])) == (
        document["completed_at"], document["status"], document["id"],
    )  # fmt: skip


def test_only_who_takes_an_execution_is_told_its_lease() -> None:
    answers = [each for each in vars(models).values() if isinstance(each, type) and issubclass(each, Answer)]
    assert ["Job"] == [answer.__name__ for answer in answers if "lease" in answer.model_fields]


def test_a_secret_never_goes_out(store: Store) -> None:
    with store.database.engine.connect() as connection:
        for key, secret in (("colour", False), ("token", True)):
            connection.execute(sa.insert(schema.configurations).values(key=key, value="blue", is_secret=secret))
        found = connection.execute(sa.select(schema.configurations).order_by(schema.configurations.c.key)).all()
    answers = [models.Configuration.model_validate(each) for each in found]
    assert [("colour", "blue"), ("token", None)] == [(answer.key, answer.value) for answer in answers]


def test_the_pause_of_an_execution_goes_out(store: Store, clock: Clock) -> None:
    id = only(store.alone(executions.create, job(priority=2)))
    store.alone(executions.pause, [id], reason="insufficient_capacity", work_plan={"gpu": 1}, resume_after=clock.now)
    with store.database.engine.connect() as connection:
        (found,) = connection.execute(sa.select(schema.pause_queue))
    answer = models.PauseQueueEntryModel.model_validate(found)
    assert (id, {"gpu": 1}, "insufficient_capacity", clock.now, clock.now, 2) == (
        answer.task_execution_id, answer.work_plan, answer.reason, answer.paused_at, answer.resume_after, answer.priority,
    )  # fmt: skip


# --- rooms -------------------------------------------------------------------------------------------------------


def test_the_dal_brings_in_no_pydantic() -> None:
    """It is installed everywhere, and costs a cold start only where a boundary is crossed."""
    code = "import sys, penstock.wiring, penstock.dal.retention, penstock.dal.pipelines, penstock.dal.views.audit as a;"
    code += "print(*sorted(m for m in sys.modules if m.partition('.')[0] == 'pydantic'))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "" == re.sub(r"\s", "", done.stdout)
