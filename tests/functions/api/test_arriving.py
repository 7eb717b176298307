"""Who may come in, which bodies can be read, and what is said to those that may not or cannot."""

import base64
from collections.abc import Mapping
from typing import Any

import pytest

from penstock import wiring
from penstock.dal import schema
from penstock.dal.store import Store
from penstock.http.arrivals import LARGEST_BODY
from tests.acting import rows
from tests.functions.api.scenes import SCOPE, Scene
from tests.functions.gateway import ARN, NOBODY, TRACEPARENT, Answer, Client, payload, token

TASK = {"name": "report", "title": "Report", "task_type": "noop"}
OTHER_TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture
def engine_kind() -> str:
    """What is decided here is decided before the database is asked: one engine is enough."""
    return "sqlite"


def creator(wired: Store, api: Client, **more: Any) -> Any:
    """Who is on record for a run that somebody asks for."""
    assert 201 == api.post("/v1/task-executions", {"task": "report"}, **more).status
    (execution,) = rows(wired, schema.task_executions)
    (event, *_) = rows(wired, schema.execution_events)
    assert execution.created_by == event.actor
    return execution


def test_an_iam_principal_is_on_record(api: Client, wired: Store, scene: Scene) -> None:
    scene.task()
    assert ARN == creator(wired, api).created_by


def test_the_subject_of_a_token_is_on_record(api: Client, wired: Store, scene: Scene) -> None:
    scene.task()
    assert "alice" == creator(wired, api, authorizer=token("alice", f"other {SCOPE}")).created_by


def test_without_an_identity_nobody_is_let_in(api: Client) -> None:
    answer = api.get("/v1/tasks", authorizer=NOBODY)
    assert (401, "unauthenticated") == (answer.status, answer.kind)
    assert "AWS4-HMAC-SHA256, Bearer" == answer.headers["www-authenticate"]


def test_who_is_not_let_in_does_not_learn_what_is_there(api: Client) -> None:
    assert [401] * 2 == [api.get(path, authorizer=NOBODY).status for path in ("/v1/nothing", "/v1/tasks/x")]


@pytest.mark.parametrize("name", ["", " ", "x" * 201, "a\x00b"])
def test_a_caller_whose_name_cannot_go_on_record_is_nobody(api: Client, name: str) -> None:
    assert 401 == api.get("/v1/tasks", authorizer=token(name, SCOPE)).status


def test_a_token_without_the_scope_is_not_enough(api: Client) -> None:
    answer = api.get("/v1/tasks", authorizer=token("alice", f"{SCOPE}/other"))
    assert (403, "forbidden") == (answer.status, answer.kind)
    assert f'Bearer error="insufficient_scope", scope="{SCOPE}"' == answer.headers["www-authenticate"]


def test_the_actor_local_exists_only_where_the_deployment_says_so(
    api: Client, wired: Store, scene: Scene, environ: Mapping[str, str]
) -> None:
    scene.task()
    wiring.compose({**environ, "PENSTOCK_LOCAL": "true"}, scene.clock)
    assert "local" == creator(wiring.store("reader"), api, authorizer=NOBODY).created_by


# --- traces ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "stored"),
    [
        ({"traceparent": OTHER_TRACE}, OTHER_TRACE),
        ({}, TRACEPARENT),
        ({"traceparent": "damaged"}, TRACEPARENT),
        ({"x-amzn-trace-id": "damaged"}, None),
    ],
)
def test_the_trace_of_a_request_goes_with_what_it_sets_going(
    api: Client, wired: Store, scene: Scene, headers: Mapping[str, str], stored: str | None
) -> None:
    scene.task()
    assert stored == creator(wired, api, headers=headers).traceparent
    assert [stored] == [bell.traceparent for bell in rows(wired, schema.task_outbox)]


def test_a_problem_names_its_trace_and_its_request(api: Client) -> None:
    said = api.get("/v1/nothing", headers={"traceparent": OTHER_TRACE}).json
    assert "4bf92f3577b34da6a3ce929d0e0e4736" == said["trace_id"]
    assert "urn:uuid:7a1b4f80-0000-4000-8000-000000000000" == said["instance"]


