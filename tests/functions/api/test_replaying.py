"""A request under an idempotency key has one effect and one answer, however often it comes."""

from typing import Any

import pytest

from penstock.dal import executions, idempotency, schema
from penstock.dal.store import Store
from penstock.domain.lifecycle import Status
from penstock.http.replay import KEPT_FOR
from tests.acting import Clock, row, rows
from tests.functions.api.scenes import SCOPE, Scene
from tests.functions.gateway import ARN, Answer, Client, token
from tests.reaching import REACH

RUN = {"task": "report"}
E = schema.task_executions


def run(api: Client, key: str, body: Any = RUN, **more: Any) -> Answer:
    return api.post("/v1/task-executions", body, headers={"Idempotency-Key": key}, **more)


def said(answer: Answer) -> tuple[int, Any, str | None]:
    """What a replay has to repeat."""
    usual = {name: value for name, value in answer.headers.items() if name != "idempotent-replayed"}
    return answer.status, usual, answer.body


def test_a_request_that_is_sent_again_gets_the_first_answer(
    api: Client, wired: Store, scene: Scene, clock: Clock
) -> None:
    scene.task()
    first = run(api, "key")
    wired.alone(executions.cancel, [execution.id for execution in rows(wired, E)])
    clock.pass_(KEPT_FOR / 2)
    again = run(api, "key")
    assert said(first) == said(again)
    assert (None, "true") == tuple(each.headers.get("idempotent-replayed") for each in (first, again))
    assert 1 == len(rows(wired, E))


def test_a_key_is_the_same_in_quotes_and_bare(api: Client, wired: Store, scene: Scene) -> None:
    scene.task()
    assert said(run(api, '"a,b \\"c\\""'))[2] == said(run(api, '"a,b \\"c\\""'))[2]
    assert said(run(api, "8e03978e-40d5"))[2] == said(run(api, '"8e03978e-40d5"'))[2]
    assert 2 == len(rows(wired, E))


@pytest.mark.parametrize("key", ["", '""', "two words", '"open', 'clo"sed', "é", "x" * 201, '"a\\b"', "a\x00"])
def test_a_key_that_is_none_is_refused(api: Client, wired: Store, scene: Scene, key: str) -> None:
    scene.task()
    answer = run(api, key)
    assert (400, "invalid-header") == (answer.status, answer.kind)
    assert "Idempotency-Key" == answer.json["errors"][0]["header"]
    assert [] == rows(wired, E)


def test_a_key_is_for_one_request(api: Client, wired: Store, scene: Scene) -> None:
    scene.task()
    assert 201 == run(api, "key").status
    answer = run(api, "key", {"task": "report", "priority": 1})
    assert (422, "key-reused") == (answer.status, answer.kind)
    elsewhere = api.post("/v1/pipelines", {"name": "p", "steps": [RUN]}, headers={"Idempotency-Key": "key"})
    assert (422, "key-reused") == (elsewhere.status, elsewhere.kind)
    assert 1 == len(rows(wired, E))


def test_the_order_of_the_fields_is_no_difference(api: Client, scene: Scene) -> None:
    scene.task()
    first = run(api, "key", '{"task": "report", "priority": 1}')
    assert 201 == first.status
    again = run(api, "key", '{"priority": 1, "task": "report"}')
    assert said(first) == said(again)


def test_a_key_is_its_callers_own(api: Client, wired: Store, scene: Scene) -> None:
    scene.task()
    first = run(api, "key")
    other = run(api, "key", authorizer=token("bob", SCOPE))
    assert first.json["id"] != other.json["id"]
    assert {ARN, "bob"} == {key.scope for key in rows(wired, schema.idempotency_keys)}


def test_a_request_that_was_refused_can_be_sent_again(api: Client, scene: Scene) -> None:
    assert 422 == run(api, "key").status
    scene.task()
    assert 201 == run(api, "key").status


def test_a_key_is_new_after_a_day(api: Client, wired: Store, scene: Scene, clock: Clock) -> None:
    scene.task()
    run(api, "key")
    clock.pass_(KEPT_FOR)
    assert "idempotent-replayed" not in run(api, "key").headers
    assert 2 == len(rows(wired, E))


def test_what_a_key_stands_for_is_deleted_by_the_usual_verb(
    api: Client, wired: Store, scene: Scene, clock: Clock
) -> None:
    scene.task()
    run(api, "key")
    clock.pass_(KEPT_FOR)
    assert 1 == wired.alone(idempotency.forget_expired, 10)


def test_a_worker_that_claims_again_gets_the_same_leases(api: Client, scene: Scene) -> None:
    scene.task()
    scene.run()
    claim = {"queue": "default", "worker": "w"}
    headers = {"Idempotency-Key": "key"}
    first, again = (api.post("/v1/task-executions/claim", claim, headers=headers) for _ in range(2))
    assert first.json == again.json
    assert 1 == len(first.json["items"])


def test_a_decision_is_replayed_although_the_state_no_longer_allows_it(api: Client, wired: Store, clock: Clock) -> None:
    id = REACH[Status.PENDING](wired, clock).id
    first, again = (
        api.post(
            f"/v1/task-executions/{id}/approve", {"note": "fine"}, headers={"Idempotency-Key": "k", "If-Match": '"v1"'}
        )
        for _ in range(2)
    )
    assert said(first) == said(again)
    assert (Status.READY, 200) == (row(wired, E, id).status, first.status)
