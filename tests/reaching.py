"""Executions in each state, brought there by the verbs alone, and each verb as a function of one execution."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID, uuid4

from penstock.dal import executions, pipelines
from penstock.dal.effects import Effects
from penstock.dal.store import Store
from penstock.domain import limits
from penstock.domain.executions import Failure, Job, Lease
from penstock.domain.lifecycle import Status
from tests.acting import MINUTE, Clock, begin, job, only, step

SECOND = timedelta(seconds=1)
BOOM = Failure("boom", "Boom")


@dataclass
class Stage:
    """One execution, and what a worker who had it would hold."""

    store: Store
    clock: Clock
    id: UUID
    lease: Lease | Job

    @classmethod
    def of(cls, store: Store, clock: Clock, id: UUID, lease: Job | None = None) -> "Stage":
        return cls(store, clock, id, lease or Lease(id, uuid4()))


def pending(store: Store, clock: Clock) -> Stage:
    return Stage.of(store, clock, only(store.alone(executions.create, job(requires_approval=True))))


def approved(store: Store, clock: Clock) -> Stage:
    """Approved, and still waiting for a parent."""
    graph = [step("parent"), step("child", "parent", requires_approval=True)]
    started = store.alone(pipelines.start, pipelines.NewPipeline("p", graph))
    (child,) = (moved.id for moved in started.moved if moved.status == Status.PENDING)
    store.alone(executions.approve, [child])
    return Stage.of(store, clock, child)


def ready(store: Store, clock: Clock) -> Stage:
    """Due, after it had to wait: so that it can be claimed and reset alike."""
    id = only(store.alone(executions.create, job(available_at=clock.now + SECOND)))
    clock.pass_(SECOND * 2)
    return Stage.of(store, clock, id)


def claimed(store: Store, clock: Clock) -> Stage:
    stage = ready(store, clock)
    (held,) = store.alone(executions.claim_these, [stage.id], worker="worker", hold_for=MINUTE)
    return Stage.of(store, clock, stage.id, held)


def running(store: Store, clock: Clock) -> Stage:
    stage = ready(store, clock)
    return Stage.of(store, clock, stage.id, begin(store, stage.id)[0])


def spent(store: Store, clock: Clock) -> Stage:
    """Running, and taken back as often as it may be."""
    stage = running(store, clock)
    for _ in range(limits.RECOVERIES):
        recover(stage)
        stage = Stage.of(store, clock, stage.id, begin(store, stage.id)[0])
    return stage


def deferred(store: Store, clock: Clock) -> Stage:
    stage = running(store, clock)
    defer(stage)
    return stage


def paused(store: Store, clock: Clock) -> Stage:
    stage = ready(store, clock)
    pause(stage)
    return stage


def ended_by(verb: "Verb", before: "Reach") -> "Reach":
    def reach(store: Store, clock: Clock) -> Stage:
        stage = before(store, clock)
        verb(stage)
        return stage

    return reach


def approve(stage: Stage) -> Effects:
    return stage.store.alone(executions.approve, [stage.id])


def reject(stage: Stage) -> Effects:
    return stage.store.alone(executions.reject, [stage.id], reason="no")


def claim(stage: Stage) -> None:
    stage.store.alone(executions.claim_these, [stage.id], worker="other", hold_for=MINUTE)


def begin_(stage: Stage) -> None:
    begin(stage.store, stage.id, worker="other")


def start(stage: Stage) -> Effects:
    return stage.store.alone(executions.start, [stage.lease])


def release(stage: Stage) -> Effects:
    return stage.store.alone(executions.release, [stage.lease])


def complete(stage: Stage) -> Effects:
    return stage.store.alone(executions.complete, stage.lease)


def fail(stage: Stage) -> Effects:
    return stage.store.alone(executions.fail, stage.lease, BOOM)


def schedule_retry(stage: Stage) -> Effects:
    return stage.store.alone(executions.schedule_retry, stage.lease, BOOM, at=stage.clock.now + MINUTE)


def reset(stage: Stage) -> Effects:
    return stage.store.alone(executions.reset, [stage.id])


def defer(stage: Stage) -> Effects:
    return stage.store.alone(executions.defer, stage.lease, until=stage.clock.now + MINUTE)


def pause(stage: Stage) -> Effects:
    return stage.store.alone(executions.pause, [stage.id])


def resume(stage: Stage) -> Effects:
    return stage.store.alone(executions.resume, [stage.id])


def recover(stage: Stage) -> Effects:
    stage.clock.pass_(timedelta(hours=1))
    return stage.store.alone(executions.recover)


def skip(stage: Stage) -> Effects:
    return stage.store.alone(executions.skip, [stage.id])


def cancel(stage: Stage) -> Effects:
    return stage.store.alone(executions.cancel, [stage.id], reason="enough")


Verb = Callable[[Stage], object]
Reach = Callable[[Store, Clock], Stage]

VERBS: dict[str, Verb] = {
    "approve": approve,
    "reject": reject,
    "claim": claim,
    "start": start,
    "begin": begin_,
    "release": release,
    "complete": complete,
    "fail": fail,
    "schedule_retry": schedule_retry,
    "reset": reset,
    "defer": defer,
    "pause": pause,
    "resume": resume,
    "recover": recover,
    "skip": skip,
    "cancel": cancel,
}
REACH: dict[Status, Reach] = {
    Status.PENDING: pending,
    Status.APPROVED: approved,
    Status.READY: ready,
    Status.CLAIMED: claimed,
    Status.RUNNING: running,
    Status.DEFERRED: deferred,
    Status.PAUSED: paused,
    Status.COMPLETED: ended_by(complete, running),
    Status.FAILED: ended_by(fail, running),
    Status.SKIPPED: ended_by(skip, pending),
    Status.CANCELLED: ended_by(cancel, ready),
    Status.REJECTED: ended_by(reject, pending),
}
