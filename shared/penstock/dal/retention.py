"""History goes in bounded steps, on the record: whole histories of what ended before a cut-off, oldest first.

A history is a single job or a whole pipeline, with its events and everything that refers to it. Live and held
work stays. The step is on record in `purge_log`, in the same transaction, before the first row goes: the guards
let nothing be deleted otherwise.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa

from penstock.dal import schema
from penstock.dal.dialect import Instant, Query
from penstock.dal.ledger.verb import Verb
from penstock.dal.store import Tx
from penstock.domain import limits
from penstock.domain.errors import InvalidInput

E, P, V, HOLDS = schema.task_executions, schema.pipeline_executions, schema.execution_events, schema.holds
CUTOFF = sa.bindparam("cutoff", type_=Instant())


class StepRow(NamedTuple):
    """One step as the ledger answers it."""

    task_executions: int
    pipeline_executions: int
    events: int
    position_at: datetime
    position_id: UUID


DELETE = Verb("delete_older_than", StepRow)


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
    if limits.instant("cutoff", cutoff) > tx.now:
        raise InvalidInput(
            "cutoff", f"is {cutoff.isoformat()}, in the future; only what has ended before now is deleted"
        )
    limits.within("limit", limit, (1, limits.BATCH))
    rows = tx.call(DELETE, cutoff=cutoff, capacity=limit, actor=tx.actor)
    if not rows:
        return Purged()
    (step,) = rows
    return Purged(step.task_executions, step.pipeline_executions, step.events, (step.position_at, step.position_id))


def count_older_than(tx: Tx, cutoff: datetime) -> Countable:
    """How much a purge up to *cutoff* would delete."""
    (row,) = tx.run(COUNT, {"cutoff": limits.instant("cutoff", cutoff)})
    return Countable(row.task_executions, row.pipeline_executions, row.events)


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


def _count() -> sa.Select[Any]:
    jobs = sa.select(E.c.id).where(*_old(E)).subquery("old_jobs")
    pipelines = sa.select(P.c.id).where(*_old(P)).subquery("old_pipelines")
    tasks = sa.join(E, pipelines, pipelines.c.id == E.c.pipeline_execution_id)
    of_jobs = sa.join(V, jobs, jobs.c.id == V.c.task_execution_id)
    of_tasks = sa.join(V, tasks, E.c.id == V.c.task_execution_id)
    of_pipelines = sa.join(V, pipelines, pipelines.c.id == V.c.pipeline_execution_id)
    alone = V.c.task_execution_id.is_(None)
    return sa.select(
        (_number(jobs) + _number(tasks)).label("task_executions"),
        _number(pipelines).label("pipeline_executions"),
        (_number(of_jobs) + _number(of_tasks) + _number(of_pipelines, alone)).label("events"),
    )


def _number(rows: sa.FromClause, *where: Any) -> Any:
    return sa.select(sa.func.count()).select_from(rows).where(*where).scalar_subquery()


COUNT = Query(_count)
