"""What a verb changed: what it moved, the children and pipelines that followed, and the doorbells that it put up."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple
from uuid import UUID


class Moved(NamedTuple):
    """An execution or a pipeline that moved, and where to. With `available_at`, it has a new doorbell."""

    what: str
    id: UUID
    pipeline_execution_id: UUID | None
    status: str
    version: int
    queue: str | None
    available_at: datetime | None
    traceparent: str | None


class Bell(NamedTuple):
    """A doorbell that was put up."""

    task_execution_id: UUID
    queue: str
    available_at: datetime
    traceparent: str | None


@dataclass(frozen=True, slots=True)
class Effects:
    """Everything that one verb changed."""

    moved: list[Moved] = field(default_factory=list)
    children: list[Moved] = field(default_factory=list)
    pipelines: list[Moved] = field(default_factory=list)

    @classmethod
    def of(cls, rows: Iterable[Moved]) -> "Effects":
        """The rows of an answer, by what they are."""
        effects = cls()
        lists = {"moved": effects.moved, "child": effects.children, "pipeline": effects.pipelines}
        for row in rows:
            lists[row.what].append(row)
        return effects

    @property
    def ids(self) -> set[UUID]:
        """The executions that moved."""
        return {moved.id for moved in self.moved}

    @property
    def bells(self) -> list[Bell]:
        """The doorbells that were put up."""
        return [
            Bell(row.id, row.queue or "", row.available_at, row.traceparent)
            for rows in (self.moved, self.children)
            for row in rows
            if row.available_at is not None
        ]
