"""For each operation a scene in which it does what it is for, and where it has one, a scene in which the state forbids it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from penstock.dal import pipelines, tasks
from penstock.dal.store import Store
from penstock.domain.lifecycle import Status
from penstock.domain.tasks import NewTask, Run
from tests.acting import Clock, only, step
from tests.reaching import REACH

SCOPE = "penstock/use"


@dataclass(frozen=True)
class Ask:
    """What a request of an operation needs besides its method and path."""

    id: UUID | None = None
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Scene:
    """A database with a clock."""

    store: Store
    clock: Clock

    def task(self, name: str = "report") -> UUID:
        (row,) = self.store.alone(tasks.create, NewTask(name, name.title(), "noop"))
        id: UUID = row.id
        return id

    def run(self, name: str = "report") -> UUID:
        return only(self.store.alone(tasks.run, [Run(name)]))

    def pipeline(self) -> UUID:
        wanted = pipelines.NewPipeline("nightly", [step("first"), step("second", "first")])
        return self.store.alone(pipelines.start, wanted).pipelines[0].id


Reach = Callable[[Scene], Ask]


@dataclass(frozen=True)
class Case:
    """How an operation is reached: where it succeeds, and where it is a conflict."""

    well: Reach
    conflict: Reach | None = None
    stale: str = '"v999"'


def nothing(_: Scene) -> Ask:
    return Ask()


def of_task(scene: Scene) -> Ask:
    return Ask(scene.task())


def of_pipeline(scene: Scene) -> Ask:
    return Ask(scene.pipeline())


def of_paused_pipeline(scene: Scene) -> Ask:
    id = scene.pipeline()
    scene.store.alone(pipelines.pause, [id])
    return Ask(id)


def of_cancelled_pipeline(scene: Scene) -> Ask:
    id = scene.pipeline()
    scene.store.alone(pipelines.cancel, [id])
    return Ask(id)


def in_state(status: Status, **body: Any) -> Reach:
    """An execution in a state, and what somebody says of it."""

    def reach(scene: Scene) -> Ask:
        return Ask(REACH[status](scene.store, scene.clock).id, body or None)

    return reach


def held(status: Status, **body: Any) -> Reach:
    """An execution in a state, and what a worker says of it, with the lease that it has or had."""

    def reach(scene: Scene) -> Ask:
        stage = REACH[status](scene.store, scene.clock)
        return Ask(stage.id, {**body, "lease": str(stage.lease.lease)})

    return reach


def with_body(body: Any, headers: Mapping[str, str] | None = None, *, of_task: bool = False) -> Reach:
    """A task in the catalogue, and a body."""

    def reach(scene: Scene) -> Ask:
        id = scene.task()
        return Ask(id if of_task else None, body, headers or {})

    return reach


def taken(body: Any, headers: Mapping[str, str] | None = None) -> Reach:
    """Two tasks; the name of the second is wanted for the first."""

    def reach(scene: Scene) -> Ask:
        scene.task("taken")
        return Ask(scene.task(), body, headers or {})

    return reach


def used_task(scene: Scene) -> Ask:
    id = scene.task()
    scene.run()
    return Ask(id)


NEW_TASK = {"name": "taken", "title": "Taken", "task_type": "noop"}
ANY = {"If-Match": "*"}
LATER = "2100-01-02T00:00:00Z"

CASES: Mapping[str, Case] = {
    "create_task": Case(lambda _: Ask(body=NEW_TASK), taken(NEW_TASK)),
    "list_tasks": Case(nothing),
    "show_task": Case(of_task),
    "change_task": Case(with_body({"title": "Better"}, ANY, of_task=True), taken({"name": "taken"}, ANY), stale='"t1"'),
    "delete_task": Case(of_task, used_task, stale='"t1"'),
    "run_tasks": Case(with_body({"task": "report"})),
    "list_task_executions": Case(nothing),
    "show_task_execution": Case(in_state(Status.READY)),
    "show_parents": Case(in_state(Status.READY)),
    "list_events_of_task_execution": Case(in_state(Status.READY)),
    "approve_task_execution": Case(in_state(Status.PENDING, note="fine"), in_state(Status.READY)),
    "reject_task_execution": Case(in_state(Status.PENDING, reason="no"), in_state(Status.READY)),
    "cancel_task_execution": Case(in_state(Status.READY, reason="enough"), in_state(Status.CANCELLED)),
    "skip_task_execution": Case(in_state(Status.PENDING, reason="not today"), in_state(Status.RUNNING)),
    "reset_task_execution": Case(in_state(Status.DEFERRED), in_state(Status.RUNNING)),
    "pause_task_execution": Case(in_state(Status.READY, resume_after=LATER), in_state(Status.RUNNING)),
    "resume_task_execution": Case(in_state(Status.PAUSED), in_state(Status.RUNNING)),
    "retry_task_execution": Case(in_state(Status.FAILED), in_state(Status.RUNNING)),
    "claim_task_execution": Case(lambda _: Ask(body={"queue": "default", "worker": "w"})),
    "begin_task_execution": Case(in_state(Status.READY, worker="w"), in_state(Status.RUNNING, worker="w")),
    "start_task_execution": Case(held(Status.CLAIMED), held(Status.COMPLETED)),
    "release_task_execution": Case(held(Status.CLAIMED), held(Status.RUNNING)),
    "heartbeat_task_execution": Case(held(Status.RUNNING), held(Status.COMPLETED)),
    "complete_task_execution": Case(held(Status.RUNNING, output={"rows": 3}), held(Status.FAILED)),
    "fail_task_execution": Case(held(Status.RUNNING, error="boom"), held(Status.COMPLETED, error="boom")),
    "defer_task_execution": Case(held(Status.RUNNING, until=LATER), held(Status.COMPLETED, until=LATER)),
    "start_pipeline": Case(with_body({"name": "nightly", "steps": [{"task": "report"}]})),
    "list_pipelines": Case(nothing),
    "show_pipeline": Case(of_pipeline),
    "list_tasks_of_pipeline": Case(of_pipeline),
    "list_events_of_pipeline": Case(of_pipeline),
    "pause_pipeline": Case(of_pipeline, of_paused_pipeline),
    "resume_pipeline": Case(of_paused_pipeline, of_pipeline),
    "cancel_pipeline": Case(of_pipeline, of_cancelled_pipeline),
    "show_health": Case(nothing),
}
