"""Our side of the comparison with other libraries: `python -m tests.bench.peer COMMAND --dsn URL`, by its protocol.

Each command does what a user of the library would do; its last line says what was measured: `RESULT {json}`.
`make bench ARGS=--peers` runs the comparison.
"""

import argparse
import json
import random
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, count
from threading import Event
from time import monotonic_ns, perf_counter
from typing import Any

import psycopg

from penstock.dal import executions, pipelines
from penstock.dal.pipelines import NewPipeline
from penstock.dal.store import Store
from penstock.domain.executions import Job, NewExecution
from penstock.domain.pipelines import Step
from penstock.domain.settlements import Settlement
from penstock.wiring import connect

WARM_UP = 5
GAPS = (0.04, 0.12)
SHORTEST_PAUSE, LONGEST_PAUSE = 0.002, 0.05
STEPS = [
    Step(NewExecution("a", "noop")),
    Step(NewExecution("b", "noop"), ("a",)),
    Step(NewExecution("c", "noop"), ("b",)),
]
UNFINISHED = """
FROM penstock.task_executions
WHERE status IN ('pending', 'approved', 'ready', 'claimed', 'running', 'deferred', 'paused')
"""
JOBS_LEFT = f"SELECT count(*) {UNFINISHED}"
FLOWS_LEFT = f"SELECT count(DISTINCT pipeline_execution_id) {UNFINISHED}"
Result = dict[str, Any]


@dataclass(frozen=True)
class Asked:
    """What the comparison wants measured."""

    dsn: str
    n: int
    clients: int
    deadline: float
    options: dict[str, str]

    def option(self, name: str, usual: int) -> int:
        return int(self.options.get(name, usual))

    def chunks(self, usual: int) -> Iterable[range]:
        size = self.option("chunk", usual)
        return (range(first, min(first + size, self.n)) for first in range(0, self.n, size))


def opened(dsn: str) -> Store:
    """A store that has connected."""
    store = connect(dsn, actor="bench", pool_size=1)
    with store.read():
        return store


# --- enqueue -----------------------------------------------------------------------------------------------------


def setup(asked: Asked) -> Result:
    from alembic import command  # noqa: PLC0415 - its import would count as ours in each other command

    from tests.databases import alembic_config  # noqa: PLC0415 - as above

    command.upgrade(alembic_config(asked.dsn), "head")
    return {"ok": True}


def enqueue(asked: Asked) -> Result:
    stores = [opened(asked.dsn) for _ in range(asked.clients)]
    for store in stores:
        enqueue_each(store, [-1] * WARM_UP)
    with ThreadPoolExecutor(asked.clients) as threads:
        began = perf_counter()
        clients = [
            threads.submit(enqueue_each, store, range(first, asked.n, asked.clients), began + asked.deadline)
            for first, store in enumerate(stores)
        ]
        took = sorted(chain.from_iterable(client.result() for client in clients))
        return {**rate(len(took), perf_counter() - began), "p50_us": at(took, 0.5), "p99_us": at(took, 0.99)}


def enqueue_each(store: Store, numbers: Iterable[int], until: float = float("inf")) -> list[float]:
    """One after the other; how long each took."""
    took: list[float] = []
    for number in numbers:
        began = perf_counter()
        if began > until:
            break
        store.alone(executions.create, noop(number))
        took.append(perf_counter() - began)
    return took


def batch(asked: Asked) -> Result:
    store = opened(asked.dsn)
    began = perf_counter()
    for numbers in asked.chunks(5_000):
        store.alone(executions.create_many, [noop(number) for number in numbers])
    return rate(asked.n, perf_counter() - began)


def noop(number: int) -> NewExecution:
    return NewExecution("noop", "noop", config={"i": number})


def rate(jobs: int, seconds: float) -> Result:
    return {"n": jobs, "seconds": seconds, "per_s": jobs / seconds}


def at(took: list[float], share: float) -> int:
    """The microseconds within which this share of calls came back."""
    return round(took[round(share * (len(took) - 1))] * 1e6)


# --- work --------------------------------------------------------------------------------------------------------


class Runs:
    """A task that does nothing but count; *enough* is set once there were as many runs as expected."""

    def __init__(self, expected: int) -> None:
        self.expected = expected
        self.numbers = count(1)
        self.enough = Event()

    def __call__(self, _job: Job) -> None:
        if next(self.numbers) == self.expected:
            self.enough.set()


class Starts:
    """A task that remembers when each probe started; *enough* is set once as many have as expected."""

    def __init__(self, expected: int) -> None:
        self.expected = expected
        self.moments: dict[int, int] = {}
        self.enough = Event()

    def __call__(self, job: Job) -> None:
        self.moments.setdefault(job.config["i"], monotonic_ns())
        if len(self.moments) == self.expected:
            self.enough.set()


