"""What the verbs cost, beside the same rows by raw SQL in the same run: `make bench`, `make bench ARGS="--rounds 9"`.

PostgreSQL 18 as installed, durable, with every guard. Ours and raw take turns, so that a noisy machine is noisy for
both; a figure is the median of the rounds. `--bare` leaves raw SQL without a pool; `--profile` shows where the time
of our side goes instead.

`--peers` runs the comparison with other libraries instead, where there is one: `make bench ARGS=--peers`,
`make bench ARGS="--peers --reps 1 --only C"`. Our side of it is `tests.bench.peer`.
"""

import argparse
import cProfile
import os
import platform
import pstats
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from statistics import median
from time import perf_counter
from typing import Any, Protocol

from alembic import command

from penstock.dal import executions
from penstock.dal.store import Store
from penstock.domain.executions import NewExecution, Outcome
from penstock.wiring import connect
from tests import servers
from tests.bench.raw import Raw
from tests.databases import PYPROJECT, alembic_config

ROOT = PYPROJECT.parent
COMPARE = "../shared/bench/compare"
MANY = 20_000
SINGLES = 300
LIVES = {1: 100, 10: 1_000, 100: 4_000}
MINUTE = timedelta(minutes=1)
CONFIGS: list[dict[str, Any]] = [{"number": number, "to": "somebody@example.org"} for number in range(MANY)]


class Side(Protocol):
    """Who takes the steps of a job's life: we, or raw SQL."""

    def enqueue_one(self, config: dict[str, Any]) -> None: ...
    def enqueue_many(self, configs: list[dict[str, Any]]) -> None: ...
    def live(self, batch: int) -> int: ...


@dataclass
class Ours:
    """Through the verbs."""

    store: Store

    def enqueue_one(self, config: dict[str, Any]) -> None:
        self.store.alone(executions.create, NewExecution("job", "noop", config=config))

    def enqueue_many(self, configs: list[dict[str, Any]]) -> None:
        self.store.alone(executions.create_many, [NewExecution("job", "noop", config=config) for config in configs])

    def live(self, batch: int) -> int:
        jobs = self.store.alone(executions.claim, queue="default", limit=batch, worker="w", hold_for=MINUTE)
        self.store.alone(executions.start, jobs)
        self.store.alone(executions.settle, [executions.Settlement.complete(job, Outcome()) for job in jobs])
        return len(jobs)


def enqueue_singly(side: Side) -> int:
    for config in CONFIGS[:SINGLES]:
        side.enqueue_one(config)
    return SINGLES


def enqueue_at_once(side: Side) -> int:
    side.enqueue_many(CONFIGS)
    return MANY


def live_in_batches(batch: int) -> Callable[[Side], int]:
    def live(side: Side) -> int:
        return sum(side.live(batch) for _ in range(LIVES[batch] // batch))

    return live


@dataclass(frozen=True)
class Scenario:
    """Something to measure, and the share of raw SQL's speed that it must reach."""

    name: str
    run: Callable[[Side], int]
    floor: float


SCENARIOS = (
    Scenario("enqueue one", enqueue_singly, 0.8),
    Scenario(f"enqueue {MANY:,}", enqueue_at_once, 0.6),
    *(Scenario(f"claim + start + complete, {batch} at once", live_in_batches(batch), 0.6) for batch in LIVES),
)


@dataclass(frozen=True)
class Figure:
    """How fast, and how much of the write-ahead log a job took."""

    jobs_per_second: float
    wal_per_job: float


def measured(raw: Raw, scenario: Scenario, side: Side) -> Figure:
    raw.checkpoint()
    before, began = raw.wal(), perf_counter()
    jobs = scenario.run(side)
    taken = perf_counter() - began
    return Figure(jobs / taken, (raw.wal() - before) / jobs)


def in_turns(raw: Raw, ours: Ours, scenario: Scenario, rounds: int) -> Iterator[tuple[Figure, Figure]]:
    for turn in range(rounds):
        first, second = (ours, raw) if turn % 2 else (raw, ours)
        a, b = measured(raw, scenario, first), measured(raw, scenario, second)
        yield (a, b) if turn % 2 else (b, a)


def main() -> int:
    options = arguments()
    if options.peers is not None:
        return compare(options.peers)
    url = servers.create_database(servers.start(18, durable=True), "bench")
    command.upgrade(alembic_config(url), "head")
    ours, raw = Ours(connect(url, actor="bench")), Raw(url, bare=options.bare)
    raw.enqueue_many(CONFIGS)
    raw.analyze()
    if options.profile:
        return profile(ours)
    machine = f"{platform.machine()}, Python {platform.python_version()}"
    print(f"{raw.version()} as installed, {machine}, median of {options.rounds} rounds in turns\n")
    print(f"{'':36} {'ours/s':>9} {'raw/s':>9} {'ratio':>6} {'least':>6} {'WAL a job: ours':>16} {'raw':>6}")
    reached = [show(scenario, list(in_turns(raw, ours, scenario, options.rounds))) for scenario in SCENARIOS]
    return int(not all(reached))


def show(scenario: Scenario, rounds: list[tuple[Figure, Figure]]) -> bool:
    """Prints a line; whether the floor is reached."""
    ratio = median(mine.jobs_per_second / limit.jobs_per_second for mine, limit in rounds)
    mine, limit = (
        Figure(median(f.jobs_per_second for f in side), median(f.wal_per_job for f in side))
        for side in zip(*rounds, strict=True)
    )
    print(
        f"{scenario.name:36} {mine.jobs_per_second:9,.0f} {limit.jobs_per_second:9,.0f} {ratio:6.2f} {scenario.floor:6.2f} "
        f"{mine.wal_per_job:16,.0f} {limit.wal_per_job:6,.0f}"
    )
    return ratio >= scenario.floor


def profile(ours: Ours) -> int:
    for scenario in SCENARIOS:
        profiler = cProfile.Profile()
        profiler.runcall(scenario.run, ours)
        print(f"--- {scenario.name}")
        pstats.Stats(profiler).strip_dirs().sort_stats("tottime").print_stats(15)
    return 0


def compare(arguments: list[str]) -> int:
    """Runs the comparison with other libraries on this checkout."""
    program = (ROOT / os.environ.get("PENSTOCK_COMPARE", COMPARE)).resolve()
    if not program.is_file():
        sys.exit(f"There is no comparison with other libraries at {program}; PENSTOCK_COMPARE says where it is.")
    return subprocess.run([program, *arguments], env={**os.environ, "PERF_PENSTOCK": str(ROOT)}, check=False).returncode


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--profile", action="store_true")
    parser.add_argument(
        "--bare", action="store_true", help="raw SQL keeps one connection instead of asking a pool each time"
    )
    parser.add_argument("--peers", nargs=argparse.REMAINDER, help="other libraries instead; what follows is passed on")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
