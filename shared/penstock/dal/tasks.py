"""The verbs of the catalogue: a task is created, changed, deleted, and run.

A run takes what it needs out of the catalogue once, when it is asked for; a later change of the task leaves it alone.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from penstock.dal import executions, pipelines, schema
from penstock.dal.dialect import Id, Instant, Script, Statement, insert, is_duplicate, just_after, later_of
from penstock.dal.executions import Effects
from penstock.dal.pipelines import NewPipeline
from penstock.dal.store import Tx
from penstock.domain import limits
from penstock.domain.errors import InUse, InvalidInput, NameTaken, NotFound, UnknownTasks, VersionChanged
from penstock.domain.tasks import CHECKS, NewTask, Run, RunStep, Task, checked

T = schema.tasks
NOW = sa.bindparam("now", type_=Instant())
ID = sa.bindparam("id", type_=Id())
# Combinations of changed columns that stay compiled. There are more than anybody makes use of.
SHAPES = 64

# --- the catalogue -----------------------------------------------------------------------------------------------


def create(tx: Tx, *wanted: NewTask) -> list[Any]:
    """Writes new tasks; their rows, in the order in which they were given. NameTaken if one cannot be: roll back then."""
    limits.few("tasks", wanted, limits.PAGE)
    if repeated := [name for name, number in Counter(task.name for task in wanted).items() if number > 1]:
        raise InvalidInput("name", f"is given to several of these tasks: {', '.join(repeated)}")
    if len(wanted) > 1:
        tx.must_span()
    rows = {row.name: row for row in tx.run(CREATE, {"rows": [_row(tx, task) for task in wanted]})}
    if taken := [task.name for task in wanted if task.name not in rows]:
        raise NameTaken(taken[0])
    return [rows[task.name] for task in wanted]


def change(tx: Tx, id: UUID, changes: Mapping[str, Any], *, unless_changed_since: datetime | None = None) -> Any:
    """Changes a task, if it is as it was at that moment; its row. Each change gives it a later `updated_at`."""
    values = _stored(checked(changes))
    fenced = unless_changed_since is not None
    try:
        rows = tx.run(_change(frozenset(values), fenced), {**values, "id": id, "since": unless_changed_since})
    except Exception as error:
        if not is_duplicate(error):
            raise
        raise NameTaken(values["name"]) from None
    if not rows:
        raise _why_not(tx, id, unless_changed_since)
    return rows[0]


def delete(tx: Tx, id: UUID, *, unless_changed_since: datetime | None = None) -> None:
    """Deletes a task that nothing refers to, if it is as it was at that moment.

    It is locked first, against whoever is about to refer to it, and its users are looked for by a statement of its
    own: one that had to wait for the lock would not see them.
    """
    tx.must_span()
    locked = tx.run(LOCK, {"id": id})
    if not locked:
        raise NotFound("task", id)
    if unless_changed_since is not None and unless_changed_since != locked[0].updated_at:
        raise VersionChanged(id, unless_changed_since, locked[0].updated_at)
    if users := [row.kind for row in tx.run(USERS, {"id": id})]:
        raise InUse("task", id, users)
    tx.run(DELETE, {"id": id})


def _why_not(tx: Tx, id: UUID, expected: datetime | None) -> NotFound | VersionChanged:
    found = tx.run(VERSION, {"id": id})
    if not found or expected is None:
        return NotFound("task", id)
    return VersionChanged(id, expected, found[0].updated_at)


def _row(tx: Tx, task: NewTask) -> dict[str, Any]:
    return {"id": tx.new_id(), **_stored({name: getattr(task, name) for name in CHECKS})}


def _stored(values: Mapping[str, Any]) -> dict[str, Any]:
    return {**values, "retry": values["retry"].as_json()} if "retry" in values else dict(values)


def _create(script: Script) -> None:
    brought = ("id", *CHECKS)
    rows = script.given("rows", {name: T.c[name].type for name in brought})
    # Without a condition SQLite would read ON CONFLICT as the ON of a join.
    columns = sa.select(*(rows.c[name] for name in brought), NOW, NOW).where(rows.c.name.is_not(None))
    new = insert(T).from_select([*brought, "created_at", "updated_at"], columns)
    created = script.step("created", new.on_conflict_do_nothing(index_elements=[T.c.name]).returning(*T.c))
    script.answer(sa.select(*created.c))


@lru_cache(SHAPES)
def _change(columns: frozenset[str], fenced: bool) -> Statement:  # noqa: FBT001 - part of the key
    def build(script: Script) -> None:
        since = [T.c.updated_at == sa.bindparam("since", type_=Instant())] if fenced else []
        values = {name: sa.bindparam(name, type_=T.c[name].type) for name in sorted(columns)}
        moment = later_of(NOW, just_after(T.c.updated_at), type_=Instant())
        update = sa.update(T).where(T.c.id == ID, *since).values(**values, updated_at=moment)
        changed = script.step("changed", update.returning(*T.c))
        script.answer(sa.select(*changed.c))

    return Statement(build)


def _lock(script: Script) -> None:
    # A foreign key that is being checked holds a share of the row; of all row locks only this one waits for it.
    locked = script.step("locked", sa.select(T.c.updated_at).where(T.c.id == ID).with_for_update())
    script.answer(sa.select(*locked.c))


def _users(script: Script) -> None:
    tables = (schema.task_executions, schema.workflow_tasks, schema.schedules)
    kinds = [
        sa.select(sa.literal_column(f"'{table.name.replace('_', ' ')}'", sa.Text()).label("kind")).where(
            sa.exists().where(table.c.task_id == ID)
        )
        for table in tables
    ]
    script.answer(sa.union_all(*kinds))


def _delete(script: Script) -> None:
    gone = script.step("gone", sa.delete(T).where(T.c.id == ID).returning(T.c.id))
    script.answer(sa.select(gone.c.id))


def _version(script: Script) -> None:
    script.answer(sa.select(T.c.updated_at).where(T.c.id == ID))


CREATE, LOCK, USERS, DELETE, VERSION = (Statement(build) for build in (_create, _lock, _users, _delete, _version))

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
    found = {row.name: Task(*row) for row in tx.run(KNOWN, {"rows": [{"name": name} for name in names]})}
    if unknown := [name for name in names if name not in found]:
        raise UnknownTasks(unknown)
    return found


def _by_name(script: Script) -> None:
    rows = script.given("rows", {"name": sa.Text()})
    columns = [T.c[name] for name in Task.__dataclass_fields__]
    tasks = sa.select(*columns).join(rows, rows.c.name == T.c.name).order_by(T.c.id)
    known = script.step("known", tasks.with_for_update(read=True, key_share=True, of=T))
    script.answer(sa.select(*known.c))


KNOWN = Statement(_by_name)
