"""A change is based on what somebody has seen, or says that it does not matter; what is known already is not sent again."""

from datetime import timedelta
from uuid import UUID

import pytest

from penstock.dal import executions, schema
from penstock.dal.store import Store
from penstock.domain.lifecycle import Status
from tests.acting import Clock, row
from tests.functions.api.scenes import Scene
from tests.functions.gateway import Client
from tests.reaching import REACH

LATER = timedelta(hours=1)


def task_at(id: UUID) -> str:
    return f"/v1/tasks/{id}"


def test_a_task_is_changed_by_who_has_seen_it_as_it_is(api: Client, scene: Scene, clock: Clock) -> None:
    path = task_at(scene.task())
    seen = api.get(path)
    clock.pass_(LATER)
    changed = api("PATCH", path, {"title": "Better"}, headers={"If-Match": seen.etag})
    assert (200, "Better") == (changed.status, changed.json["title"])
    assert changed.etag == api.get(path).etag != seen.etag
    late = api("PATCH", path, {"title": "Best"}, headers={"If-Match": seen.etag})
    assert (412, "version-changed", "Better") == (late.status, late.kind, api.get(path).json["title"])


def test_two_changes_at_one_moment_have_different_tags(api: Client, scene: Scene) -> None:
    path = task_at(scene.task())
    tags = [api("PATCH", path, {"title": title}, headers={"If-Match": "*"}).etag for title in ("a", "b")]
    assert 2 == len(set(tags))


def test_a_change_must_say_what_it_is_based_on(api: Client, scene: Scene) -> None:
    answer = api("PATCH", task_at(scene.task()), {"title": "Better"})
    assert (428, "precondition-required") == (answer.status, answer.kind)


def test_what_is_left_out_of_a_change_stays(api: Client, scene: Scene) -> None:
    path = task_at(scene.task())
    before = api.get(path).json
    changes = {"queue": "slow", "retry": {"backoff": "fixed"}, "description": None}
    after = api("PATCH", path, changes, headers={"If-Match": "*"}).json
    assert ("slow", "fixed", None) == (after["queue"], after["retry"]["backoff"], after["description"])
    same = set(before) - {"queue", "retry", "updated_at"}
    assert {name: before[name] for name in same} == {name: after[name] for name in same}


@pytest.mark.parametrize(
    "changes", [{}, {"title": None}, {"config": None}, {"priority": "1"}, {"name": ""}, {"nonsense": 1}]
)
def test_a_change_that_cannot_be_is_refused(api: Client, scene: Scene, changes: dict[str, object]) -> None:
    answer = api("PATCH", task_at(scene.task()), changes, headers={"If-Match": "*"})
    pointer = "#" + "".join(f"/{name}" for name in changes)
    assert (422, [pointer]) == (answer.status, [flaw["pointer"] for flaw in answer.json["errors"]])


def test_a_task_that_has_changed_is_not_deleted(api: Client, scene: Scene, clock: Clock) -> None:
    path = task_at(scene.task())
    seen = api.get(path).etag
    clock.pass_(LATER)
    changed = api("PATCH", path, {"title": "Better"}, headers={"If-Match": seen}).etag
    assert 412 == api("DELETE", path, headers={"If-Match": seen}).status
    assert (204, None) == ((gone := api("DELETE", path, headers={"If-Match": changed})).status, gone.body)
    assert 404 == api.get(path).status


def test_a_decision_may_say_which_version_it_is_about(api: Client, wired: Store, clock: Clock) -> None:
    id = REACH[Status.READY](wired, clock).id
    path = f"/v1/task-executions/{id}"
    seen = api.get(path).etag
    wired.alone(executions.pause, [id])
    late = api.post(f"{path}/cancel", headers={"If-Match": seen})
    assert (412, "version-changed") == (late.status, late.kind)
    assert Status.PAUSED == row(wired, schema.task_executions, id).status
    done = api.post(f"{path}/cancel", headers={"If-Match": api.get(path).etag})
    assert (200, "cancelled", done.etag) == (done.status, done.json["status"], api.get(path).etag)


def test_a_decision_about_a_pipeline_may_say_so_too(api: Client, scene: Scene) -> None:
    path = f"/v1/pipelines/{scene.pipeline()}"
    seen = api.get(path).etag
    assert 200 == api.post(f"{path}/pause", {"reason": "lunch"}, headers={"If-Match": seen}).status
    assert 412 == api.post(f"{path}/resume", headers={"If-Match": seen}).status


@pytest.mark.parametrize("tag", ["v1", '"v1', '"v1", "v2"', "", "**", '"v 1"'])
def test_a_condition_that_cannot_be_read_is_refused(api: Client, wired: Store, clock: Clock, tag: str) -> None:
    id = REACH[Status.READY](wired, clock).id
    answer = api.post(f"/v1/task-executions/{id}/cancel", headers={"If-Match": tag})
    assert (400, "If-Match") == (answer.status, answer.json["errors"][0]["header"])


@pytest.mark.parametrize("tag", ['W/"v2"', '"t2"', '"v02"', '"v-1"', '"v99999999999999999999"', '"other"', '"v1"'])
def test_a_tag_of_something_else_never_matches(api: Client, wired: Store, clock: Clock, tag: str) -> None:
    id = REACH[Status.READY](wired, clock).id
    answer = api.post(f"/v1/task-executions/{id}/cancel", headers={"If-Match": tag})
    assert (412, "version-changed") == (answer.status, answer.kind)


@pytest.mark.parametrize("known", ["{}", "W/{}", '"v1", {}', "*", ' "other",W/{}'])
def test_what_the_caller_has_is_not_sent_again(api: Client, wired: Store, clock: Clock, known: str) -> None:
    path = f"/v1/task-executions/{REACH[Status.READY](wired, clock).id}"
    tag = api.get(path).etag
    answer = api.get(path, headers={"If-None-Match": known.format(tag)})
    assert (304, None, tag) == (answer.status, answer.body, answer.etag)
    assert 200 == api.get(path, headers={"If-None-Match": '"v999"'}).status
