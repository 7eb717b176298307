"""The requests in events/, as `sam local invoke` sends them, one after another to one database."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.functions.gateway import Client, payload

EVENTS = Path(__file__).parents[3] / "events"
# In an order in which each finds what it needs.
ANSWERS = {
    "create_task": 201,
    "create_task_in_base64": 201,
    "run_task": 201,
    "run_many": 201,
    "start_pipeline": 201,
    "list_task_executions": 200,
    "claim": 200,
    "health": 200,
    "health_by_token": 200,
    "nobody": 401,
    "malformed": 400,
}


def event(case: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((EVENTS / f"api.{case}.json").read_text())
    return read


def test_there_is_an_answer_to_every_event() -> None:
    assert {file.name.split(".")[1] for file in EVENTS.glob("api.*.json")} == set(ANSWERS)


def test_each_event_is_answered_as_it_should_be(api: Client) -> None:
    assert {case: api.send(event(case)).status for case in ANSWERS} == ANSWERS


def test_a_body_in_base64_is_the_same_body(api: Client) -> None:
    assert "Größe" == api.send(event("create_task_in_base64")).json["title"]


def test_the_payloads_that_tests_make_have_the_form_of_these() -> None:
    made = payload("POST", "/v1/tasks", {"name": "report"}, headers={"Idempotency-Key": "k"})
    assert _form(event("create_task")) == _form(made)


def _form(value: Any) -> Any:
    return {name: _form(each) for name, each in value.items()} if isinstance(value, Mapping) else type(value)
