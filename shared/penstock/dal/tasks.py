"""The verbs of the catalogue: a task is created, changed, deleted, and run.

A run takes what it needs out of the catalogue once, when it is asked for; a later change of the task leaves it alone.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa

from penstock.dal import executions, pipelines, schema
from penstock.dal.dialect import Id, Query, as_json, is_duplicate
from penstock.dal.effects import Effects
from penstock.dal.ledger.verb import Verb
from penstock.dal.store import Tx
from penstock.domain import limits
from penstock.domain.errors import InUse, InvalidInput, NameTaken, NotFound, UnknownTasks, VersionChanged
from penstock.domain.pipelines import NewPipeline
from penstock.domain.tasks import CHECKS, NewTask, Run, RunStep, Task, checked


class TaskRow(NamedTuple):
    """A task of the catalogue."""

    id: UUID
    name: str
    title: str
    description: str | None
    task_type: str
    queue: str
    config: Mapping[str, Any]
    metadata: Mapping[str, Any] | None
    workspace_path: str | None
    priority: int
    max_attempts: int
    retry: Mapping[str, Any] | None
    timeout_seconds: int
    requires_approval: bool
    created_at: datetime
    updated_at: datetime


class Deleted(NamedTuple):
    """Whether a task has been deleted, and what kept it."""

    deleted: bool
    updated_at: datetime
    users: list[str]


CREATE = Verb("create_tasks", TaskRow)
CHANGE = Verb("change_task", TaskRow)
DELETE = Verb("delete_task", Deleted)
LOCK = Verb("lock_tasks", Task)
VERSION = Query(sa.select(schema.tasks.c.updated_at).where(schema.tasks.c.id == sa.bindparam("id", type_=Id())))

# --- the catalogue -----------------------------------------------------------------------------------------------


def create(tx: Tx, *wanted: NewTask) -> list[TaskRow]:
    """Creates tasks; their rows, in the order in which they were given. NameTaken if one cannot be: roll back then."""
    limits.few("tasks", wanted, limits.PAGE)
    if repeated := [name for name, number in Counter(task.name for task in wanted).items() if number > 1]:
        raise InvalidInput("name", f"is given to several of these tasks: {', '.join(repeated)}")
    if len(wanted) > 1:
        tx.must_span()
    rows = {row.name: row for row in tx.call(CREATE, tasks=as_json([_row(tx, task) for task in wanted]))}
    if taken := [task.name for task in wanted if task.name not in rows]:
        raise NameTaken(taken[0])
    return [rows[task.name] for task in wanted]


def change(tx: Tx, id: UUID, changes: Mapping[str, Any], *, unless_changed_since: datetime | None = None) -> TaskRow:
    """Changes a task, if it is as it was at that moment; its row. Each change gives it a later `updated_at`."""
    values = _stored(checked(changes))
    try:
        rows = tx.call(CHANGE, task_id=id, changes=as_json(values), unless_changed_since=unless_changed_since)
    except Exception as error:
        if not is_duplicate(error):
            raise
        raise NameTaken(values["name"]) from None
    if not rows:
        raise _why_not(tx, id, unless_changed_since)
    return rows[0]


def delete(tx: Tx, id: UUID, *, unless_changed_since: datetime | None = None) -> None:
    """Deletes a task that nothing refers to, if it is as it was at that moment."""
    rows = tx.call(DELETE, task_id=id, unless_changed_since=unless_changed_since)
    if not rows:
        raise NotFound("task", id)
    (found,) = rows
    if found.deleted:
        return
    if unless_changed_since is not None and unless_changed_since != found.updated_at:
        raise VersionChanged(id, unless_changed_since, found.updated_at)
    raise InUse("task", id, found.users)


def _why_not(tx: Tx, id: UUID, expected: datetime | None) -> NotFound | VersionChanged:
    found = tx.run(VERSION, {"id": id})
    if not found or expected is None:
        return NotFound("task", id)
    return VersionChanged(id, expected, found[0].updated_at)


def _row(tx: Tx, task: NewTask) -> dict[str, Any]:
    return {"id": tx.new_id(), **_stored({name: getattr(task, name) for name in CHECKS})}


def _stored(values: Mapping[str, Any]) -> dict[str, Any]:
    return {**values, "retry": values["retry"].as_json()} if "retry" in values else dict(values)


# --- runs of it --------------------------------------------------------------------------------------------------


def run(tx: Tx, runs: Sequence[Run]) -> Effects:
    """Writes an execution for each run, ready at once unless its task needs an approval."""
    limits.few("runs", runs, limits.BATCH)
    known = _known(tx, runs)
    return executions.create_many(tx, [known[run.task].execution(run) for run in runs])


def start(
    tx: Tx,
    name: str,
    steps: Sequence[RunStep],
    *,
    input: Mapping[str, Any] | None = None,  # noqa: A002 - the column's name
    traceparent: str | None = None,
) -> Effects:
    """Starts a pipeline whose steps are runs of tasks of the catalogue."""
    limits.few("steps", steps, limits.STEPS)
    known = _known(tx, [step.run for step in steps])
    wanted = [step.of(known[step.run.task]) for step in steps]
    return pipelines.start(tx, NewPipeline(name, wanted, input or {}, traceparent=traceparent))


def _known(tx: Tx, runs: Iterable[Run]) -> dict[str, Task]:
    """The tasks of these runs, kept from being deleted until the runs are there."""
    tx.must_span()
    names = list(dict.fromkeys(run.task for run in runs))
    found = {task.name: task for task in tx.call(LOCK, names=names)}
    if unknown := [name for name in names if name not in found]:
        raise UnknownTasks(unknown)
    return found
