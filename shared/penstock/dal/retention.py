"""History goes in bounded steps, on the record: whole histories of what ended before a cut-off, oldest first.

A history is a single job or a whole pipeline, with its events and everything that hangs on it. Live and held
work stays. The step is on record in `purge_log`, in the same transaction, before the first row goes: the guards
let nothing be deleted otherwise, and on PostgreSQL only by the role of the purge.
"""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from penstock.dal import schema
from penstock.dal.dialect import Id, Instant, Script, Statement
from penstock.dal.guards import PURGER
from penstock.dal.store import Tx
from penstock.domain import limits

E, P, V, D = schema.task_executions, schema.pipeline_executions, schema.execution_events, schema.task_dependencies
HOLDS, LOG = schema.holds, schema.purge_log
CUTOFF = sa.bindparam("cutoff", type_=Instant())
LIMIT = sa.bindparam("limit", type_=sa.Integer())


@dataclass(frozen=True, slots=True)
class Purged:
    """What one step deleted, and up to where; empty when there was nothing left to delete."""

    task_executions: int = 0
    pipeline_executions: int = 0
    events: int = 0
    position: tuple[datetime, UUID] | None = None

    @property
    def histories(self) -> bool:
        """Whether anything went: if so, there may be more."""
        return self.position is not None


@dataclass(frozen=True, slots=True)
class Countable:
    """What a purge up to a cut-off would delete."""

    task_executions: int
    pipeline_executions: int
    events: int


def delete_older_than(tx: Tx, cutoff: datetime, limit: int) -> Purged:
    """Deletes the oldest histories that ended before *cutoff*, about *limit* task executions of them."""
    tx.must_span()
    limits.instant("cutoff", cutoff)
    limits.within("limit", limit, (1, limits.BATCH))
    chosen = _bounded(tx.run(CANDIDATES, {"cutoff": cutoff, "limit": limit, **_position(tx, cutoff)}), limit)
    if not chosen:
        return Purged()
    return _purge(tx, cutoff, chosen)


def count_older_than(tx: Tx, cutoff: datetime) -> Countable:
    """How much a purge up to *cutoff* would delete."""
    (row,) = tx.run(COUNT, {"cutoff": limits.instant("cutoff", cutoff)})
    return Countable(row.task_executions, row.pipeline_executions, row.events)


# --- choosing ----------------------------------------------------------------------------------------------------


def _not_held(table: sa.Table) -> list[sa.ColumnElement[bool]]:
    """That nobody holds this history, or anything in it. Each way of holding is a condition of its own: joined by OR,
    they would be tried for every hold there is."""
    in_force = HOLDS.c.released_at.is_(None)
    if table is E:
        return [sa.not_(sa.exists().where(HOLDS.c.task_execution_id == E.c.id, in_force))]
    inside = sa.exists().select_from(sa.join(HOLDS, E, E.c.id == HOLDS.c.task_execution_id))
    return [
        sa.not_(sa.exists().where(HOLDS.c.pipeline_execution_id == P.c.id, in_force)),
        sa.not_(inside.where(E.c.pipeline_execution_id == P.c.id, in_force)),
    ]


def _old(table: sa.Table) -> list[sa.ColumnElement[bool]]:
    alone = [E.c.pipeline_execution_id.is_(None)] if table is E else []
    return [table.c.completed_at < CUTOFF, *_not_held(table), *alone]


def _oldest(table: sa.Table, kind: str, weight: Any) -> sa.Select[Any]:
    after_at = sa.bindparam("after_at", type_=Instant())
    after_id = sa.bindparam("after_id", type_=Id())
    return (
        sa.select(
            table.c.id,
            table.c.completed_at,
            sa.literal_column(f"'{kind}'", sa.Text()).label("kind"),
            weight.label("weight"),
            table.c.version,
        )
        .where(*_old(table), sa.tuple_(table.c.completed_at, table.c.id) > sa.tuple_(after_at, after_id))
        .order_by(table.c.completed_at, table.c.id)
        .limit(LIMIT)
        # Plain, against the rule: who adds to a history by a foreign key waits here, or his history waits for the next step.
        .with_for_update(skip_locked=True, of=table)
    )


def _candidates(script: Script) -> None:
    tasks_of = sa.select(sa.func.count()).where(E.c.pipeline_execution_id == P.c.id).correlate(P).scalar_subquery()
    jobs = script.step("jobs", _oldest(E, "job", sa.literal_column("1")))
    pipelines = script.step("old_pipelines", _oldest(P, "pipeline", tasks_of))
    both = sa.union_all(sa.select(*jobs.c), sa.select(*pipelines.c)).subquery("both")
    script.answer(sa.select(*both.c).order_by(both.c.completed_at, both.c.id))


def _bounded(candidates: Sequence[Any], limit: int) -> list[Any]:
    """As many as fit into *limit*, and at least one."""
    chosen: list[Any] = []
    total = 0
    for row in candidates:
        total += row.weight
        if chosen and total > limit:
            break
        chosen.append(row)
    return chosen


def _position(tx: Tx, cutoff: datetime) -> dict[str, Any]:
    """Where the last step of this run stopped; a run is all steps with one cut-off."""
    found = tx.run(POSITION, {"cutoff": cutoff})
    if found:
        return {"after_at": found[0].position_at, "after_id": found[0].position_id}
    return {"after_at": datetime.min.replace(year=1000, tzinfo=tx.now.tzinfo), "after_id": UUID(int=0)}


