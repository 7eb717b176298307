"""Lists: each page has the way to the next one, every filter is known or refused, and no page is too large for Lambda."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from penstock.dal import executions, tasks
from penstock.dal.store import Store
from penstock.domain import limits
from penstock.domain.lifecycle import Status
from penstock.domain.tasks import NewTask
from penstock.http.pages import LARGEST_ANSWER
from tests.acting import Clock, job
from tests.functions.api.scenes import Scene
from tests.functions.gateway import Answer, Client
from tests.reaching import REACH


def turn(api: Client, path: str, query: str = "") -> Iterator[Answer]:
    """Every page of a list, by its Link header."""
    answer = api.get(path, query=query)
    yield answer
    while "link" in answer.headers:
        target, relation = answer.headers["link"].split("; ")
        assert 'rel="next"' == relation
        next_page = urlsplit(target.strip("<>"))
        assert f"cursor={answer.json['next_cursor']}" in next_page.query
        answer = api.get(next_page.path, query=next_page.query)
        yield answer
    assert answer.json["next_cursor"] is None


def test_every_item_is_on_one_page(api: Client, scene: Scene) -> None:
    names = [f"task {number}" for number in range(7)]
    for name in names:
        scene.task(name)
    pages = list(turn(api, "/v1/tasks", "limit=3&queue=default"))
    assert [3, 3, 1] == [len(page.json["items"]) for page in pages]
    assert names == [item["name"] for page in pages for item in page.json["items"]]


def test_each_list_can_be_turned(api: Client, scene: Scene) -> None:
    scene.task()
    started = api.post("/v1/pipelines", {"name": "p", "steps": [{"task": "report", "name": name} for name in "abc"]})
    path = started.headers["location"]
    for _ in range(2):
        scene.pipeline()
    one = started.json["id"]
    numbers = {
        "/v1/pipelines": 3,
        f"{path}/tasks": 3,
        f"{path}/events": 7,
        f"/v1/task-executions?pipeline_execution_id={one}": 3,
    }
    for target, number in numbers.items():
        where, _, query = target.partition("?")
        assert [1] * number == [len(page.json["items"]) for page in turn(api, where, f"limit=1&{query}".rstrip("&"))]


def test_the_tasks_of_a_pipeline_come_in_an_order_in_which_they_could_run(api: Client, scene: Scene) -> None:
    scene.task()
    steps = [{"task": "report", "name": "second", "depends_on": ["first"]}, {"task": "report", "name": "first"}]
    path = api.post("/v1/pipelines", {"name": "p", "steps": steps}).headers["location"]
    assert ["first", "second"] == [item["name"] for item in api.get(f"{path}/tasks").json["items"]]


@pytest.mark.parametrize("query", ["status=ready&status=paused", "status=ready,paused"])
def test_several_states_can_be_asked_for(api: Client, wired: Store, clock: Clock, query: str) -> None:
    for status in (Status.READY, Status.PAUSED, Status.CANCELLED):
        REACH[status](wired, clock)
    found = api.get("/v1/task-executions", query=query).json["items"]
    assert {"ready", "paused"} == {item["status"] for item in found}


def test_filters_are_all_meant(api: Client, wired: Store) -> None:
    wired.alone(executions.create, job("a", queue="fast"), job("a", queue="slow"), job("b", queue="fast"))
    query = [("name", "a"), ("queue", "fast"), ("task_type", "noop")]
    (found,) = api.get("/v1/task-executions", query=query).json["items"]
    assert ("a", "fast") == (found["name"], found["queue"])


@pytest.mark.parametrize(
    ("path", "query", "parameter"),
    [
        ("/v1/tasks", "staus=ready", "staus"),
        ("/v1/health", "verbose", "verbose"),
        ("/v1/tasks", "status=asleep", "status"),
        ("/v1/tasks", "limit=0", "limit"),
        ("/v1/tasks", "limit=1001", "limit"),
        ("/v1/tasks", "limit=ten", "limit"),
        ("/v1/tasks", "limit=1&limit=2", "limit"),
        ("/v1/tasks", "queue=", "queue"),
        ("/v1/tasks", "queue=a&queue=b", "queue"),
        ("/v1/tasks", "queue=a%00b", "queue"),
        ("/v1/tasks", "cursor=nonsense", "cursor"),
        ("/v1/tasks", "cursor=", "cursor"),
        ("/v1/task-executions", "task_id=7", "task_id"),
    ],
)
def test_a_parameter_that_is_not_usable_is_named(api: Client, path: str, query: str, parameter: str) -> None:
    answer = api.get(path, query=query)
    assert (400, "invalid-parameter") == (answer.status, answer.kind)
    assert parameter == answer.json["errors"][0]["parameter"].partition(".")[0]


def test_a_cursor_of_another_list_is_refused(api: Client, scene: Scene) -> None:
    for name in "ab":
        scene.task(name)
    cursor = api.get("/v1/tasks", query="limit=1").json["next_cursor"]
    answer = api.get("/v1/pipelines", query=f"cursor={cursor}")
    assert (400, "cursor") == (answer.status, answer.json["errors"][0]["parameter"])


def test_an_operation_with_an_id_knows_no_parameters(api: Client, scene: Scene) -> None:
    assert 400 == api.get(f"/v1/tasks/{scene.task()}", query="limit=1").status


def test_a_page_that_lambda_would_refuse_is_shorter(api: Client, wired: Store) -> None:
    large: Any = {"text": '"' * (limits.PAYLOAD // 2 - 100)}
    names = [f"task {number:02}" for number in range(12)]
    for name in names:
        wired.alone(tasks.create, NewTask(name, name, "noop", config=large))
    pages = list(turn(api, "/v1/tasks", "limit=12"))
    assert names == [item["name"] for page in pages for item in page.json["items"]]
    assert 1 < len(pages) < len(names)
    assert {True} == {len(str(page.raw)) < LARGEST_ANSWER * 1.2 for page in pages}
