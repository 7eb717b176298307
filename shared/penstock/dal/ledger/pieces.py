"""The pieces that every move is made of: locks, events, doorbells, pause entries."""

from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, FromClause

from penstock.dal import schema
from penstock.dal.dialect import Id, Instant, Script, document_of, later_of
from penstock.domain.lifecycle import PIPELINE, TASK, Move, PipelineStatus, Status

E = schema.task_executions
P = schema.pipeline_executions
V = schema.execution_events
O = schema.task_outbox  # noqa: E741 - E, P, V, O, D, Q: the tables of the ledger, one letter each
D = schema.task_dependencies
Q = schema.pause_queue

NOW = sa.bindparam("now", type_=Instant())
RING_FROM = sa.bindparam("ring_from", type_=Instant())
ACTOR = sa.bindparam("actor", type_=sa.Text())
NOTHING = document_of(sa.literal_column("'{}'"))
RETURNED = (
    "id", "pipeline_execution_id", "status", "version", "updated_at", "queue", "priority", "traceparent", "failure_handled",
    "worker_id", "resume_at",
)  # fmt: skip


def word(text: str) -> ColumnElement[str]:
    """A literal: a bound state would keep a generic plan from its partial index."""
    return sa.literal_column(f"'{text}'", sa.Text())


def among(column: Any, states: Iterable[str]) -> ColumnElement[bool]:
    """Whether a column is one of these literal states."""
    return column.in_([word(state) for state in states])  # type: ignore[no-any-return]  # columns of a table are Any


def at(table: sa.Table) -> ColumnElement[Any]:
    """The moment of the transaction, but never earlier than the row's own."""
    return later_of(NOW, table.c.updated_at, type_=Instant())


def returned(table: sa.Table, *names: str) -> list[Any]:
    """These columns of a table, for RETURNING."""
    return [table.c[name] for name in names]


def overtaken(table: sa.Table) -> ColumnElement[bool]:
    """Whether the row has moved since the statement began, which then waited for it: what hangs on the row may be younger
    than what the statement sees, and would stay behind."""
    seen = table.alias("seen")
    before = sa.select(seen.c.version).where(seen.c.id == table.c.id).correlate(table).scalar_subquery()
    return table.c.version != before


def after(locked: FromClause) -> ColumnElement[bool]:
    """True, once everything in *locked* has been locked: what keeps two pieces in the order of the locks."""
    return sa.select(sa.func.count()).select_from(locked).scalar_subquery() >= sa.literal_column("0")


def locked_pipelines(script: Script, wanted: Any) -> FromClause:
    """The pipelines of some executions, locked by id."""
    query = sa.select(P.c.id).where(P.c.id.in_(wanted)).order_by(P.c.id).with_for_update(key_share=True)
    return script.step("held", query)


def chosen_by(target: ColumnElement[Any], values: dict[str, Any], otherwise: Any) -> Any:
    """A value that depends on where the row goes; no CASE where it goes to one place only."""
    if len(values) == 1 and otherwise is None:
        return next(iter(values.values()))
    return sa.case(*((target == word(state), value) for state, value in values.items()), else_=otherwise)


# --- events ----------------------------------------------------------------------------------------------------


def facts(moves: Sequence[Move], source: FromClause, **columns: Any) -> list[sa.Select[Any]]:
    """The events of what has moved, a branch for each event of each move; the last event carries the row's version."""
    return [
        fact(
            source,
            event,
            _between(move, place),
            _before(source.c.version, len(move.events) - 1 - place),
            where,
            **columns,
        )
        for move in moves
        for where in [() if len(moves) == 1 else (source.c.status == word(move.target),)]
        for place, event in enumerate(move.events)
    ]


def _before(version: ColumnElement[int], steps: int) -> ColumnElement[int]:
    """The version that it had so many events ago."""
    return version - sa.literal_column(str(steps)) if steps else version


def _between(move: Move, place: int) -> str:
    """The state that the event at this place of a move leads to."""
    if place == len(move.events) - 1:
        return move.target
    return TASK.leads_to(move.events[place])[0]


def fact(
    source: FromClause, event: str, to_status: str, version: Any, where: Sequence[Any] = (), **columns: Any
) -> sa.Select[Any]:
    """One event for each row of *source*; a column that is not given has what a task's event has."""
    given: dict[str, Any] = {
        "event_data": NOTHING,
        "worker_id": sa.cast(sa.null(), sa.Text()),
        "joined": source,
        **columns,
    }
    if "task_execution_id" not in given:
        given |= {"task_execution_id": source.c.id, "pipeline_execution_id": source.c.pipeline_execution_id}
    values: dict[str, Any] = {
        "pipeline_execution_id": given["pipeline_execution_id"],
        "task_execution_id": given["task_execution_id"],
        "event_type": word(event),
        "to_status": word(to_status),
        "version": version,
        "event_data": given["event_data"],
        "worker_id": given["worker_id"],
        "actor": ACTOR,
        "created_at": source.c.updated_at,
    }
    return sa.select(*(value.label(name) for name, value in values.items())).select_from(given["joined"]).where(*where)


def pipeline_facts(source: FromClause, moves: Sequence[Move], *where: Any, **columns: Any) -> list[sa.Select[Any]]:
    """The events of pipelines that have moved."""
    return [
        fact(
            source,
            move.events[0],
            move.target,
            source.c.version,
            (*where, source.c.status == word(move.target)),
            pipeline_execution_id=source.c.id,
            task_execution_id=sa.cast(sa.null(), Id()),
            **columns,
        )
        for move in moves
    ]


def write_facts(script: Script, branches: Sequence[sa.Select[Any]]) -> None:
    """Writes events, in the order of their branches."""
    rows: Any = branches[0] if len(branches) == 1 else sa.union_all(*branches)
    names = [column.name for column in branches[0].selected_columns]
    script.step("facts", sa.insert(V).from_select(names, rows))


# --- doorbells and pause entries -------------------------------------------------------------------------------


def put_up_bells(script: Script, name: str, source: FromClause, *where: Any) -> FromClause:
    """A doorbell for each row: due when the row may begin, rung then, or after the grace of a caller who rings himself."""
    due = later_of(sa.func.coalesce(source.c.resume_at, source.c.updated_at), source.c.updated_at, type_=Instant())
    ring = sa.case((due > source.c.updated_at, due), else_=later_of(RING_FROM, due, type_=Instant()))
    columns = (source.c.id, source.c.queue, source.c.priority, due, ring, source.c.traceparent, source.c.updated_at)
    names = ["task_execution_id", "queue", "priority", "available_at", "ring_at", "traceparent", "created_at"]
    insert = sa.insert(O).from_select(names, sa.select(*columns).where(*where))
    return script.step(
        name, insert.returning(*returned(O, "id", "task_execution_id", "queue", "available_at", "traceparent"))
    )


def take_down(script: Script, name: str, table: sa.Table, source: FromClause) -> None:
    """Removes what hangs on executions that have moved away."""
    script.step(name, sa.delete(table).where(table.c.task_execution_id.in_(sa.select(source.c.id))))


FAILURES = (Status.FAILED, Status.CANCELLED, Status.REJECTED)
LIVE_PIPELINE = tuple(dict.fromkeys(state for move in PIPELINE.moves for state in move.sources))
RUNNING_PIPELINE = PipelineStatus.RUNNING
