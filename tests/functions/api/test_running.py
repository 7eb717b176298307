"""Runs of the catalogue's tasks: one, many, or a graph of them; and what is said of those that cannot be."""

from typing import Any

import pytest

from penstock.dal import schema
from penstock.dal.store import Store
from penstock.domain import limits
from penstock.domain.tasks import CHECKS, NewTask, Run
from penstock.models import RunRequest, TaskChanges, TaskRequest
from penstock.models.catalogue import MOST_RUNS
from tests.acting import rows
from tests.functions.api.scenes import Scene
from tests.functions.gateway import TRACEPARENT, Client, payload

TASK = {
    "name": "report",
    "title": "Report",
    "task_type": "sql.run",
    "queue": "slow",
    "config": {"day": "today", "rows": 10},
    "metadata": {"team": "a"},
    "priority": 2,
    "max_attempts": 5,
    "retry": {"backoff": "fixed", "delay_seconds": 7},
    "timeout_seconds": 60,
}


def test_a_request_has_the_fields_of_what_the_catalogue_takes() -> None:
    assert set(CHECKS) == set(TaskRequest.model_fields) == set(TaskChanges.model_fields)
    assert set(Run.__dataclass_fields__) - {"traceparent"} == set(RunRequest.model_fields)
    asked = TaskRequest(name="report", title="Report", task_type="noop").wanted
    assert NewTask("report", "Report", "noop") == asked


@pytest.fixture
def task(api: Client) -> dict[str, Any]:
    created = api.post("/v1/tasks", TASK)
    assert f"/v1/tasks/{created.json['id']}" == created.headers["location"]
    return dict(api.get(created.headers["location"]).json)


def test_a_task_is_what_was_asked_for(task: dict[str, Any]) -> None:
    assert {**TASK, "retry": task["retry"]} == {name: task[name] for name in TASK}
    assert ("fixed", 7) == (task["retry"]["backoff"], task["retry"]["delay_seconds"])


def test_a_run_takes_from_its_task_what_it_does_not_bring(api: Client, task: dict[str, Any]) -> None:
    run = {"task": "report", "config": {"day": "tomorrow"}, "priority": 1, "available_at": "2100-01-01T02:00:00+01:00"}
    made = api.post("/v1/task-executions", run)
    shown = api.get(made.headers["location"])
    assert (made.body, made.etag) == (shown.body, shown.etag)
    known = shown.json
    assert {"day": "tomorrow", "rows": 10} == known["config"]
    assert ("report", task["id"], "slow", 1, 5, 60) == tuple(
        known[name] for name in ("name", "task_id", "queue", "priority", "max_attempts", "timeout_seconds")
    )
    assert "2100-01-01T01:00:00Z" == known["resume_at"]


@pytest.mark.usefixtures("task")
def test_many_runs_are_answered_in_their_order(api: Client, wired: Store) -> None:
    runs = [{"task": "report", "config": {"number": number}} for number in range(MOST_RUNS)]
    made = api.post("/v1/task-executions", {"executions": runs})
    config = {str(row.id): row.config["number"] for row in rows(wired, schema.task_executions)}
    assert list(range(MOST_RUNS)) == [config[item["id"]] for item in made.json["items"]]


@pytest.mark.usefixtures("task")
def test_more_runs_than_that_are_refused(api: Client, wired: Store) -> None:
    answer = api.post("/v1/task-executions", {"executions": [{"task": "report"}] * (MOST_RUNS + 1)})
    assert (422, "#/executions") == (answer.status, answer.json["errors"][0]["pointer"])
    assert [] == rows(wired, schema.task_executions)


