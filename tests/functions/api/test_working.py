"""Workers that are not Python: they take, hold and settle over HTTP, and are told when they hold nothing any more."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from penstock.dal import executions, schema
from penstock.dal.store import Store
from penstock.domain import limits
from penstock.domain.executions import NewExecution
from penstock.domain.lifecycle import TASK, Status
from penstock.domain.retry import Retry
from penstock.http.pages import LARGEST_ANSWER
from tests.acting import MINUTE, Clock, event_types, job, only, row, rows
from tests.functions.gateway import Answer, Client
from tests.reaching import REACH

E = schema.task_executions
CLAIM = {"queue": "default", "worker": "worker", "limit": 10}
HOUR = timedelta(hours=1)


def claim(api: Client, **more: Any) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = api.post("/v1/task-executions/claim", {**CLAIM, **more}).json["items"]
    return items


def verb(api: Client, name: str, job: Any, **more: Any) -> Answer:
    """What the holder of a job says of it."""
    return api.post(f"/v1/task-executions/{job['id']}/{name}", {"lease": job["lease"], **more})


def begun(api: Client, store: Store, **options: Any) -> dict[str, Any]:
    """A job that has begun to run."""
    wanted = NewExecution("job", "noop", **{"retry": Retry(backoff="fixed", delay_seconds=60, jitter=0), **options})
    id = only(store.alone(executions.create, wanted))
    return dict(api.post(f"/v1/task-executions/{id}/begin", {"worker": "worker"}).json)


def test_a_worker_takes_starts_and_completes(api: Client, wired: Store) -> None:
    wired.alone(executions.create, job(config={"rows": 3}, metadata={"team": "a"}))
    (taken,) = claim(api)
    assert ("claimed", {"rows": 3}, {"team": "a"}) == (taken["status"], taken["config"], taken["metadata"])
    assert "running" == verb(api, "start", taken).json["status"]
    outcome = {"output": {"written": 3}, "services_touched": ["s3"], "suggestions": [{"do": "less"}]}
    done = verb(api, "complete", taken, **outcome)
    assert ("completed", {"success": True, "written": 3}, ["s3"], [{"do": "less"}]) == tuple(
        done.json[name] for name in ("status", "outcome", "services_touched", "suggestions")
    )
    assert (done.body, done.etag) == ((shown := api.get(f"/v1/task-executions/{taken['id']}")).body, shown.etag)


def test_nothing_to_do_is_an_empty_list(api: Client) -> None:
    assert [] == claim(api)


def test_a_worker_takes_as_much_as_it_asks_for_of_its_own_queue(api: Client, wired: Store) -> None:
    wired.alone(executions.create, *(job(queue=queue) for queue in ("a", "a", "a", "b")))
    assert 2 == len(claim(api, queue="a", limit=2))
    assert 1 == len(claim(api, queue="a", limit=2))


def test_a_claim_is_held_as_long_as_was_asked_for(api: Client, wired: Store, clock: Clock) -> None:
    wired.alone(executions.create, job())
    (taken,) = claim(api, hold_for_seconds=90)
    clock.pass_(timedelta(seconds=91))
    wired.alone(executions.recover)
    assert Status.READY == row(wired, E, UUID(taken["id"])).status


def test_what_does_not_fit_into_an_answer_is_given_back(api: Client, wired: Store) -> None:
    large = {"text": '"' * (limits.PAYLOAD // 2 - 100)}
    wired.alone(executions.create, *(job(config=large) for _ in range(12)))
    answer = api.post("/v1/task-executions/claim", {**CLAIM, "limit": 12})
    states = [execution.status for execution in rows(wired, E)]
    assert len(answer.json["items"]) == states.count(Status.CLAIMED) == 12 - states.count(Status.READY)
    assert 0 < len(answer.json["items"]) < 12
    assert len(str(answer.raw)) < LARGEST_ANSWER * 1.2


def test_what_was_not_begun_can_be_given_back(api: Client, wired: Store) -> None:
    wired.alone(executions.create, job())
    (taken,) = claim(api)
    assert "ready" == verb(api, "release", taken).json["status"]
    assert 1 == len(claim(api))


# --- failing -----------------------------------------------------------------------------------------------------


def test_a_failure_is_tried_again_as_the_policy_says(api: Client, wired: Store, clock: Clock) -> None:
    failed = verb(api, "fail", begun(api, wired), error="boom", error_type="Timeout").json
    assert ("ready", 2, "boom") == (failed["status"], failed["attempt"], failed["error"])
    assert (clock.now + MINUTE).isoformat().replace("+00:00", "Z") == failed["resume_at"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"max_attempts": 1}, {}),
        ({"retry": Retry(never=("Boom",))}, {"error_type": "Boom"}),
        ({"retry": Retry(on=("Other",))}, {"error_type": "Boom"}),
        ({}, {"final": True}),
    ],
)
def test_a_failure_that_is_not_worth_another_attempt_is_the_end(
    api: Client, wired: Store, options: Any, said: dict[str, Any]
) -> None:
    failed = verb(api, "fail", begun(api, wired, **options), error="boom", services_touched=["s3"], **said).json
    assert ("failed", "boom", ["s3"]) == (failed["status"], failed["error"], failed["services_touched"])
    assert {"success": False, "error_type": said.get("error_type", "Error")} == failed["outcome"]


def test_a_run_that_waits_goes_on_later(api: Client, wired: Store, clock: Clock) -> None:
    until = (clock.now + HOUR).isoformat()
    deferred = verb(api, "defer", begun(api, wired), until=until).json
    assert ("deferred", 1) == (deferred["status"], deferred["attempt"])


# --- holding -----------------------------------------------------------------------------------------------------


def test_a_heartbeat_holds_on_and_never_past_the_end_of_the_run(api: Client, wired: Store, clock: Clock) -> None:
    held = begun(api, wired, timeout_seconds=60)
    end = (clock.now + timedelta(seconds=60 + limits.LEASE_MARGIN_SECONDS)).isoformat().replace("+00:00", "Z")
    clock.pass_(timedelta(seconds=50))
    assert end == verb(api, "heartbeat", held, hold_for_seconds=3600).json["lease_expires_at"]


@pytest.mark.parametrize("name", ["start", "release", "heartbeat", "complete", "fail", "defer"])
def test_a_worker_whose_lease_is_lost_is_told_to_stop(api: Client, wired: Store, clock: Clock, name: str) -> None:
    state = Status.CLAIMED if name in ("start", "release") else Status.RUNNING
    stage = REACH[state](wired, clock)
    said = {"fail": {"error": "boom"}, "defer": {"until": "2100-02-01T00:00:00Z"}}.get(name, {})
    answer = verb(api, name, {"id": stage.id, "lease": str(uuid4())}, **said)
    assert (409, "lease-lost", state) == (answer.status, answer.kind, answer.json["state"])
    assert list(TASK.legal_from(state)) == answer.json["legal_moves"]
    assert state == row(wired, E, stage.id).status


def test_a_worker_is_told_that_its_job_was_cancelled(api: Client, wired: Store) -> None:
    held = begun(api, wired)
    api.post(f"/v1/task-executions/{held['id']}/cancel", {"reason": "enough"})
    answers = [verb(api, "heartbeat", held), verb(api, "complete", held)]
    assert [(409, "cancelled", [])] * 2 == [(a.status, a.json["state"], a.json["legal_moves"]) for a in answers]


def test_what_is_not_due_cannot_be_begun(api: Client, wired: Store, clock: Clock) -> None:
    id = only(wired.alone(executions.create, job(available_at=clock.now + HOUR)))
    answer = api.post(f"/v1/task-executions/{id}/begin", {"worker": "worker"})
    assert (409, "illegal-move", "ready") == (answer.status, answer.kind, answer.json["state"])
    assert "is not due before 2100-01-01T01:00:00" in answer.json["detail"]


def test_a_lease_is_shown_to_nobody_else(api: Client, wired: Store) -> None:
    held = begun(api, wired)
    path = f"/v1/task-executions/{held['id']}"
    shown = [api.get(path), api.get("/v1/task-executions"), api.get(f"{path}/events")]
    assert [False] * 3 == [held["lease"] in (answer.body or "") for answer in shown]


def test_the_history_names_the_worker_and_who_it_is(api: Client, wired: Store) -> None:
    held = begun(api, wired)
    verb(api, "complete", held)
    assert ["TaskCreated", "TaskMarkedReady", "TaskClaimed", "TaskStarted", "TaskCompleted"] == event_types(
        wired, UUID(held["id"])
    )
    last = api.get(f"/v1/task-executions/{held['id']}/events").json["items"][-1]
    assert ("worker", "arn:aws:iam::012345678901:user/alice") == (last["worker_id"], last["actor"])