@dataclass(frozen=True)
class Loop:
    """Claims, runs and settles, over a connection of its own."""

    store: Store
    name: str
    limit: int
    task: Runs | Starts
    over: Event

    def run(self) -> None:
        pause = SHORTEST_PAUSE
        try:
            while not self.over.is_set():
                if self.work():
                    pause = SHORTEST_PAUSE
                else:
                    self.over.wait(pause)
                    pause = min(2 * pause, LONGEST_PAUSE)
        finally:
            self.task.enough.set()  # nobody need wait for a worker that has failed

    def work(self) -> bool:
        """Brings a batch to its end; whether there was one."""
        jobs = self.store.alone(executions.begin_next, queue="default", limit=self.limit, worker=self.name)
        if not jobs:
            return False
        for job in jobs:
            self.task(job)
        self.store.alone(executions.settle, [Settlement.complete(job) for job in jobs])
        return True


@contextmanager
def working(asked: Asked, task: Runs | Starts) -> Iterator[None]:
    """A worker until the block ends: several loops, so that a claim overlaps a settlement. It raises what fails in one."""
    limit, over = asked.option("batch", 10), Event()
    stores = [opened(asked.dsn) for _ in range(asked.option("loops", 2))]
    with ThreadPoolExecutor(len(stores)) as threads:
        loops = [
            threads.submit(Loop(store, f"w{place}", limit, task, over).run) for place, store in enumerate(stores, 1)
        ]
        try:
            yield
        finally:
            over.set()
    for loop in loops:
        loop.result()


def drain(asked: Asked) -> Result:
    with psycopg.connect(asked.dsn, autocommit=True) as watch:
        waiting = shown(watch, JOBS_LEFT)
        runs = Runs(waiting)
        began = perf_counter()
        with working(asked, runs):
            runs.enough.wait(asked.deadline)
        return finished(waiting, shown(watch, JOBS_LEFT), perf_counter() - began)


def flow(asked: Asked) -> Result:
    runs = Runs(asked.n * len(STEPS))
    store = opened(asked.dsn)
    with psycopg.connect(asked.dsn, autocommit=True) as watch:
        with working(asked, runs):
            began = perf_counter()
            for numbers in asked.chunks(500):
                store.alone(pipelines.start, *[NewPipeline("p", STEPS, input={"i": number}) for number in numbers])
            runs.enough.wait(began + asked.deadline - perf_counter())
        return finished(asked.n, shown(watch, FLOWS_LEFT), perf_counter() - began)


def shown(watch: psycopg.Connection[Any], query: str) -> int:
    """A number as the database itself shows it."""
    ((found,),) = watch.execute(query).fetchall()
    return int(found)


def finished(wanted: int, left: int, seconds: float) -> Result:
    return {**rate(wanted - left, seconds), "complete": left == 0}


# --- latency -----------------------------------------------------------------------------------------------------


def lat_worker(asked: Asked) -> Result:
    starts = Starts(asked.n)
    with working(asked, starts):
        print("READY", flush=True)
        starts.enough.wait(asked.deadline)
    return {"starts": starts.moments}


def lat_client(asked: Asked) -> Result:
    store = opened(asked.dsn)
    chance = random.Random(7)  # noqa: S311 - the gaps that every library gets
    calls, returns = [], []
    for each, gap in enumerate([chance.uniform(*GAPS) for _ in range(asked.n)]):
        time.sleep(gap)  # noqa: TID251 - the worker must have nothing to do when the probe comes
        calls.append(monotonic_ns())
        store.alone(executions.create, noop(each))
        returns.append(monotonic_ns())
    return {"calls": calls, "rets": returns}


# --- the command -------------------------------------------------------------------------------------------------

COMMANDS: dict[str, Callable[[Asked], Result]] = {
    command.__name__: command for command in (setup, enqueue, batch, drain, flow, lat_worker, lat_client)
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.peer")
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("--dsn", required=True)
    parser.add_argument("--n", type=int, default=1_000)
    parser.add_argument("--clients", type=int, default=1)
    parser.add_argument("--deadline", type=float, default=170, help="seconds after which it gives up")
    parser.add_argument("--opt", action="append", default=[], metavar="NAME=VALUE", help="batch, chunk, loops")
    given = parser.parse_args()
    options = dict(option.split("=", 1) for option in given.opt)
    asked = Asked(given.dsn, given.n, given.clients, given.deadline, options)
    print("RESULT", json.dumps(COMMANDS[given.command](asked)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
