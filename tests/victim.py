"""A process that is killed in the middle of a verb, at exactly the call to its database that a test chose.

`python -m tests.victim` reads cases, one a line, and forks a child for each. The child prepares an execution, says so,
waits for a word, begins the verb and dies by SIGKILL. Nothing of it runs afterwards that could tidy up.
"""

import json
import os
import signal
import sqlite3
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from typing import Any

import psycopg
import sqlalchemy as sa

from penstock.dal import executions, outbox, pipelines
from penstock.dal.store import Store
from penstock.domain.lifecycle import TASK, Status
from tests.acting import Clock, begin, job, only, step, store_at
from tests.reaching import BOOM, REACH, VERBS, Reach, Stage, Verb

GRAPH = [step("a"), step("b", "a"), step("c", "b"), step("d")]


class Beginning(Store):
    """A store on which a verb that stands alone is put between BEGIN and COMMIT."""

    def alone(self, verb: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        with self.begin() as tx:
            return verb(tx, *args, **kwargs)


# --- what is done -------------------------------------------------------------------------------------------------


def nothing(store: Store, clock: Clock) -> Stage:
    return Stage.of(store, clock, store.new_id())


def waiting(store: Store, clock: Clock) -> Stage:
    """Five doorbells that wait to be rung."""
    store.alone(executions.create, *[job()] * 5)
    return nothing(store, clock)


def pipeline(store: Store, clock: Clock) -> Stage:
    return Stage.of(store, clock, store.alone(pipelines.start, pipelines.NewPipeline("p", GRAPH)).pipelines[0].id)


def paused_pipeline(store: Store, clock: Clock) -> Stage:
    stage = pipeline(store, clock)
    store.alone(pipelines.pause, [stage.id])
    return stage


def parent(store: Store, clock: Clock) -> Stage:
    """A running parent of two generations."""
    started = store.alone(pipelines.start, pipelines.NewPipeline("p", GRAPH[:3]))
    (held,) = begin(store, *(moved.id for moved in started.moved if moved.status == Status.READY))
    return Stage.of(store, clock, held.id, held)


def last(store: Store, clock: Clock) -> Stage:
    """The only task of a pipeline, running."""
    started = store.alone(pipelines.start, pipelines.NewPipeline("p", GRAPH[:1]))
    (held,) = begin(store, only(started))
    return Stage.of(store, clock, held.id, held)


SOURCES: dict[str, Reach] = {verb: REACH[Status(TASK.of(verb)[0].sources[0])] for verb in VERBS}
CASES: dict[str, tuple[Reach, Verb]] = {
    **{verb: (SOURCES[verb], VERBS[verb]) for verb in VERBS},
    "create": (nothing, lambda at: at.store.alone(executions.create, *[job()] * 3)),
    "ring": (waiting, lambda at: at.store.alone(outbox.ring, queue="default", limit=5)),
    "pipelines.start": (nothing, lambda at: at.store.alone(pipelines.start, pipelines.NewPipeline("p", GRAPH))),
    "pipelines.pause": (pipeline, lambda at: at.store.alone(pipelines.pause, [at.id])),
    "pipelines.resume": (paused_pipeline, lambda at: at.store.alone(pipelines.resume, [at.id])),
    "pipelines.cancel": (pipeline, lambda at: at.store.alone(pipelines.cancel, [at.id])),
    "complete a parent": (parent, VERBS["complete"]),
    "complete the last task": (last, VERBS["complete"]),
    "fail a parent of two generations": (parent, lambda at: at.store.alone(executions.fail, at.lease, BOOM)),
}


# --- when it dies -------------------------------------------------------------------------------------------------


@dataclass
class Fate:
    """Which call to the database is the last one: before it is made, or while its answer is on the way."""

    last: int | None = None
    in_flight: bool = False
    calls: int | None = None

    def has_come(self, *, in_flight: bool) -> bool:
        """Whether this is the moment."""
        return self.calls is not None and (self.last, self.in_flight) == (self.calls, in_flight)

    def count(self) -> None:
        """One more call has been made."""
        if self.calls is not None:
            self.calls += 1


FATE = Fate()


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class MortalConnection(psycopg.Connection[Any]):
    """psycopg asks its connection to wait for everything that it does with the server."""

    def wait(self, gen: Any, *args: Any, **kwargs: Any) -> Any:
        if FATE.has_come(in_flight=False):
            die()
        if FATE.has_come(in_flight=True):
            next(gen, None)  # Sends, and would now wait for the answer.
            die()
        FATE.count()
        return super().wait(gen, *args, **kwargs)


class MortalCursor(sqlite3.Cursor):
    def execute(self, *args: Any) -> Any:
        if FATE.has_come(in_flight=False):
            die()
        FATE.count()
        return super().execute(*args)


class MortalFile(sqlite3.Connection):
    def cursor(self, *_: Any) -> Any:
        return super().cursor(MortalCursor)


def connecting(url: str) -> Callable[[], Any]:
    """How the driver of this database connects to it, mortally."""
    parsed = sa.make_url(url)
    if parsed.get_backend_name() == "sqlite":
        return lambda: sqlite3.connect(parsed.database or "", check_same_thread=False, factory=MortalFile)
    libpq = parsed.set(drivername="postgresql").render_as_string(hide_password=False)
    return lambda: MortalConnection.connect(libpq, application_name="victim")


# --- a life -------------------------------------------------------------------------------------------------------


def rehearse(case: dict[str, Any]) -> None:
    """Once without an end, so that the children inherit every statement compiled."""
    clock = Clock()
    store = store_at(case["url"], clock)
    reach, act = CASES[case["verb"]]
    act(reach(store, clock))
    store.database.engine.dispose()
    say("rehearsed")


def live(case: dict[str, Any], heard: Iterator[str]) -> None:
    """Ends in death, whatever the case."""
    clock = Clock()
    store = store_at(case["url"], clock, creator=connecting(case["url"]))
    store.database.engine.connect().close()
    reach, act = CASES[case["verb"]]
    stage = reach(store, clock)
    if case["way"] == "begin":
        stage = replace(stage, store=Beginning(**{field.name: getattr(store, field.name) for field in fields(store)}))
    say("prepared")
    next(heard)
    FATE.last, FATE.in_flight, FATE.calls = case["last"], case["in_flight"], 0
    act(stage)
    say(FATE.calls)
    die()


def say(what: Any) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def fork(case: dict[str, Any], heard: Iterator[str]) -> None:
    child = os.fork()
    if not child:
        try:
            live(case, heard)
        finally:
            os._exit(1)  # Not reached by who was killed.
    _, status = os.waitpid(child, 0)
    say({"killed by": os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0})


def main() -> None:
    heard = iter(sys.stdin.readline, "")
    for line in heard:
        case = json.loads(line)
        if case["way"] == "rehearsal":
            rehearse(case)
        else:
            fork(case, heard)


if __name__ == "__main__":
    main()
