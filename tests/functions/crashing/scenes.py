"""What the functions are found doing when they are killed, and the gaps in which they can be.

A scene prepares a database and says what the function is called with. Its gaps are listed here by hand: a gap that the
code has and this list has not is a gap without a test, and fails.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, NamedTuple
from uuid import UUID

import api.app
import drain.app
import retention.app
import sweep.app
import worker.app
from penstock.dal import executions, idempotency, pipelines, tasks
from penstock.dal.store import Store
from penstock.domain.executions import NewExecution
from penstock.domain.pipelines import Step
from penstock.domain.retry import Retry
from penstock.domain.tasks import NewTask
from penstock.work import Context
from penstock.work.shift import MARGIN
from tests.acting import MINUTE, Clock, begin, create
from tests.functions.gateway import payload
from tests.functions.shifts import TASK_TYPE, rung_for

DAY = timedelta(days=1)
KEPT_FOR_DAYS = 90
RING = "call sqs.SendMessageBatch"
REQUEST = ("commit replay.at_most_once", RING)

Event = Mapping[str, Any]


@dataclass(frozen=True)
class Scene:
    """*ends*: how many executions end in which state, in the end; *purged*: how many are gone by then."""

    handler: Callable[[Any, Any], Any]
    prepare: Callable[[Store, Clock], Event]
    gaps: tuple[str, ...]
    ends: Mapping[str, int] = field(default_factory=dict)
    purged: int = 0
    queues: tuple[str, ...] = ("default",)
    asked_again: bool = False
    remaining_ms: int = 900_000


def work(context: Context) -> None:
    """What a job of these scenes does, by its name."""
    match context.job.name:
        case "fails once" if context.job.attempt == 1:
            raise ConnectionError("not this time")
        case "waits" if context.last_output("ask") is None:
            with context.tool("ask") as tool:
                tool.output = "later"
            context.defer(until=context.now + MINUTE)


def wanted(name: str, **options: Any) -> NewExecution:
    return NewExecution(name, TASK_TYPE, **{"timeout_seconds": 60, "retry": Retry(delay_seconds=60), **options})


def chain(*names: str) -> list[Step]:
    parents = [(), *((name,) for name in names)]
    return [Step(wanted(name), before) for name, before in zip(names, parents, strict=False)]


def ready(effects: executions.Effects) -> list[UUID]:
    return [moved.id for moved in effects.moved if moved.status == "ready"]


# --- requests ----------------------------------------------------------------------------------------------------


def request(path: str, body: Any) -> Event:
    """Under a key: who does not get an answer asks again."""
    return payload("POST", path, body, headers={"Idempotency-Key": '"once"'})


def catalogue(store: Store) -> None:
    store.alone(tasks.create, NewTask("report", "Report", TASK_TYPE), NewTask("mail", "Mail", TASK_TYPE))


def run_one(store: Store, _: Clock) -> Event:
    catalogue(store)
    return request("/v1/task-executions", {"task": "report"})


def run_many(store: Store, _: Clock) -> Event:
    catalogue(store)
    return request("/v1/task-executions", {"executions": [{"task": "report"}] * 12})


def start_pipeline(store: Store, _: Clock) -> Event:
    catalogue(store)
    steps = [{"task": "report"}, {"task": "mail", "depends_on": ["report"]}]
    return request("/v1/pipelines", {"name": "nightly", "steps": steps})


def held(store: Store, name: str) -> tuple[UUID, UUID]:
    """The first step of a pipeline of two, running."""
    started = store.alone(pipelines.start, pipelines.NewPipeline("p", chain(name, "after")))
    (job,) = begin(store, *ready(started))
    return job.id, job.lease


def complete(store: Store, _: Clock) -> Event:
    id, lease = held(store, "before")
    return request(f"/v1/task-executions/{id}/complete", {"lease": str(lease), "output": {"rows": 3}})


def fail(store: Store, _: Clock) -> Event:
    id, lease = held(store, "before")
    return request(f"/v1/task-executions/{id}/fail", {"lease": str(lease), "error": "boom"})


def approve(store: Store, _: Clock) -> Event:
    (id,) = store.alone(create, wanted("asked", requires_approval=True))
    return request(f"/v1/task-executions/{id}/approve", {})


# --- schedules ---------------------------------------------------------------------------------------------------


def due_doorbells(store: Store, clock: Clock) -> Event:
    """More than one call takes, and some of a queue that is not there."""
    store.alone(executions.create, *[wanted("job")] * 12, *[wanted("job", queue="gone")] * 2)
    clock.pass_(MINUTE)
    return {}


def what_time_decides(store: Store, clock: Clock) -> Event:
    silent, deferred, paused = store.alone(create, *[wanted("job")] * 3)
    begin(store, silent)
    store.alone(executions.defer, begin(store, deferred)[0], until=clock.now + MINUTE)
    store.alone(executions.pause, [paused], resume_after=clock.now + MINUTE)
    clock.pass_(2 * MINUTE)
    return {}


def old_histories(store: Store, clock: Clock) -> Event:
    """Five that are old, one that lives, and a request that nobody will repeat."""
    *old, live = store.alone(create, *[wanted("job")] * 6)
    for job in begin(store, *old):
        store.alone(executions.complete, job)
    with store.begin() as tx:
        idempotency.recall(tx, "somebody", "key", "fingerprint", clock.now + DAY)
        idempotency.keep(tx, "somebody", "key", {"status": 200})
    clock.pass_((KEPT_FOR_DAYS + 1) * DAY)
    begin(store, live)
    return {}


# --- messages ----------------------------------------------------------------------------------------------------


def batch(store: Store, _: Clock) -> Event:
    """One of everything that a worker can come upon."""
    first = ready(store.alone(pipelines.start, pipelines.NewPipeline("p", chain("a", "b", "c"))))
    return rung_for([*first, *store.alone(create, wanted("fails once"), wanted("waits"), wanted("job"))])


def too_much_for_one_shift(store: Store, _: Clock) -> Event:
    return rung_for(store.alone(create, *[wanted("job")] * 3))


def not_a_doorbell(store: Store, _: Clock) -> Event:
    event = rung_for(store.alone(create, wanted("job")))
    return {"Records": [*event["Records"], {**event["Records"][0], "messageId": "poison", "body": "{}"}]}


SCENES: Mapping[str, Scene] = {
    "api runs one": Scene(api.app.handler, run_one, REQUEST, {"completed": 1}, asked_again=True),
    "api runs many": Scene(api.app.handler, run_many, (*REQUEST, RING), {"completed": 12}, asked_again=True),
    "api starts a pipeline": Scene(api.app.handler, start_pipeline, REQUEST, {"completed": 2}, asked_again=True),
    "api completes": Scene(api.app.handler, complete, REQUEST, {"completed": 2}, asked_again=True),
    "api fails": Scene(api.app.handler, fail, REQUEST[:1], {"completed": 2}, asked_again=True),
    "api approves": Scene(api.app.handler, approve, REQUEST, {"completed": 1}, asked_again=True),
    "drain": Scene(
        drain.app.handler,
        due_doorbells,
        ("commit outbox.ring", RING, RING, "commit outbox.ring", RING, "commit outbox.postpone"),
        {"completed": 14},
        queues=("default", "gone"),
    ),
    "sweep": Scene(
        sweep.app.handler,
        what_time_decides,
        (
            *("commit sweep.recover", RING, "commit sweep.recover"),
            *("commit sweep.resume_deferred", RING, "commit sweep.resume_deferred"),
            *("commit sweep.resume_paused", RING, "commit sweep.resume_paused"),
        ),
        {"completed": 3},
    ),
    "retention": Scene(
        retention.app.handler,
        old_histories,
        (*["commit retention.delete_older_than"] * 4, *["commit idempotency.forget_expired"] * 2),
        {"completed": 1},
        purged=5,
        asked_again=True,
    ),
    "worker": Scene(
        worker.app.handler,
        batch,
        (
            *("commit leases.claim_these", "commit leases.start"),
            *("commit shift.settle", RING),  # a, which makes b ready and starts what fails once
            "commit shift.settle",  # a retry is put up for later, and what waits is started
            *("commit tools.last_completed", "commit tools.start", "commit tools.finish", "commit shift.settle"),
            "commit shift.settle",
        ),
        {"completed": 6},
    ),
    "worker out of time": Scene(
        worker.app.handler,
        too_much_for_one_shift,
        (
            *("commit leases.claim_these", "commit leases.start", "commit shift.settle"),
            *("commit leases.release", RING),
        ),
        {"completed": 3},
        remaining_ms=int((MARGIN + MINUTE).total_seconds() * 1000),
    ),
    "worker with poison": Scene(
        worker.app.handler,
        not_a_doorbell,
        (
            *("commit leases.claim_these", "commit leases.start", "commit shift.settle"),
            "call sqs.ChangeMessageVisibilityBatch",
        ),
        {"completed": 1},
    ),
}


class Death(NamedTuple):
    """In which scene, at which of its points, and on which side of it."""

    scene: str
    place: int
    after: bool

    def __str__(self) -> str:
        side = "after" if self.after else "before"
        return f"{self.scene}: {side} {self.place}, {SCENES[self.scene].gaps[self.place]}"


def deaths() -> list[Death]:
    """Every one that there can be."""
    places = [(name, place) for name, scene in SCENES.items() for place in range(len(scene.gaps))]
    return [Death(*place, after) for place in places for after in (False, True)]
