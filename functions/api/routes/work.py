"""What workers ask that are not Python: they take work of a queue, hold it, and say how it went.

Whoever takes an execution gets a lease, and shows it with everything that follows. A worker whose lease is no longer
valid is told so, and stops: somebody else has the execution, or it has ended.
"""

from dataclasses import asdict, fields
from datetime import timedelta
from typing import Any

from api.results import must_exist, must_have_moved, shown
from penstock.dal import executions
from penstock.dal.executions import Effects
from penstock.dal.store import Tx
from penstock.domain.executions import Job, Lease
from penstock.http import answers, pages, refusals
from penstock.http.answers import Reply
from penstock.http.exchange import Exchange, Here
from penstock.http.operations import REPLAYABLE, WITH_BODY, WITH_ID, answering, routes
from penstock.http.parameters import Id
from penstock.http.replay import Done
from penstock.models import (
    BeginRequest,
    ClaimRequest,
    CompleteRequest,
    DeferRequest,
    FailRequest,
    HeartbeatRequest,
    Held,
    Jobs,
    LeaseRequest,
    TaskExecution,
)
from penstock.models import Job as JobDocument

router = routes()
ONE = "/v1/task-executions/<id>"


def working(verb: str, summary: str, model: Any = TaskExecution, *refuses: int) -> dict[str, Any]:
    """The arguments of a route for workers."""
    return {
        "tags": ["work"],
        "operation_id": f"{verb}_task_execution",
        **answering(summary, model, refuses=refuses or (*WITH_ID, *WITH_BODY, 409), headers=REPLAYABLE),
    }


# --- taking ------------------------------------------------------------------------------------------------------


@router.post("/v1/task-executions/claim", **working("claim", "Takes the best due work of a queue", Jobs, *WITH_BODY))
def claim(exchange: Here, wanted: ClaimRequest) -> Reply:
    asked = wanted.model_dump(exclude={"hold_for_seconds"})
    hold_for = timedelta(seconds=wanted.hold_for_seconds)

    def act(tx: Tx) -> Done:
        jobs = executions.claim(tx, hold_for=hold_for, **asked)
        while not pages.fits(response := got(jobs)):
            keep = len(jobs) // 2
            executions.release(tx, jobs[keep:])
            jobs = jobs[:keep]
        return Done(response)

    return exchange.act(act)


def got(jobs: list[Job]) -> Reply:
    """What a worker has got."""
    return answers.said(Jobs(items=[JobDocument.model_validate(job) for job in jobs]))


@router.post(f"{ONE}/begin", **working("begin", "Takes one execution that is due, and starts it", JobDocument))
def begin(exchange: Here, id: Id, said: BeginRequest) -> Reply:
    def act(tx: Tx) -> Done:
        jobs = executions.begin(tx, [id], worker=said.worker)
        if not jobs:
            must_have_moved(tx, "begin", id, Effects())
        job = JobDocument.model_validate(jobs[0])
        return Done(answers.versioned(job, job.version))

    return exchange.act(act)


@router.post(f"{ONE}/start", **working("start", "What was claimed begins to run"))
def start(exchange: Here, id: Id, said: LeaseRequest) -> Reply:
    return settle(exchange, "start", said.of(id), executions.Settlement.start(said.of(id)))


@router.post(f"{ONE}/release", **working("release", "Gives back what was claimed and not begun"))
def release(exchange: Here, id: Id, said: LeaseRequest) -> Reply:
    def act(tx: Tx) -> Done:
        return moved(tx, "release", said.of(id), executions.release(tx, [said.of(id)]))

    return exchange.act(act)


# --- holding -----------------------------------------------------------------------------------------------------


@router.post(f"{ONE}/heartbeat", **working("heartbeat", "Holds on for longer, within the time of the run", Held))
def heartbeat(exchange: Here, id: Id, said: HeartbeatRequest) -> Reply:
    hold_for = timedelta(seconds=said.hold_for_seconds)

    def act(tx: Tx) -> Done:
        kept = executions.heartbeat(tx, [said.of(id)], hold_for=hold_for)
        if id not in kept:
            raise refusals.lease_lost(id, must_exist(tx, id).status)
        return Done(answers.said(Held(lease_expires_at=kept[id])))

    return exchange.act(act)


# --- saying how it went ------------------------------------------------------------------------------------------


@router.post(f"{ONE}/complete", **working("complete", "The work is done: its outcome stays"))
def complete(exchange: Here, id: Id, said: CompleteRequest) -> Reply:
    return settle(exchange, "complete", said.of(id), executions.Settlement.complete(said.of(id), said.wanted))


@router.post(
    f"{ONE}/fail", **working("fail", "It did not go well: tried again as its policy says, unless this is final")
)
def fail(exchange: Here, id: Id, said: FailRequest) -> Reply:
    lease = said.of(id)

    def act(tx: Tx) -> Done:
        if said.final:
            settlement = executions.Settlement.fail(lease, said.wanted)
        else:
            settlement = executions.given_up(tx, held(tx, lease), said.wanted)
        return moved(tx, "fail", lease, executions.settle(tx, [settlement]))

    return exchange.act(act)


@router.post(f"{ONE}/defer", **working("defer", "The run waits for something, and goes on at a moment"))
def defer(exchange: Here, id: Id, said: DeferRequest) -> Reply:
    return settle(exchange, "defer", said.of(id), executions.Settlement.defer(said.of(id), until=said.until))


def settle(exchange: Exchange, verb: str, lease: Lease, settlement: executions.Settlement) -> Reply:
    """Settles what a worker holds; the answer is the execution as it is then."""
    return exchange.act(lambda tx: moved(tx, verb, lease, executions.settle(tx, [settlement])))


def moved(tx: Tx, verb: str, lease: Lease, effects: Effects) -> Done:
    """The execution as it is then, or why it has not moved."""
    must_have_moved(tx, verb, lease, effects)
    return Done(shown(tx, lease.id), effects)


def held(tx: Tx, lease: Lease) -> Job:
    """What a worker holds, if its lease is right: what it says of attempts and policy cannot change while it is held."""
    known = {**dict(must_exist(tx, lease.id)), **asdict(lease)}
    return Job(**{field.name: known[field.name] for field in fields(Job)})