def _last_position(script: Script) -> None:
    closed = sa.select(LOG.c.position_at, LOG.c.position_id).where(LOG.c.cutoff == CUTOFF, LOG.c.closed_at.is_not(None))
    script.answer(closed.order_by(LOG.c.id.desc()).limit(1))


# --- deleting ----------------------------------------------------------------------------------------------------


def _purge(tx: Tx, cutoff: datetime, chosen: Sequence[Any]) -> Purged:
    log = tx.new_id()
    tx.run(OPEN, {"id": log, "cutoff": cutoff})
    tx.session.become(PURGER)
    gone = Counter[str]()
    for kind in ("job", "pipeline"):
        gone += _purge_kind(tx, kind, [row.id for row in chosen if row.kind == kind])
    tx.session.be_oneself()
    last = chosen[-1]
    total = {
        "task_executions": gone["task_executions"],
        "pipeline_executions": gone["pipeline_executions"],
        "events": gone["execution_events"],
    }
    tx.run(CLOSE, {"id": log, "digest": _digest(chosen), "at": last.completed_at, "last": last.id, **total})
    return Purged(**total, position=(last.completed_at, last.id))


def _purge_kind(tx: Tx, kind: str, ids: Sequence[UUID]) -> "Counter[str]":
    """Deletes these histories, leaves first; how many rows of each table."""
    rows = [{"id": each} for each in ids]
    return Counter({table: len(tx.run(_delete(kind, table), {"rows": rows})) for table in _leaves_first(kind) if rows})


def _leaves_first(kind: str) -> tuple[str, ...]:
    """Every table with a part of a history, those first that point to the others."""
    leaves = ("execution_events", "tool_executions", "annotations", "holds", "task_dependencies", "task_executions")
    return leaves if kind == "job" else (*leaves, "pipeline_executions")


@cache
def _delete(kind: str, table: str) -> Statement:
    return Statement(lambda script: _deleting(script, kind, schema.metadata.tables[table]))


def _deleting(script: Script, kind: str, table: sa.Table) -> None:
    rows = script.given("rows", {"id": Id()})
    key = next(iter(table.primary_key.columns))
    gone = script.step("gone", sa.delete(table).where(_part_of(kind, table, sa.select(rows.c.id))).returning(key))
    script.answer(sa.select(*gone.c))


def _part_of(kind: str, table: sa.Table, ids: Any) -> sa.ColumnElement[bool]:
    """Whether a row of a table belongs to one of these jobs, or pipelines."""
    tasks = ids if kind == "job" else sa.select(E.c.id).where(E.c.pipeline_execution_id.in_(ids))
    if table is P or (table is E and kind == "job"):
        return table.c.id.in_(ids)
    if table is E:
        return E.c.pipeline_execution_id.in_(ids)
    if table is D:
        return D.c.child_id.in_(tasks)
    mine = table.c.task_execution_id.in_(tasks)
    if kind == "pipeline" and "pipeline_execution_id" in table.c:
        return sa.or_(mine, table.c.pipeline_execution_id.in_(ids))
    return mine


def _digest(chosen: Sequence[Any]) -> str:
    """A fingerprint of what went: its kinds, ids and last versions, in order."""
    lines = "\n".join(f"{row.kind} {row.id} {row.version}" for row in chosen)
    return hashlib.sha256(lines.encode()).hexdigest()


def _open(script: Script) -> None:
    values = {"id": sa.bindparam("id", type_=Id()), "actor": sa.bindparam("actor", type_=sa.Text()), "cutoff": CUTOFF}
    now = sa.bindparam("now", type_=Instant())
    opened = script.step("opened", sa.insert(LOG).values(**values, opened_at=now).returning(LOG.c.id))
    script.answer(sa.select(opened.c.id))


def _close(script: Script) -> None:
    numbers = ("task_executions", "pipeline_executions", "events")
    update = (
        sa.update(LOG)
        .where(LOG.c.id == sa.bindparam("id", type_=Id()))
        .values(
            closed_at=sa.bindparam("now", type_=Instant()),
            digest=sa.bindparam("digest", type_=sa.Text()),
            position_at=sa.bindparam("at", type_=Instant()),
            position_id=sa.bindparam("last", type_=Id()),
            **{name: sa.bindparam(name, type_=sa.Integer()) for name in numbers},
        )
    )
    closed = script.step("closed", update.returning(LOG.c.id))
    script.answer(sa.select(closed.c.id))


def _count(script: Script) -> None:
    jobs = sa.select(E.c.id).where(*_old(E)).subquery("old_jobs")
    pipelines = sa.select(P.c.id).where(*_old(P)).subquery("old_pipelines")
    tasks = sa.join(E, pipelines, pipelines.c.id == E.c.pipeline_execution_id)
    of_jobs = sa.join(V, jobs, jobs.c.id == V.c.task_execution_id)
    of_tasks = sa.join(V, tasks, E.c.id == V.c.task_execution_id)
    of_pipelines = sa.join(V, pipelines, pipelines.c.id == V.c.pipeline_execution_id)
    alone = V.c.task_execution_id.is_(None)
    script.answer(
        sa.select(
            (_number(jobs) + _number(tasks)).label("task_executions"),
            _number(pipelines).label("pipeline_executions"),
            (_number(of_jobs) + _number(of_tasks) + _number(of_pipelines, alone)).label("events"),
        )
    )


def _number(rows: sa.FromClause, *where: Any) -> Any:
    return sa.select(sa.func.count()).select_from(rows).where(*where).scalar_subquery()


CANDIDATES = Statement(_candidates)
POSITION = Statement(_last_position)
OPEN = Statement(_open)
CLOSE = Statement(_close)
COUNT = Statement(_count)
