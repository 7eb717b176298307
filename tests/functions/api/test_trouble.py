"""When something is wrong that the caller cannot help: an old schema, a database that is away, a queue that is away, a defect."""

import io
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from api.app import handler
from penstock import telemetry, wiring
from penstock.dal import schema
from penstock.dal.store import Store
from tests.acting import Clock, rows, run
from tests.amazon import Amazon
from tests.databases import Databases
from tests.functions.api.documentation import judge
from tests.functions.api.scenes import SCOPE, Scene
from tests.functions.gateway import TRACEPARENT, Client
from tests.migrations.revisions import VERSIONS as NOTED

VERSIONS = Path(__file__).parents[3] / "migrations" / "versions"


def migrate(store: Store, revision: str) -> None:
    run(store, f"UPDATE {NOTED[store.database.engine.dialect.name]} SET version_num = '{revision}'")


def test_the_code_needs_the_newest_revision_that_there_is() -> None:
    assert max(file.name.partition("_")[0] for file in VERSIONS.glob("[0-9]*.py")) == schema.REVISION


def test_an_old_schema_is_a_problem_until_it_has_been_migrated(api: Client, wired: Store) -> None:
    migrate(wired, "0020")
    answer = api.get("/v1/health")
    assert (503, "schema-behind", "30") == (answer.status, answer.kind, answer.headers["retry-after"])
    assert "revision 0020" in answer.json["detail"]
    migrate(wired, schema.REVISION)
    assert 200 == api.get("/v1/health").status


def test_a_schema_that_is_ahead_is_fine(api: Client, wired: Store) -> None:
    migrate(wired, "0999")
    assert (200, "0999") == ((answer := api.get("/v1/health")).status, answer.json["schema_revision"])


def test_the_revision_is_asked_for_once(api: Client, wired: Store) -> None:
    assert 200 == api.get("/v1/tasks").status
    migrate(wired, "0001")
    assert 200 == api.get("/v1/tasks").status


def test_a_database_that_was_never_migrated_is_behind(
    empty_database_url: str, clock: Clock, lambda_context: Any
) -> None:
    wiring.compose({"DATABASE_URL": empty_database_url}, clock)
    answer = Client(handler, lambda_context, judge).get("/v1/health")
    wiring.compose({})
    assert (503, "schema-behind") == (answer.status, answer.kind)
    assert "revision none" in answer.json["detail"]


def test_health_tells_how_far_behind_the_ringing_is(api: Client, scene: Scene) -> None:
    scene.task()
    scene.run()
    (lag,) = api.get("/v1/health").json["queues"]
    assert ("default", 1, 1) == (lag["queue"], lag["due"], lag["never_rung"])


def test_health_tells_when_a_guard_is_gone(api: Client, wired: Store, engine_kind: str) -> None:
    protected = api.get("/v1/health").json["history_protected"]
    assert (engine_kind == "sqlite") == protected  # the tests log in as the owner, who could disarm the guards


def test_a_database_that_is_away_is_worth_another_try(clock: Clock, lambda_context: Any) -> None:
    wiring.compose({"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing"}, clock)
    answer = Client(handler, lambda_context, judge).get("/v1/tasks")
    wiring.compose({})
    assert (503, "database-away", "5") == (answer.status, answer.kind, answer.headers["retry-after"])
    assert "127.0.0.1" not in (answer.body or "")


def test_a_setting_that_cannot_be_is_a_problem_that_tells_nothing(clock: Clock, lambda_context: Any) -> None:
    wiring.compose({"DATABASE_URL": "sqlite://", "RETENTION_DAYS": "secret"}, clock)
    answer = Client(handler, lambda_context, judge).get("/v1/tasks")
    wiring.compose({})
    assert (500, "internal-error") == (answer.status, answer.kind)
    assert "secret" not in (answer.body or "")


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What the function logs."""
    written = io.StringIO()
    monkeypatch.setattr(telemetry.logger.registered_handler, "stream", written)
    return written


def test_a_defect_says_nothing_of_itself(api: Client, wired: Store, logged: io.StringIO) -> None:
    run(wired, "ALTER TABLE idempotency_keys RENAME TO gone")
    task = {"name": "report", "title": "Report", "task_type": "noop"}
    answer = api.post("/v1/tasks", task, headers={"Idempotency-Key": "key"})
    assert (500, "internal-error") == (answer.status, answer.kind)
    assert "idempotency_keys" not in (answer.body or "")
    assert "idempotency_keys" in logged.getvalue()
    assert [] == rows(wired, schema.tasks)


# --- ringing -----------------------------------------------------------------------------------------------------


@pytest.fixture
def mapped(environ: Mapping[str, str], amazon: Amazon, clock: Clock) -> Iterator[Store]:
    """The queue `default` is mapped to SQS."""
    wiring.compose({**environ, "QUEUES": f'{{"default": "{amazon.queue("default")}"}}'}, clock)
    yield wiring.store("tester")
    wiring.compose({})


def test_what_was_made_ready_is_rung_at_once(mapped: Store, amazon: Amazon, lambda_context: Any, clock: Clock) -> None:
    Scene(mapped, clock).task()
    api = Client(handler, lambda_context, judge)
    made = api.post("/v1/task-executions", {"executions": [{"task": "report"}] * 3}).json["items"]
    said = amazon.said("default")
    assert {item["id"] for item in made} == {message["task_execution_id"] for message in said}
    assert {TRACEPARENT} == {message["traceparent"] for message in said}


def test_a_replay_rings_nobody(mapped: Store, amazon: Amazon, lambda_context: Any, clock: Clock) -> None:
    Scene(mapped, clock).task()
    api = Client(handler, lambda_context, judge)
    for _ in range(2):
        api.post("/v1/task-executions", {"task": "report"}, headers={"Idempotency-Key": "key"})
    assert 1 == len(amazon.said("default"))


def test_a_queue_that_is_away_changes_nothing_for_the_caller(
    environ: Mapping[str, str], amazon: Amazon, lambda_context: Any, clock: Clock
) -> None:
    wiring.compose({**environ, "QUEUES": '{"default": "http://127.0.0.1:1/012345678901/gone"}'}, clock)
    store = wiring.store("tester")
    Scene(store, clock).task()
    assert 201 == Client(handler, lambda_context, judge).post("/v1/task-executions", {"task": "report"}).status
    assert 1 == len(rows(store, schema.task_outbox))
    wiring.compose({})


def test_a_database_that_is_busy_is_worth_another_try(databases: Databases, clock: Clock, lambda_context: Any) -> None:
    with databases.migrated("sqlite") as url:
        wiring.compose({"DATABASE_URL": url, "REQUIRED_SCOPE": SCOPE}, clock)
        Scene(wiring.store("tester"), clock).task()
        with wiring.store("tester").database.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA busy_timeout = 1")
        rival = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
        rival.execute("BEGIN IMMEDIATE")
        answer = Client(handler, lambda_context, judge).post("/v1/task-executions", {"task": "report"})
        rival.close()
        wiring.compose({})
    assert (503, "database-away") == (answer.status, answer.kind)
