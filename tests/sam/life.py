"""The whole life of a job in containers, from an empty database until its history is deleted: `make sam-test`.

Functions log in as they do when they are deployed: migrations as the owner, the others with what they were granted.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import perf_counter
from typing import Any
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import make_url

from penstock import world
from penstock.dal import executions, schema, tasks
from penstock.dal.store import Store
from penstock.domain.tasks import Run
from penstock.local.client import Client
from tests.acting import Clock, begin, execution, only, rows, store_at
from tests.amazon import Amazon
from tests.books import discrepancies
from tests.databases import Databases
from tests.functions.payloads import event
from tests.sam import neighbours
from tests.sam.conftest import Place
from tests.sam.containers import Built

TASK = {
    "name": "tidy",
    "title": "Tidies the warehouse",
    "task_type": "sql.run",
    "config": {"connection": "warehouse", "statements": ["DELETE FROM crates WHERE empty"]},
}
LIVED = ["TaskCreated", "TaskMarkedReady", "TaskClaimed", "TaskStarted", "TaskCompleted"]
NOW, HOUR, LONG = timedelta(0), timedelta(hours=1), timedelta(days=100)
Chapter = Callable[[str], AbstractContextManager[None]]


class Ticking(Clock):
    """Time that passes by itself: the database takes two moves at one moment for a clock that was set back."""

    def __call__(self) -> datetime:
        self.pass_(timedelta(milliseconds=1))
        return self.now


@dataclass(frozen=True)
class World:
    """A deployment with nothing in its database yet, the queue that wakes its workers, and a warehouse to tidy."""

    place: Place
    amazon: Amazon
    url: str
    warehouse: str

    @contextmanager
    def store(self, ago: timedelta = NOW) -> Iterator[Store]:
        """A store on which it is earlier."""
        store = store_at(self.url, Ticking(world.now() - ago))
        yield store
        store.database.engine.dispose()

    def execution(self, id: UUID) -> Any:
        with self.store() as now:
            return execution(now, id)

    def ids(self) -> set[UUID]:
        with self.store() as now:
            return {row.id for row in rows(now, schema.task_executions)}

    def migrate(self) -> Any:
        logins = {"DATABASE_FUNCTIONS_LOGIN": "penstock_app", "DATABASE_RETENTION_LOGIN": "penstock_retention"}
        return self.place.invoke("MigrateFunction", event("migrate.upgrade"), **logins)

    def api(self) -> AbstractContextManager[str]:
        return self.place.built.api({**self.place.variables, **self._login("penstock_app"), "PENSTOCK_LOCAL": "true"})

    def work(self) -> Any:
        """Hands what lies in the queue to the worker, as SQS does."""
        records = [_record(message) for message in self.amazon.messages("default")]
        assert records
        reach = {"SQL_RUN_CONNECTIONS": f'{{"warehouse": "{self.warehouse}"}}'}
        return self.place.invoke("WorkerFunction", {"Records": records}, **self._login("penstock_app"), **reach)

    def tick(self, function: str) -> Any:
        return self.place.invoke(
            f"{function}Function", event(f"{function.lower()}.scheduled"), **self._login("penstock_app")
        )

    def purge(self, name: str) -> Any:
        return self.place.invoke("RetentionFunction", event(name), **self._login("penstock_retention"))

    def _login(self, name: str) -> dict[str, str]:
        url = make_url(self.place.variables["DATABASE_URL"]).set(username=name)
        return {"DATABASE_URL": url.render_as_string(hide_password=False)}


def _record(message: Mapping[str, Any]) -> dict[str, Any]:
    (record,) = event("worker.doorbell")["Records"]
    arrived = {"messageId": message["MessageId"], "receiptHandle": message["ReceiptHandle"], "body": message["Body"]}
    return {**record, **arrived}


@pytest.fixture
def crates(databases: Databases) -> Iterator[str]:
    """Somebody's own database, with three crates of which two are empty."""
    with databases.empty("postgres") as url:
        with psycopg.connect(url.replace("+psycopg", "")) as warehouse:
            warehouse.execute("CREATE TABLE crates AS SELECT number < 3 AS empty FROM generate_series(1, 3) number")
            warehouse.execute("CREATE ROLE clerk LOGIN")
            warehouse.execute("GRANT ALL ON crates TO clerk")
        yield url


@pytest.fixture
def here(built: Built, around: Mapping[str, str], amazon: Amazon, databases: Databases, crates: str) -> Iterator[World]:
    with databases.empty("postgres") as url, neighbours.database(url) as seen, neighbours.database(crates) as warehouse:
        place = Place(built, {**around, "DATABASE_URL": seen})
        yield World(place, amazon, url, warehouse.replace("postgres@", "clerk@"))


@pytest.fixture
def chapter(record_property: Callable[[str, object], None]) -> Chapter:
    """Says how long each part took."""

    @contextmanager
    def timed(name: str) -> Iterator[None]:
        began = perf_counter()
        yield
        record_property(name, f"{perf_counter() - began:.1f} s")

    return timed


def run_again(store: Store) -> UUID:
    """As an application does that embeds Penstock."""
    return only(store.alone(tasks.run, [Run("tidy")]))


def left(url: str) -> int:
    with psycopg.connect(url.replace("+psycopg", "")) as warehouse:
        ((count,),) = warehouse.execute("SELECT count(*) FROM crates")
    return int(count)


def test_a_job_lives_in_containers(here: World, crates: str, chapter: Chapter) -> None:
    with chapter("migrate upgrades an empty database"):
        assert [] == here.migrate()["pending"]

    with here.api() as url:
        api = Client(url)
        with chapter("the api is served, takes a task and a run of it, and rings"):
            health = api.get("/v1/health")
            assert (True, health["schema_needed"]) == (health["history_protected"], health["schema_revision"])
            api.post("/v1/tasks", TASK)
            asked = api.post("/v1/task-executions", {"task": "tidy"})["id"]
        with chapter("the worker runs what SQS rings for"):
            assert {"batchItemFailures": []} == here.work()
            assert 1 == left(crates)
        with chapter("the api tells its history"):
            path = f"/v1/task-executions/{asked}"
            assert "completed" == api.get(path)["status"]
            assert LIVED == [each["event_type"] for each in api.items(f"{path}/events")]

    with chapter("the drain rings for what an application has put up, and the worker runs it"):
        with here.store(HOUR) as before:
            put_up = run_again(before)
        assert {"rung": 1, "refused": 0, "due": 1} == here.tick("Drain")
        assert {"batchItemFailures": []} == here.work()
        assert "completed" == here.execution(put_up).status
    with chapter("the sweep takes back what a worker died of, and the worker runs it"):
        with here.store(HOUR) as before:
            (dropped,) = begin(before, run_again(before))
        assert {"recovered": 1, "resumed_deferred": 0, "resumed_paused": 0} == here.tick("Sweep")
        assert {"batchItemFailures": []} == here.work()
        assert ("completed", 1) == (here.execution(dropped.id).status, here.execution(dropped.id).recoveries)
    with chapter("retention counts, then deletes what ended long ago and nothing else"):
        with here.store(LONG) as once:
            (old,) = begin(once, run_again(once))
            once.alone(executions.complete, old)
        assert 1 == here.purge("retention.dry_run")["remaining"]["task_executions"]
        assert 1 == here.purge("retention.scheduled")["deleted"]["task_executions"]
        assert {UUID(asked), put_up, dropped.id} == here.ids()
    with here.store() as now:
        assert [] == discrepancies(now)
