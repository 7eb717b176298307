"""`penstock drain`, `sweep` and `enqueue`: what schedules and callers set in motion, by hand."""

from collections.abc import Mapping
from typing import Any

from penstock import wiring
from penstock.cli.session import Session
from penstock.cli.words import Commands, command, document, moment
from penstock.dal import tasks
from penstock.domain.tasks import Run
from penstock.local.client import Client

DRAIN, SWEEP = "drain.app.handler", "sweep.app.handler"


def add(commands: Commands) -> None:
    """The commands."""
    command(commands, "drain", drain, "Rings the doorbells that are due, of the queues that QUEUES maps to SQS.")
    command(commands, "sweep", sweep, "Takes up what time decides: expired leases, deferrals and pauses that are over.")
    made = command(commands, "enqueue", enqueue, "Runs a task of the catalogue.", remote=True)
    made.add_argument("task", metavar="TASK", help="the name of the task")
    made.add_argument("--config", type=document, metavar="JSON", help="config that goes over that of the task")
    made.add_argument("--priority", type=int, help="from 1, which is first, to 5")
    made.add_argument("--at", type=moment, metavar="MOMENT", help="not before this moment")


def drain(session: Session) -> None:
    """As the schedule does."""
    session.store()
    _show(session, session.invoke(DRAIN, {}))


def sweep(session: Session) -> None:
    """As the schedule does."""
    session.store()
    _show(session, session.invoke(SWEEP, {}))


def enqueue(session: Session) -> None:
    """As the API does."""
    made = _enqueue_there(session, session.service) if session.service else _enqueue_here(session)
    session.show(made, [f"{made['id']} {made['status']}"])


def _enqueue_here(session: Session) -> Mapping[str, Any]:
    args = session.args
    run = Run(args.task, args.config, priority=args.priority, available_at=args.at)
    effects = session.store().alone(tasks.run, [run])
    wiring.ring(effects)
    (moved,) = effects.moved
    return {"id": str(moved.id), "status": str(moved.status), "version": moved.version}


def _enqueue_there(session: Session, service: Client) -> Mapping[str, Any]:
    args = session.args
    said = {"task": args.task, "config": args.config, "priority": args.priority}
    at = {"available_at": args.at.isoformat()} if args.at else {}
    wanted = {name: value for name, value in said.items() if value is not None} | at
    made: Mapping[str, Any] = service.post("/v1/task-executions", wanted)
    return made


def _show(session: Session, numbers: Mapping[str, int]) -> None:
    session.show(numbers, [f"{name.replace('_', ' ')} {number}" for name, number in numbers.items()])
