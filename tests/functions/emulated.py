"""Handlers for the emulator that do what none of ours does: keep a transaction open, and run until they are killed."""

import os
from typing import Any
from uuid import UUID

from penstock import wiring
from penstock.dal import executions
from penstock.domain.executions import NewExecution
from penstock.work import Context, task_type
from tests.working import block
from worker.app import handler as worker  # noqa: F401 - with the task type below

CALLS: list[int] = []


def hold(event: Any, _context: Any) -> dict[str, int]:
    """With an id, takes this execution and dies before the commit; else says which process it is, and its how many-th call."""
    CALLS.append(os.getpid())
    store = wiring.store("emulated")
    with store.begin() as tx:
        if "id" in event:
            executions.create(tx, NewExecution("uncommitted", "noop"))
            executions.begin(tx, [UUID(event["id"])], worker="emulated")
            block()
    return {"process": os.getpid(), "calls": len(CALLS)}


@task_type("noop")
def run_for_ever(context: Context) -> None:
    """The type of the tests' jobs."""
    block(context)
