"""What each command does to a database, and what it says of it."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from penstock import world
from penstock.dal import executions, schema, tasks
from penstock.dal.dialect import open_database
from penstock.dal.store import Store
from penstock.dal.views import executions as view
from penstock.domain.executions import NewExecution
from penstock.domain.tasks import NewTask
from penstock.local.gateway import Gateway
from penstock.local.runtime import Pool
from penstock.local.template import Template, find
from tests.acting import Clock, store_at
from tests.cli.commanding import penstock

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
NOBODY = "postgresql://nobody@127.0.0.1:1/nowhere"


@pytest.fixture
def there(database_url: str) -> Iterator[Store]:
    """The database that the commands work on, with a task in its catalogue."""
    made = Store(open_database(database_url), "tester", world.now, world.uuid7, world.random)
    made.alone(tasks.create, NewTask("report", "Report", "noop", config={"a": 1}))
    yield made
    made.database.engine.dispose()


# --- enqueue, events, status -------------------------------------------------------------------------------------


def test_a_task_is_enqueued_and_what_happened_is_shown(there: Store, database_url: str) -> None:
    made = penstock("enqueue", "report", "--config", '{"b": 2}', "--json", DATABASE_URL=database_url)
    assert (0, "ready", "") == (made.code, made.json["status"], made.err)
    id = made.json["id"]
    shown = penstock("events", "--execution", id, "--database", database_url)
    assert ["TaskCreated", "TaskMarkedReady"] == [line.split()[2] for line in shown.out.splitlines()]
    assert {True} == {line.split()[3].startswith("cli:") for line in shown.out.splitlines()}
    made_of = there.alone(view.by_id, UUID(id))
    assert made_of is not None
    assert {"a": 1, "b": 2} == made_of.config


def test_the_latest_events_come_oldest_first_and_can_be_of_one_type(there: Store, database_url: str) -> None:
    for _ in range(3):
        penstock("enqueue", "report", DATABASE_URL=database_url)
    shown = penstock("events", "--limit", "3", DATABASE_URL=database_url).out.splitlines()
    assert ["TaskMarkedReady", "TaskCreated", "TaskMarkedReady"] == [line.split()[2] for line in shown]
    made = penstock("events", "--type", "TaskCreated", "--json", DATABASE_URL=database_url).out
    assert 3 == made.count('"event_type": "TaskCreated"') == len(made.splitlines())


def test_status_counts_and_says_what_waits(there: Store, database_url: str) -> None:
    penstock("enqueue", "report", DATABASE_URL=database_url)
    status = penstock("status", "--json", DATABASE_URL=database_url).json
    assert (schema.REVISION, 1) == (status["schema_revision"], status["task_executions"]["ready"])
    assert [("default", 1)] == [(queue["queue"], queue["due"]) for queue in status["queues"]]
    lines = penstock("status", DATABASE_URL=database_url).out.splitlines()
    assert f"schema     {schema.REVISION}" == lines[0]
    assert lines[2].startswith("executions 1 ready ")
    assert lines[3].startswith("queue      default: 1 due, the oldest since ")


def test_a_service_is_asked_the_same(there: Store, database_url: str) -> None:
    function = Template(find()).functions["ApiFunction"]
    environ = {**os.environ, "DATABASE_URL": database_url, "PENSTOCK_LOCAL": "true", "QUEUES": "{}"}
    pool = Pool(function, environ, lambda *_: None, most=1)
    with Gateway(0) as gateway:
        gateway.start(Template(find()).routes, lambda _, event: pool.invoke(event))
        made = penstock("enqueue", "report", "--priority", "1", "--json", "--url", gateway.url)
        assert (0, "ready", 1) == (made.code, made.json["status"], made.json["priority"])
        shown = penstock("events", "--execution", made.json["id"], "--url", gateway.url)
        assert ["TaskCreated", "TaskMarkedReady"] == [line.split()[2] for line in shown.out.splitlines()]
        assert penstock("status", "--url", gateway.url).out.startswith(f"schema     {schema.REVISION}")
        unknown = penstock("enqueue", "nothing", "--url", gateway.url)
        assert (1, "", True) == (unknown.code, unknown.out, unknown.err.startswith("penstock: 422: "))
        gateway.shutdown()
    pool.close()


# --- migrate -----------------------------------------------------------------------------------------------------


def test_a_database_is_migrated_up_and_down(empty_database_url: str) -> None:
    def said(*args: str) -> tuple[int, str]:
        done = penstock("migrate", *args, "--database", empty_database_url)
        return done.code, (done.out + done.err).strip()

    code, line = said("current")
    assert (1, True) == (code, line.startswith("at nothing; 23 to do: 0001, "))
    code, line = said("up", "--to", "0002")
    assert (0, True) == (code, line.startswith("at 0002, from nothing; 21 to do: 0003, "))
    code, sql = said("sql", "0003:0004")
    assert (0, True, False) == (code, "pipeline_executions" in sql, "execution_events" in sql)
    assert (0, f"at {schema.REVISION}, from 0002; nothing to do") == said("up")
    assert (0, f"at {schema.REVISION}; nothing to do") == said("current")
    assert (1, "penstock: going back to 0020 drops tables with their rows; add --yes if that is meant") == said(
        "down", "--to", "0020"
    )
    assert (0, f"at 0020, from {schema.REVISION}; 3 to do: 0021, 0022, 0023") == said("down", "--to", "0020", "--yes")
    behind = penstock("events", DATABASE_URL=empty_database_url)
    assert (1, True) == (behind.code, "is at revision 0020, and this code needs" in behind.err)


# --- drain, sweep, retention -------------------------------------------------------------------------------------


def test_a_sweep_takes_up_what_time_has_decided(there: Store, database_url: str) -> None:
    job = NewExecution("a", "noop")
    there.alone(executions.create, job)
    there.alone(executions.claim, queue="default", limit=1, worker="w", hold_for=timedelta(minutes=1))
    there.alone(executions.expire, workers="w")
    assert {"recovered": 1, "resumed_deferred": 0, "resumed_paused": 0} == penstock(
        "sweep", "--json", DATABASE_URL=database_url, **os.environ
    ).json


def test_a_drain_without_queues_rings_nothing(there: Store, database_url: str) -> None:
    assert {"rung": 0, "refused": 0, "due": 0} == penstock(
        "drain", "--json", DATABASE_URL=database_url, **os.environ
    ).json


def test_retention_counts_and_then_deletes_and_says_how_far_it_is(database_url: str) -> None:
    clock = Clock(LONG_AGO)
    old = store_at(database_url, clock)
    for number in range(3):
        (moved,) = old.alone(executions.create, NewExecution(f"old {number}", "noop")).moved
        old.alone(executions.cancel, [moved.id])
    clock.now = world.now()
    environ = {"DATABASE_URL": database_url, "RETENTION_BATCH": "2"}
    counted = penstock("retention", "--dry-run", "--older-than", "52w", "--json", **environ).json
    assert (3, 0) == (counted["found"]["task_executions"], counted["task_executions_deleted"])
    done = penstock("retention", "--older-than", "52w", **environ)
    assert ["2 of 3 executions deleted", "3 of 3 executions deleted"] == done.err.splitlines()
    assert (0, True) == (done.code, done.out.endswith("3 executions are deleted\n"))
    old.database.engine.dispose()


# --- refused -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "problem"),
    [
        (["status"], "no database is named"),
        (["status", "--database", "nonsense"], "is not a database URL"),
        (["status", "--database", NOBODY], "the database is away"),
        (["events", "--url", "http://127.0.0.1:1"], "ask a --database"),
        (["status", "--url", "http://127.0.0.1:1"], "does not answer"),
        (["status", "--url", "ftp://x"], "is not the URL of a service"),
    ],
)
def test_what_cannot_be_is_one_line_and_exit_code_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, args: list[str], problem: str
) -> None:
    monkeypatch.chdir(tmp_path)
    done = penstock(*args)
    assert (1, "", 1) == (done.code, done.out, done.err.count("\n"))
    assert done.err.startswith("penstock: ")
    assert problem in done.err


def test_an_unknown_task_is_one_line(there: Store, database_url: str) -> None:
    done = penstock("enqueue", "nothing", DATABASE_URL=database_url)
    assert (1, "penstock: task: names no task of the catalogue: nothing\n") == (done.code, done.err)


def test_a_database_that_was_never_migrated_says_what_to_do(empty_database_url: str) -> None:
    for command in (["status"], ["events"], ["enqueue", "x"]):
        done = penstock(*command, DATABASE_URL=empty_database_url)
        assert (1, True) == (done.code, "has never been migrated" in done.err and "penstock migrate up" in done.err)


@pytest.mark.parametrize(
    "args",
    [
        [],
        ["nothing"],
        ["migrate"],
        ["retention", "--older-than", "9"],
        ["enqueue", "x", "--config", "[]"],
        ["run", "--port", "-1"],
    ],
)
def test_what_is_asked_for_wrongly_has_exit_code_2(args: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        penstock(*args)
    assert 2 == ended.value.code
    assert "usage: penstock" in capsys.readouterr().err