@pytest.mark.usefixtures("task")
@pytest.mark.parametrize(
    ("path", "body", "pointer"),
    [
        ("task-executions", {"task": "nothing"}, "#/task"),
        ("task-executions", {}, "#/task"),
        ("task-executions", {"task": "report", "priority": "1"}, "#/priority"),
        ("task-executions", {"task": "report", "available_at": "tomorrow"}, "#/available_at"),
        ("task-executions", {"task": "report", "available_at": "2100-01-01T00:00:00"}, "#/available_at"),
        ("task-executions", {"task": "report", "config": {"nul": "\x00"}}, "#/config"),
        ("task-executions", {"task": "report", "metadata": {"half": "\ud800"}}, "#/metadata"),
        ("task-executions", {"task": "report", "config": {"x": "x" * limits.PAYLOAD}}, "#/config"),
        ("task-executions", {"task": "report", "a/b~c": 1}, "#/a~1b~0c"),
        ("task-executions", {"executions": []}, "#/executions"),
        ("task-executions", {"executions": [{"task": "report"}, {"task": "nothing"}]}, "#/executions/1/task"),
        ("task-executions", {"executions": [{"task": "report"}, {"task": "\x00"}]}, "#/executions/1/task"),
        ("task-executions", {"executions": [{"task": "report", "metadata": {"\x00": 1}}]}, "#/executions/0/metadata"),
        ("pipelines", {"name": "p", "steps": []}, "#/steps"),
        ("pipelines", {"name": " ", "steps": [{"task": "report"}]}, "#/name"),
        ("pipelines", {"name": "p", "steps": [{"task": "report"}, {"task": "nothing", "name": "b"}]}, "#/steps/1/task"),
        ("pipelines", {"name": "p", "steps": [{"task": "report"}] * 2}, "#/steps"),
        ("pipelines", {"name": "p", "steps": [{"task": "report", "depends_on": ["x"]}]}, "#/steps/0/depends_on"),
        ("pipelines", {"name": "p", "steps": [{"task": "report", "depends_on": ["report"]}]}, "#/steps"),
        ("pipelines", {"name": "p", "steps": [{"task": "report", "trigger_rule": "never"}]}, "#/steps/0/trigger_rule"),
        ("pipelines", {"name": "p", "input": {"nul": "\x00"}, "steps": [{"task": "report"}]}, "#/input"),
        ("tasks", {**TASK, "name": ""}, "#/name"),
        ("tasks", {**TASK, "retry": {"backoff": "never"}}, "#/retry/backoff"),
        ("tasks", {**TASK, "retry": {"jitter": 2}}, "#/retry/jitter"),
        ("tasks", {**TASK, "retry": {"on": ["\x00"]}}, "#/retry/on"),
    ],
)
def test_what_cannot_be_is_said_with_its_place(api: Client, path: str, body: Any, pointer: str) -> None:
    answer = api.post(f"/v1/{path}", body)
    assert (422, "invalid-input", [pointer]) == (
        answer.status,
        answer.kind,
        [flaw["pointer"] for flaw in answer.json["errors"]],
    )


def test_everything_that_is_wrong_is_said_at_once(api: Client) -> None:
    answer = api.post("/v1/tasks", {"name": "report", "priority": 9, "colour": "red"})
    assert {"#/title", "#/task_type", "#/priority", "#/colour"} == {flaw["pointer"] for flaw in answer.json["errors"]}


@pytest.mark.usefixtures("task")
def test_a_name_is_taken_once(api: Client) -> None:
    answer = api.post("/v1/tasks", TASK)
    assert (409, "name-taken") == (answer.status, answer.kind)


def test_a_task_in_use_stays(api: Client, scene: Scene) -> None:
    id = scene.task()
    scene.run()
    answer = api("DELETE", f"/v1/tasks/{id}")
    assert (409, "in-use") == (answer.status, answer.kind)


@pytest.mark.usefixtures("task")
def test_a_pipeline_is_shown_as_it_was_submitted(api: Client) -> None:
    steps = [
        {"task": "report"},
        {"task": "report", "name": "asked", "depends_on": ["report"], "config": {"day": "monday"}},
        {"task": "report", "name": "always", "depends_on": ["asked"], "trigger_rule": "all_done"},
    ]
    made = api.post("/v1/pipelines", {"name": "nightly", "input": {"day": 1}, "steps": steps})
    shown = api.get(made.headers["location"])
    assert (201, made.body, made.etag) == (made.status, shown.body, shown.etag)
    assert ("nightly", "running", {"day": 1}, 3) == tuple(
        shown.json[name] for name in ("name", "status", "input", "unfinished")
    )
    listed = api.get(f"{made.headers['location']}/tasks").json["items"]
    assert [("report", "ready"), ("asked", "pending"), ("always", "pending")] == [
        (item["name"], item["status"]) for item in listed
    ]
    assert {TRACEPARENT} == {item["traceparent"] for item in [*listed, shown.json]}
    (parent,) = api.get(f"/v1/task-executions/{listed[1]['id']}/parents").json["items"]
    assert ("report", "ready", None) == (parent["name"], parent["status"], parent["outcome"])


def test_what_is_run_again_names_what_it_repeats(api: Client, scene: Scene) -> None:
    scene.task()
    first = scene.run()
    refused = api.post(f"/v1/task-executions/{first}/retry")
    assert (409, "illegal-move", "ready") == (refused.status, refused.kind, refused.json["state"])
    api.post(f"/v1/task-executions/{first}/cancel")
    again = api.post(f"/v1/task-executions/{first}/retry")
    assert (201, str(first), "ready") == (again.status, again.json["retry_of"], again.json["status"])
    assert f"/v1/task-executions/{again.json['id']}" == again.headers["location"]


def test_an_address_keeps_the_prefix_under_which_the_api_was_reached(api: Client, scene: Scene) -> None:
    event = payload("POST", "/v1/tasks", TASK)
    event["rawPath"] = "/test/v1/tasks"
    event["requestContext"]["stage"] = "test"
    assert "/test/v1/tasks/" in api.send(event).headers["location"]
