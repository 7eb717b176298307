"""With messages lost, doubled, late and out of turn, every job and pipeline comes to the end that it must come to.

They are asked for over the API, and driven by drain, sweep and worker alone, minute by minute. The seed decides what
fails how often, what defers, and what becomes of each message; so each run is the same.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count, pairwise
from random import Random
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

import api.app
import drain.app
import sweep.app
import worker.app
from penstock import wiring, world
from penstock.dal import schema, tasks
from penstock.dal.store import Store
from penstock.domain.lifecycle import TASK, Status
from penstock.domain.retry import Retry
from penstock.domain.tasks import NewTask
from penstock.work import Context, registry
from tests.acting import MINUTE, Clock, rows
from tests.books import discrepancies
from tests.functions.conftest import LambdaContext
from tests.functions.gateway import payload
from tests.functions.shifts import TASK_TYPE
from tests.functions.weather import ONE_IN_FIVE, Weather

SEED = 20_260_101
ATTEMPTS = 3
# How many attempts fail, and how often that is so; three are all there are.
FAILURES, WEIGHTS = (0, 1, 2, 3), (70, 15, 10, 5)
DEFERRING = 0.15
AT_ONCE = 1_000
MOST_MINUTES = 24 * 60
LIVE = sa.select(sa.func.count()).where(schema.task_executions.c.status.not_in(TASK.ends))
Config = Mapping[str, Any]
Life = dict[str, Config]


@dataclass
class Days:
    """A database, a clock, and the weather between the functions."""

    store: Store
    clock: Clock
    chance: Random
    weather: Weather
    deferred: set[UUID] = field(default_factory=set)
    ran: Counter[UUID] = field(default_factory=Counter)

    def work(self, context: Context) -> None:
        """What each job does, as its config says."""
        id = context.job.id
        if context.config["defers"] and id not in self.deferred:
            self.deferred.add(id)
            context.defer(until=context.now + 7 * MINUTE)
        if context.job.attempt <= context.config["fails"]:
            raise ConnectionError("not this time")
        self.ran[id] += 1

    def config(self) -> Config:
        return {"fails": self.chance.choices(FAILURES, WEIGHTS)[0], "defers": self.chance.random() < DEFERRING}

    def ask(self, path: str, body: Any) -> Any:
        answer = api.app.handler(payload("POST", path, body), LambdaContext())
        assert 201 == answer["statusCode"], answer
        return answer

    def run_jobs(self, number: int) -> list[Config]:
        configs = [self.config() for _ in range(number)]
        for first in range(0, number, AT_ONCE):
            wanted = [{"task": "work", "config": config} for config in configs[first : first + AT_ONCE]]
            self.ask("/v1/task-executions", {"executions": wanted})
        return configs

    def start_pipelines(self, number: int) -> list[Life]:
        """Of four steps; the last one comes after the two in the middle however they went."""
        lives = [{step: self.config() for step in ("first", "left", "right", "last")} for _ in range(number)]
        after = {"left": ["first"], "right": ["first"], "last": ["left", "right"]}
        for place, life in enumerate(lives):
            steps = [
                {"task": "work", "name": step, "config": config, "depends_on": after.get(step, [])}
                for step, config in life.items()
            ]
            self.ask(
                "/v1/pipelines", {"name": f"{place}", "steps": [*steps[:3], {**steps[3], "trigger_rule": "all_done"}]}
            )
        return lives

    def until_all_have_ended(self) -> None:
        for _ in range(MOST_MINUTES):
            drain.app.handler({}, LambdaContext())
            sweep.app.handler({}, LambdaContext())
            for event in self.weather.arriving():
                assert {"batchItemFailures": []} == worker.app.handler(event, LambdaContext())
            if not self.live:
                return
            self.clock.pass_(MINUTE)
        raise AssertionError(f"{self.live} have not ended")

    @property
    def live(self) -> int:
        with self.store.database.engine.connect() as connection:
            number: int = connection.execute(LIVE).scalar_one()
            return number


@pytest.fixture
def environ(database_url: str, clock: Clock) -> dict[str, str]:
    clock.govern(database_url)
    return {"DATABASE_URL": database_url, "QUEUES": '{"default": "https://sqs.example.com/012345678901/default"}'}


@pytest.fixture
def days(monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], clock: Clock) -> Iterator[Days]:
    chance = Random(SEED)  # noqa: S311 - nothing secret hangs on it
    ids = count(1)
    monkeypatch.setattr(world, "random", chance.random)
    monkeypatch.setattr(world, "uuid7", lambda: UUID(int=(7 << 76) | (2 << 62) | next(ids)))
    wiring.compose(environ, clock)
    made = Days(wiring.store("tester"), clock, chance, Weather(clock, chance))
    sa.event.listen(made.store.database.engine, "connect", hurry)
    vars(wiring.doorbells())["_client"] = made.weather
    monkeypatch.setitem(registry._known, TASK_TYPE, made.work)  # noqa: SLF001 - for this test only
    retry = Retry(backoff="linear", delay_seconds=240)
    made.store.alone(tasks.create, NewTask("work", "Work", TASK_TYPE, max_attempts=ATTEMPTS, retry=retry))
    yield made
    wiring.compose({})


def hurry(raw: Any, _record: Any) -> None:
    """No power fails here: SQLite need not wait for a disk."""
    if isinstance(raw, sqlite3.Connection):
        raw.execute("PRAGMA synchronous = OFF")


# --- what must become of them ------------------------------------------------------------------------------------


def end_of(config: Config) -> str:
    return Status.FAILED if config["fails"] >= ATTEMPTS else Status.COMPLETED


def ends_of(life: Life) -> dict[str, str]:
    """The states of the steps, and under its own name that of the pipeline."""
    ends = {step: end_of(config) for step, config in life.items()}
    if ends["first"] == Status.FAILED:
        ends |= {"left": Status.SKIPPED, "right": Status.SKIPPED}
    unhandled = Status.FAILED in {ends["first"], ends["last"]}
    return {**ends, "pipeline": "failed" if unhandled else "completed"}


def pauses(events: Sequence[Any]) -> Iterator[tuple[Any, datetime, datetime, datetime]]:
    """For each retry and deferral: whose, since when, until when, and when it was taken up."""
    told: dict[UUID, list[Any]] = {}
    for event in events:
        if event.task_execution_id and event.event_type in {"TaskClaimed", "TaskRetryScheduled", "TaskDeferred"}:
            told.setdefault(event.task_execution_id, []).append(event)
    for id, history in told.items():
        for event, following in pairwise(history):
            if event.event_type != "TaskClaimed":
                until = event.event_data.get("available_at") or event.event_data["resume_at"]
                yield id, event.created_at, datetime.fromisoformat(until), following.created_at


# The engines differ in how they run the statements, not in what is sent: the full number on one of them is enough.
@pytest.mark.parametrize(
    ("engine_kind", "jobs", "pipelines"), [("sqlite", 2_000, 300), ("postgres", 200, 30)], indirect=["engine_kind"]
)
def test_whatever_becomes_of_messages_all_ends_as_it_must(days: Days, jobs: int, pipelines: int) -> None:
    configs, lives = days.run_jobs(jobs), days.start_pipelines(pipelines)
    days.until_all_have_ended()
    executions = rows(days.store, schema.task_executions)
    events = rows(days.store, schema.execution_events)

    # All have come to the end that they had to come to, once, and nothing is left.
    alone = [row.status for row in executions if row.pipeline_execution_id is None]
    assert [end_of(config) for config in configs] == alone
    steps: dict[Any, dict[str, str]] = {row.id: {} for row in rows(days.store, schema.pipeline_executions)}
    for row in executions:
        if row.pipeline_execution_id is not None:
            steps[row.pipeline_execution_id][row.name] = row.status
    ended = {row.id: row.status for row in rows(days.store, schema.pipeline_executions)}
    assert [ends_of(life) for life in lives] == [{**steps[id], "pipeline": ended[id]} for id in steps]
    assert [] == discrepancies(days.store)
    assert [] == rows(days.store, schema.task_outbox)
    assert {row.id: 1 for row in executions if row.status == Status.COMPLETED} == days.ran

    # Nothing that was to wait began before its time, though it was rung for.
    waits = list(pauses(events))
    assert [] == [(id, until, taken) for id, _, until, taken in waits if taken < until]
    assert any(since < at < until for id, since, until, _ in waits for at in days.weather.arrivals[id])

    # It was as bad as it should have been.
    befell = days.weather.befell
    for what, of in {"lost": "sent", "late": "carried", "out of turn": "carried"}.items():
        assert ONE_IN_FIVE == pytest.approx(befell[what] / befell[of], rel=0.25)
    assert ONE_IN_FIVE == pytest.approx(befell["doubled"] / (befell["sent"] - befell["lost"]), rel=0.25)
