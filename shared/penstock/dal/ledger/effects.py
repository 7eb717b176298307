"""What a move did: the rows of its answer, by what they are."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa

from penstock.dal.dialect import Id, Instant

MOVED, CHILD, PIPELINE, BELL, DEEPER = "moved", "child", "pipeline", "bell", "deeper"
OVERTAKEN = "overtaken"


class Moved(NamedTuple):
    """An execution that moved, and where to."""

    id: UUID
    pipeline_execution_id: UUID | None
    status: str
    version: int


class Bell(NamedTuple):
    """A doorbell that was put up."""

    id: int
    task_execution_id: UUID
    queue: str
    available_at: datetime
    traceparent: str | None


@dataclass(frozen=True, slots=True)
class Effects:
    """Everything that one verb changed: what it moved, the children and pipelines that followed, the new doorbells."""

    moved: list[Moved] = field(default_factory=list)
    children: list[Moved] = field(default_factory=list)
    pipelines: list[Moved] = field(default_factory=list)
    bells: list[Bell] = field(default_factory=list)

    @property
    def ids(self) -> set[UUID]:
        """The executions that moved."""
        return {moved.id for moved in self.moved}

    def add(self, rows: Iterable[Any]) -> list[Any]:
        """Takes the rows of an answer in; returns those whose own children still have to hear of it."""
        deeper = []
        homes = {MOVED: self.moved, CHILD: self.children, PIPELINE: self.pipelines}
        for row in rows:
            if row.what == DEEPER:
                deeper.append(row)
            elif row.what == BELL:
                self.bells.append(Bell(row.version, row.id, row.queue, row.due, row.note))
            else:
                homes[row.what].append(Moved(row.id, row.pipeline_execution_id, row.status, row.version))
        return deeper


def answered(what: str, source: sa.FromClause, **fields: Any) -> sa.Select[Any]:
    """One branch of an answer; what a branch does not have is empty."""
    shape: dict[str, Any] = {
        "id": Id(), "pipeline_execution_id": Id(), "status": sa.Text(), "version": sa.BigInteger(),
        "note": sa.Text(), "queue": sa.Text(), "due": Instant(),
    }  # fmt: skip
    columns: list[Any] = [
        sa.type_coerce(fields[name], kind).label(name) if name in fields else sa.cast(sa.null(), kind).label(name)
        for name, kind in shape.items()
    ]
    return sa.select(sa.literal_column(f"'{what}'", sa.Text()).label("what"), *columns).select_from(source)


def moved_rows(what: str, source: sa.FromClause) -> sa.Select[Any]:
    """The branch of rows that moved."""
    names = ("id", "pipeline_execution_id", "status", "version")
    return answered(what, source, **{name: source.c[name] for name in names if name in source.c})


def bell_rows(bells: sa.FromClause) -> sa.Select[Any]:
    """The branch of doorbells that were put up."""
    c = bells.c
    return answered(
        BELL, bells, id=c.task_execution_id, version=c.id, note=c.traceparent, queue=c.queue, due=c.available_at
    )
