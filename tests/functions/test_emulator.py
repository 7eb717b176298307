"""In the runtime that Lambda has, each function answers; what Lambda does to functions, the database gets over."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from penstock.dal import schema
from penstock.dal.store import Store
from tests import pooler
from tests.acting import START, Clock, begin, create, event_types, execution, job, rows, store_at
from tests.amazon import Amazon
from tests.functions.emulator import Answer, Emulator, emulated
from tests.functions.payloads import event
from tests.functions.shifts import rung_for

# Longer than a cold start on a busy machine, short enough to be waited for.
SHORT_SECONDS = 15
SESSIONS = "SELECT pid, backend_start, state FROM pg_stat_activity WHERE application_name = 'penstock:{}'"


@pytest.fixture
def environ(postgres_url: str, amazon: Amazon) -> dict[str, str]:
    return {**amazon.environ, "DATABASE_URL": postgres_url, "QUEUES": f'{{"default": "{amazon.queue("default")}"}}'}


@pytest.fixture
def direct(environ: dict[str, str]) -> dict[str, str]:
    """Where the sessions are the function's own, and not a pooler's."""
    return environ | {"DATABASE_URL": pooler.past(environ["DATABASE_URL"])}


@pytest.fixture
def clock() -> Clock:
    """Long ago, so that all is due by the clock of this machine."""
    return Clock(START.replace(year=2020))


@pytest.fixture
def store(postgres_url: str, clock: Clock) -> Iterator[Store]:
    made = store_at(postgres_url, clock)
    yield made
    made.database.engine.dispose()


def sessions(store: Store, function: str) -> list[Any]:
    """What the server knows of the connections of a function."""
    with store.database.engine.connect() as observer:
        return list(observer.exec_driver_sql(SESSIONS.format(function)))


# --- each function -----------------------------------------------------------------------------------------------


def test_the_api_answers(environ: dict[str, str]) -> None:
    with emulated("api.app.handler", environ) as api:
        answer = api.invoke(event("api.health"))
    assert (200, 200) == (answer.status, answer.said["statusCode"])


def test_the_worker_works(environ: dict[str, str], store: Store) -> None:
    (id,) = store.alone(create, job())
    with emulated("worker.app.handler", environ) as worker:
        assert Answer(200, {"batchItemFailures": []}) == worker.invoke(rung_for([id]))
    row = execution(store, id)
    assert ("ready", 2) == (row.status, row.attempt)
    assert row.error.startswith("this worker knows no task type 'noop'")


def test_the_drain_rings(environ: dict[str, str], store: Store, amazon: Amazon) -> None:
    (id,) = store.alone(create, job())
    with emulated("drain.app.handler", environ) as drain:
        assert Answer(200, {"rung": 1, "refused": 0, "due": 1}) == drain.invoke(event("drain.scheduled"))
    assert [str(id)] == [said["task_execution_id"] for said in amazon.said("default")]


def test_the_sweep_sweeps(environ: dict[str, str], store: Store, clock: Clock) -> None:
    (held,) = store.alone(create, job())
    begin(store, held)
    clock.pass_(timedelta(days=1))
    with emulated("sweep.app.handler", environ) as sweep:
        answer = sweep.invoke(event("sweep.scheduled"))
    assert Answer(200, {"recovered": 1, "resumed_deferred": 0, "resumed_paused": 0}) == answer
    assert "TaskRecovered" == event_types(store, held)[-1]


def test_the_retention_retains(environ: dict[str, str], store: Store) -> None:
    store.alone(create, job())
    with emulated("retention.app.handler", environ) as retention:
        answer = retention.invoke(event("retention.scheduled"))
    assert (200, 0) == (answer.status, answer.said["deleted"]["task_executions"])
    assert 1 == len(rows(store, schema.task_executions))


def test_the_migration_migrates(environ: dict[str, str], databases: Any) -> None:
    with (
        databases.empty("postgres") as url,
        emulated("migrate.app.handler", environ | {"DATABASE_URL": url}) as migrate,
    ):
        upgraded = migrate.invoke(event("migrate.upgrade"))
        checked = migrate.invoke(event("migrate.check"))
    assert (200, None) == (upgraded.status, upgraded.said["from"])
    assert (200, True, upgraded.said["head"]) == (
        checked.status,
        checked.said["up_to_date"],
        checked.said["current"],
    )


# --- what Lambda does to them ------------------------------------------------------------------------------------


def test_a_warm_environment_keeps_its_one_connection(direct: dict[str, str], store: Store) -> None:
    with emulated("sweep.app.handler", direct) as sweep:
        sweep.invoke(event("sweep.scheduled"))
        (first,) = sessions(store, "sweep")
        sweep.invoke(event("sweep.scheduled"))
        (second,) = sessions(store, "sweep")
    assert (first.pid, first.backend_start, "idle") == (second.pid, second.backend_start, second.state)


def test_who_is_killed_in_mid_transaction_has_done_nothing_and_holds_nothing(
    direct: dict[str, str], store: Store
) -> None:
    (id,) = store.alone(create, job())
    with emulated("tests.functions.emulated.hold", direct, seconds=SHORT_SECONDS) as function:
        before = function.invoke({}).said
        with invoking(function, {"id": str(id)}) as call:
            while is_free(store, id):
                assert not call.done(), call.result()
            assert Answer(200, f"Task timed out after {SHORT_SECONDS}.00 seconds") == call.result()
        while sessions(store, "tests"):
            pass
        assert is_free(store, id)
        assert [id] == [row.id for row in rows(store, schema.task_executions)]
        assert [id] == [held.id for held in begin(store, id)]
        after = function.invoke({}).said
    assert before["process"] != after["process"]
    assert [1, 1] == [before["calls"], after["calls"]]


@contextmanager
def invoking(function: Emulator, said: Any) -> Iterator[Any]:
    with ThreadPoolExecutor(1) as caller:
        yield caller.submit(function.invoke, said)


def is_free(store: Store, id: Any) -> bool:
    """Whether nobody holds the row of this execution."""
    query = sa.select(schema.task_executions.c.id).where(schema.task_executions.c.id == id)
    with store.database.engine.connect() as connection:
        return [id] == list(connection.scalars(query.with_for_update(skip_locked=True)))


def test_a_job_that_would_run_for_ever_is_settled_before_the_function_is_killed(
    environ: dict[str, str], store: Store
) -> None:
    (id,) = store.alone(create, job())
    with emulated("tests.functions.emulated.worker", environ, seconds=SHORT_SECONDS) as worker:
        assert Answer(200, {"batchItemFailures": []}) == worker.invoke(rung_for([id]))
    row = execution(store, id)
    assert ("ready", 2) == (row.status, row.attempt)
    assert row.error.startswith("it ran for")


# --- what cannot begin -------------------------------------------------------------------------------------------


def test_a_handler_that_cannot_be_imported_is_told_each_time(environ: dict[str, str]) -> None:
    with emulated("nowhere.app.handler", environ) as nowhere:
        answers = [nowhere.invoke({}), nowhere.invoke({})]
    assert ["Runtime.ImportModuleError"] * 2 == [answer.said["errorType"] for answer in answers]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"RETENTION_DAYS": "soon"}, "RETENTION_DAYS: is 'soon'; it must be a whole number from 1 to 36,500"),
        ({"DATABASE_URL": ""}, "DATABASE_URL: is not set, nor is DATABASE_HOST; say where the database is"),
    ],
)
def test_a_wrong_setting_is_named(environ: dict[str, str], changes: dict[str, str], problem: str) -> None:
    with emulated("sweep.app.handler", environ | changes) as sweep:
        answer = sweep.invoke(event("sweep.scheduled"))
    assert ("InvalidSetting", problem) == (answer.said["errorType"], answer.said["errorMessage"])
