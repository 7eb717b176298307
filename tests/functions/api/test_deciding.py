"""What people decide is on record with their words; what the state forbids is refused with what it allows."""

from typing import Any

import pytest

from penstock.dal import schema
from penstock.dal.store import Store
from penstock.domain.lifecycle import PIPELINE, TASK, Status
from tests.acting import Clock, rows
from tests.functions.api.scenes import Scene
from tests.functions.gateway import ARN, Client
from tests.reaching import REACH

DECISIONS = ("approve", "reject", "cancel", "skip", "reset", "pause", "resume")


@pytest.mark.parametrize("verb", DECISIONS)
def test_from_every_state_a_decision_is_taken_or_refused_with_what_is_legal(
    api: Client, wired: Store, clock: Clock, verb: str
) -> None:
    for state, reach in REACH.items():
        answer = api.post(f"/v1/task-executions/{reach(wired, clock).id}/{verb}")
        if any(state in move.sources for move in TASK.of(verb)):
            assert (state, 200) == (state, answer.status)
        else:
            assert (state, 409, list(TASK.legal_from(state))) == (
                answer.json["state"],
                answer.status,
                answer.json["legal_moves"],
            )


@pytest.mark.parametrize(
    ("state", "verb", "body", "recorded"),
    [
        (Status.PENDING, "approve", {"note": "looks fine"}, {"note": "looks fine"}),
        (Status.PENDING, "reject", {"reason": "too dear"}, {"reason": "too dear"}),
        (Status.PENDING, "skip", {"reason": "not today"}, {"reason": "not today"}),
        (Status.READY, "cancel", {"reason": "enough"}, {"reason": "enough"}),
        (Status.READY, "pause", {"reason": "insufficient_capacity"}, {"reason": "insufficient_capacity"}),
    ],
)
def test_words_and_actor_are_on_record(
    api: Client, wired: Store, clock: Clock, *, state: Status, verb: str, body: Any, recorded: Any
) -> None:
    path = f"/v1/task-executions/{REACH[state](wired, clock).id}"
    assert 200 == api.post(f"{path}/{verb}", body).status
    said = [(event["event_data"], event["actor"]) for event in api.get(f"{path}/events").json["items"]]
    assert (recorded, ARN) in said


def test_a_pause_keeps_its_plan_and_its_time(api: Client, wired: Store, clock: Clock) -> None:
    path = f"/v1/task-executions/{REACH[Status.READY](wired, clock).id}"
    plan = {"work_plan": {"after": "lunch"}, "resume_after": "2100-01-02T00:00:00Z"}
    assert 200 == api.post(f"{path}/pause", plan).status
    (entry,) = rows(wired, schema.pause_queue)
    assert ("manual_pause", plan["work_plan"]) == (entry.reason, entry.work_plan)
    assert plan["resume_after"] == entry.resume_after.isoformat().replace("+00:00", "Z")


@pytest.mark.parametrize(
    ("verb", "body", "pointer"),
    [
        ("approve", {"reason": "x"}, "#/reason"),
        ("approve", {"note": "a\x00b"}, "#/note"),
        ("approve", {"note": "x" * 10_001}, "#/note"),
        ("pause", {"reason": "lunch"}, "#/reason"),
        ("pause", {"resume_after": 7}, "#/resume_after"),
        ("pause", {"work_plan": {"\x00": 1}}, "#/work_plan"),
        ("resume", {"note": "x"}, "#/note"),
    ],
)
def test_words_that_cannot_go_on_record_are_refused(
    api: Client, wired: Store, clock: Clock, *, verb: str, body: Any, pointer: str
) -> None:
    answer = api.post(f"/v1/task-executions/{REACH[Status.PENDING](wired, clock).id}/{verb}", body)
    assert (422, [pointer]) == (answer.status, [flaw["pointer"] for flaw in answer.json["errors"]])


@pytest.mark.parametrize("verb", ["pause", "resume", "cancel"])
def test_from_every_state_a_pipeline_is_moved_or_the_refusal_says_what_is_legal(
    api: Client, scene: Scene, verb: str
) -> None:
    for before in ((), ("pause",), ("cancel",)):
        path = f"/v1/pipelines/{scene.pipeline()}"
        for earlier in before:
            api.post(f"{path}/{earlier}")
        state = api.get(path).json["status"]
        answer = api.post(f"{path}/{verb}")
        if any(state in move.sources for move in PIPELINE.of(verb)):
            assert (200, answer.body) == (answer.status, api.get(path).body)
        else:
            assert (409, state, list(PIPELINE.legal_from(state))) == (
                answer.status,
                answer.json["state"],
                answer.json["legal_moves"],
            )


def test_cancelling_a_pipeline_ends_what_is_in_it(api: Client, scene: Scene) -> None:
    path = f"/v1/pipelines/{scene.pipeline()}"
    cancelled = api.post(f"{path}/cancel", {"reason": "enough"}).json
    assert ("cancelled", 0) == (cancelled["status"], cancelled["unfinished"])
    assert {"cancelled"} == {item["status"] for item in api.get(f"{path}/tasks").json["items"]}
    assert {ARN, "tester"} == {event["actor"] for event in api.get(f"{path}/events").json["items"]}


def test_a_paused_pipeline_says_why(api: Client, scene: Scene) -> None:
    path = f"/v1/pipelines/{scene.pipeline()}"
    assert "lunch" == api.post(f"{path}/pause", {"reason": "lunch"}).json["pause_reason"]
