"""What a task type is tried with: a function that runs one job of it and shows what became of the execution."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

import worker.tasks  # noqa: F401 - registers the task types
from penstock import wiring
from penstock.dal import executions
from penstock.dal.store import Store
from penstock.domain.executions import NewExecution
from penstock.work import registry
from tests import working
from tests.acting import Clock, execution, only
from tests.databases import Databases

Run = Callable[..., Any]
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture
def environ(databases: Databases) -> Iterator[dict[str, str]]:
    """One engine and no queues: what a task type does is about neither."""
    with databases.migrated("sqlite") as url:
        yield {"DATABASE_URL": url}


@pytest.fixture
def run(environ: dict[str, str], clock: Clock) -> Iterator[Run]:
    """Runs a job once, with the reach that a test gives to the deployment; its execution afterwards."""

    def run_once(task_type: str, config: dict[str, Any], *, left: timedelta = working.HOUR, **reach: str) -> Any:
        wiring.compose(environ | reach, clock)
        store: Store = wiring.store("tester")
        wanted = NewExecution("job", task_type, config=config, max_attempts=2, traceparent=TRACE)
        id = only(store.alone(executions.create, wanted))
        working.Worker(store, dict(registry._known), left=left).work(id)  # noqa: SLF001 - all that are registered
        return execution(store, id)

    yield run_once
    wiring.compose({})


def refused(row: Any) -> tuple[str, str]:
    """Why it failed for good, after its first attempt."""
    assert ("failed", 1) == (row.status, row.attempt)
    return row.outcome["error_type"], row.error