# --- bodies ------------------------------------------------------------------------------------------------------


def post(api: Client, body: str, **headers: str) -> Answer:
    return api.post("/v1/tasks", body, headers={"content-type": "application/json", **headers})


@pytest.mark.parametrize(
    "body",
    [
        '{"name": "report"',
        '{"name": "a"} {"name": "b"}',
        '{"name": NaN}',
        '{"priority": Infinity}',
        "[" * 100_000,
        "\ufeff{}",
    ],
)
def test_what_is_not_json_cannot_be_read(api: Client, body: str) -> None:
    answer = post(api, body)
    assert (400, "malformed-request") == (answer.status, answer.kind)


def test_bytes_that_are_not_utf8_cannot_be_read(api: Client) -> None:
    event = payload("POST", "/v1/tasks", base64.b64encode(b'{"name": "\xff"}').decode())
    assert (400, "malformed-request") == ((answer := api.send({**event, "isBase64Encoded": True})).status, answer.kind)


@pytest.mark.parametrize("body", ["[]", "null", '"text"', "1", '[{"name": "report"}]'])
def test_a_body_is_one_object(api: Client, body: str) -> None:
    answer = post(api, body)
    assert (422, [{"pointer": "#", "detail": "must be a JSON object"}]) == (answer.status, answer.json["errors"])


def test_a_body_that_must_be_there_is_missed(api: Client) -> None:
    answer = api.post("/v1/tasks")
    assert (422, "#") == (answer.status, answer.json["errors"][0]["pointer"])


def test_a_body_may_have_a_mebibyte_and_no_byte_more(api: Client) -> None:
    assert 422 == post(api, '"' + "x" * (LARGEST_BODY - 2) + '"').status
    answer = post(api, '"' + "x" * (LARGEST_BODY - 1) + '"')
    assert (413, "too-large") == (answer.status, answer.kind)


def test_bytes_count_and_not_characters(api: Client) -> None:
    assert 413 == post(api, '"' + "é" * (LARGEST_BODY // 2) + '"').status


@pytest.mark.parametrize(
    "media_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""]
)
def test_a_body_is_json_or_it_is_refused(api: Client, media_type: str) -> None:
    answer = post(api, "{}", **{"content-type": media_type})
    assert (415, "unsupported-media-type") == (answer.status, answer.kind)


@pytest.mark.parametrize("media_type", ["application/json; charset=utf-8", "Application/JSON"])
def test_json_may_be_spelled_as_http_allows(api: Client, media_type: str) -> None:
    assert 201 == api.post("/v1/tasks", TASK, headers={"content-type": media_type}).status


# --- paths and methods -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/v1/tasks", "GET, POST"),
        ("POST", "/v1/tasks/x", "DELETE, GET, PATCH"),
        ("HEAD", "/v1/health", "GET"),
        ("DELETE", "/v1/task-executions/x/cancel", "POST"),
    ],
)
def test_a_method_that_is_not_there_is_told_which_are(api: Client, method: str, path: str, allowed: str) -> None:
    answer = api(method, path)
    assert (405, "method-not-allowed", allowed) == (answer.status, answer.kind, answer.headers["allow"])


@pytest.mark.parametrize(
    "path", ["/", "/v1", "/v2/tasks", "/v1/tasks/", "/v1/tasks/x/y", "/v1/task-executions/x/explode"]
)
def test_a_path_that_is_not_there_is_not_found(api: Client, path: str) -> None:
    answer = api.get(path)
    assert (404, "not-found") == (answer.status, answer.kind)


@pytest.mark.parametrize("id", ["1", "report", "%00", "01a20df0-3fb7-74ca-9749-6fa09086087", "a%2Fb"])
def test_an_id_that_is_none_is_the_id_of_nothing(api: Client, id: str) -> None:
    answers = [api.get(f"/v1/{collection}/{id}") for collection in ("tasks", "task-executions", "pipelines")]
    assert [(404, "not-found")] * 3 == [(answer.status, answer.kind) for answer in answers]
