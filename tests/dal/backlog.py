"""A year of history and a crowded present: 200,000 executions, and 100,000 more whose time has not come.

Written past the ledger, as sets, because only the shape matters here: which rows a question would have to read if
it had no index for it. Everything is computed from the number of a row, so that both engines hold the same.
"""

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import functions

from penstock.dal import schema
from penstock.dal.dialect import Id, Instant, Json, Names
from penstock.domain.lifecycle import PipelineStatus, Status
from tests.acting import START

E, P, V, O = schema.task_executions, schema.pipeline_executions, schema.execution_events, schema.task_outbox  # noqa: E741 - as in the ledger
D, Q, TASKS = schema.task_dependencies, schema.pause_queue, schema.tasks


class seconds_after(functions.GenericFunction[Any]):  # noqa: N801 - it is an SQL function
    """A moment, so many seconds after another."""

    type = Instant()
    inherit_cache = True


@compiles(seconds_after, "postgresql")
def _postgresql(element: Any, compiler: Any, **kw: Any) -> str:
    moment, seconds = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"({moment} + make_interval(secs => {seconds}))"


@compiles(seconds_after, "sqlite")
def _sqlite(element: Any, compiler: Any, **kw: Any) -> str:
    moment, seconds = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"strftime('%Y-%m-%dT%H:%M:%f000Z', {moment}, ({seconds}) || ' seconds')"


Number = sa.ColumnElement[Any]
Value = Callable[[Number], Any]

DAY = 86_400
CATALOGUE = range(1, 201)
ENDED_PIPELINES, RUNNING_PIPELINES, PAUSED_PIPELINES = range(1, 10_001), range(10_001, 10_101), range(10_101, 10_111)
JOBS, STEPS = range(1, 97_001), range(97_001, 157_001)
PENDING, APPROVED, DEFERRED = range(157_001, 159_001), range(159_001, 160_001), range(160_001, 163_001)
PAUSED, CLAIMED, RUNNING = range(163_001, 167_001), range(167_001, 168_001), range(168_001, 170_001)
BUSY, HALTED, BEHIND = range(170_001, 190_001), range(190_001, 200_001), range(300_001, 300_101)
FUTURE, DUE = range(200_001, 300_001), range(300_101, 301_101)
# The last state of each hundred jobs, and what they touched.
LAST = {84: Status.COMPLETED, 92: Status.FAILED, 97: Status.CANCELLED, 98: Status.SKIPPED, 99: Status.REJECTED}


def execution(number: int) -> UUID:
    """The id of an execution."""
    return UUID(f"01900000-0000-7000-8000-{100_000_000_000 + number}")


def pipeline(number: int) -> UUID:
    """The id of a pipeline."""
    return UUID(f"01900000-0000-7000-8001-{100_000_000_000 + number}")


def task(number: int) -> UUID:
    """The id of a task of the catalogue."""
    return UUID(f"01900000-0000-7000-8002-{100_000_000_000 + number}")


# What makes writing quicker and what would look up each foreign key, for this one connection.
PREPARE = {
    "sqlite": ["PRAGMA foreign_keys = OFF", "PRAGMA synchronous = OFF", "PRAGMA cache_size = -300000"],
    "postgresql": ["SET session_replication_role = replica"],
}
FINISH = {"sqlite": "ANALYZE", "postgresql": "VACUUM (ANALYZE)"}


def fill(engine: sa.Engine) -> None:
    """Writes everything, and lets the database count it."""
    with engine.connect() as connection:
        for setting in PREPARE[engine.dialect.name]:
            connection.exec_driver_sql(setting)
        _write(connection)
        connection.exec_driver_sql(FINISH[engine.dialect.name])
        connection.invalidate()  # it would let the next one break foreign keys


def _write(connection: sa.Connection) -> None:
    insert(connection, TASKS, CATALOGUE, id=_task, name=_text("task-"), title="t", task_type="noop")
    _pipelines(connection)
    _history(connection)
    _present(connection)
    _doorbells(connection)
    _margins(connection)
    _events(connection)


def insert(connection: sa.Connection, table: sa.Table, numbers: range, **columns: Any) -> None:
    """A row for each number; a column is a value, or computed from the number."""
    series = sa.select(sa.cast(sa.literal_column(str(numbers.start)), sa.BigInteger()).label("n")).cte(
        "series", recursive=True
    )
    series = series.union_all(sa.select(series.c.n + 1).where(series.c.n < numbers.stop - 1))
    values = [_value(table.c[name], value, series.c.n).label(name) for name, value in columns.items()]
    connection.execute(sa.insert(table).from_select(list(columns), sa.select(*values)))


def _value(column: sa.Column[Any], value: Any, number: Number) -> Any:
    return value(number) if callable(value) else sa.literal(value, column.type)


def _id(kind: str) -> Value:
    return lambda n: sa.cast(
        sa.literal(f"01900000-0000-7000-{kind}-", sa.Text()) + sa.cast(100_000_000_000 + n, sa.Text()), Id()
    )


def _text(prefix: str, modulo: int = 1_000_000) -> Value:
    return lambda n: sa.literal(prefix, sa.Text()) + sa.cast(n % modulo, sa.Text())


_execution, _pipeline, _task = _id("8000"), _id("8001"), _id("8002")


def _moment(seconds: Callable[[Number], Any]) -> Value:
    return lambda n: seconds_after(sa.literal(START, Instant()), seconds(n))


def _by_rest(modulo: int, values: Mapping[int, Any], kind: Any) -> Value:
    """By the rest of a division: the value of the first key that is not smaller."""
    return lambda n: sa.case(*((n % modulo <= last, sa.literal(value, kind)) for last, value in values.items()))


def _soon_after(numbers: range) -> Value:
    """A second later for each; fifty of them are over."""
    return _moment(lambda n: n - numbers.start - 50)


def _pipelines(connection: sa.Connection) -> None:
    common: dict[str, Any] = {"id": _pipeline, "name": _text("pipeline-", 500), "created_by": "tester"}
    ended_at = _moment(lambda n: (n - len(ENDED_PIPELINES)) * 2_700)
    of_the_past = {"created_at": ended_at, "updated_at": ended_at, "completed_at": ended_at}
    states = {89: PipelineStatus.COMPLETED, 97: PipelineStatus.FAILED, 99: PipelineStatus.CANCELLED}
    insert(connection, P, ENDED_PIPELINES, **common, **of_the_past, status=_by_rest(100, states, sa.Text()))
    for numbers, status in ((RUNNING_PIPELINES, PipelineStatus.RUNNING), (PAUSED_PIPELINES, PipelineStatus.PAUSED)):
        of_now = {"status": status, "unfinished": 1_000, "created_at": START, "updated_at": START}
        insert(connection, P, numbers, **common, **of_now)


def _common(created: Callable[[Number], Any]) -> dict[str, Any]:
    moment = _moment(created)
    return {
        "id": _execution, "name": _text("job-", 1_000), "task_type": _text("type-", 19), "created_by": "tester",
        "created_at": moment, "updated_at": moment,
    }  # fmt: skip


def _history(connection: sa.Connection) -> None:
    ended_at = _moment(lambda n: (n - STEPS.stop) * 180)
    services = {0: ["kuma"], 50: None, 90: ["ses", "s3"], 999: ["lambda"]}
    past = {
        **_common(lambda n: (n - STEPS.stop) * 180), "completed_at": ended_at, "status": _by_rest(100, LAST, sa.Text()),
        "services_touched": _by_rest(1_000, services, Names),
        "outcome": _by_rest(200, {0: {"action_type": "rotate"}, 199: {"success": True}}, Json),
    }  # fmt: skip
    insert(connection, E, JOBS, **past, task_id=lambda n: _task(1 + n % len(CATALOGUE)))
    insert(
        connection,
        E,
        STEPS,
        **past,
        sequence=lambda n: (n - 1) % 6,
        pipeline_execution_id=lambda n: _pipeline(_home(n)),
    )
    edges = range(STEPS.start + 1, STEPS.stop)
    insert(connection, D, edges, parent_id=lambda n: _execution(n - 1), child_id=_execution)


def _home(number: Number) -> Number:
    """The pipeline of a step."""
    return (number - STEPS.start) // 6 + 1


def _present(connection: sa.Connection) -> None:
    now = _common(lambda n: n - DUE.stop)
    insert(connection, E, PENDING, **now, status="pending", requires_approval=True)
    insert(connection, E, APPROVED, **now, status="approved", requires_approval=True, approved_at=START)
    insert(connection, E, DEFERRED, **now, status="deferred", resume_at=_soon_after(DEFERRED))
    insert(connection, E, PAUSED, **now, status="paused")
    held = {"lease": _execution, "started_at": START, "worker_id": "worker"}
    for numbers, status in ((CLAIMED, "claimed"), (RUNNING, "running")):
        insert(connection, E, numbers, **now, status=status, **held, lease_expires_at=_soon_after(numbers))
    of_running = {"pipeline_execution_id": lambda n: _pipeline(RUNNING_PIPELINES.start + n % len(RUNNING_PIPELINES))}
    of_paused = {"pipeline_execution_id": lambda n: _pipeline(PAUSED_PIPELINES.start + n % len(PAUSED_PIPELINES))}
    each_priority = {"status": "ready", "priority": lambda n: 1 + n % 5}
    half = BUSY.start + len(BUSY) // 2
    insert(connection, E, range(BUSY.start, half), **now, **each_priority, queue="busy", **of_running)
    insert(connection, E, range(half, BUSY.stop), **now, **each_priority, queue="busy")
    insert(connection, E, HALTED, **now, status="ready", queue="halted", **of_paused)
    insert(connection, E, BEHIND, **now, status="ready", queue="halted")
    insert(connection, E, FUTURE, **now, status="ready", queue="future", priority=1)
    insert(connection, E, DUE, **now, status="ready", queue="future", priority=3)


def _doorbells(connection: sa.Connection) -> None:
    due: dict[str, Any] = {"task_execution_id": _execution, "available_at": _moment(lambda n: n - DUE.stop)}
    due["ring_at"] = due["available_at"]
    insert(connection, O, BUSY, **due, queue="busy", priority=lambda n: 1 + n % 5)
    insert(connection, O, HALTED, **due, queue="halted")
    insert(connection, O, BEHIND, **due, queue="halted")
    later = _moment(lambda n: n - FUTURE.start + DAY)
    insert(connection, O, FUTURE, **{**due, "available_at": later, "ring_at": later}, queue="future", priority=1)
    insert(connection, O, DUE, **due, queue="future", priority=3)
    pauses = {"task_execution_id": _execution, "paused_at": _moment(lambda n: n - PAUSED.stop)}
    by_hand, by_capacity = range(PAUSED.start, PAUSED.stop - 500), range(PAUSED.stop - 500, PAUSED.stop)
    insert(connection, Q, by_hand, **pauses, reason="manual_pause")
    insert(connection, Q, by_capacity, **pauses, reason="insufficient_capacity")


def _margins(connection: sa.Connection) -> None:
    """What hangs on executions beside their events, and the record of earlier purges."""
    key, of = {"id": _execution}, {"task_execution_id": _execution}
    done = {"status": "completed", "completed_at": START}
    insert(connection, schema.tool_executions, range(1, 30_001), **key, **of, **done, tool_name=_text("tool-", 20))
    insert(connection, schema.annotations, range(1, 5_001), **key, **of, actor="tester")
    insert(connection, schema.holds, range(1, 2_001), **key, **of, actor="law", reason="court")
    homes = {"pipeline_execution_id": lambda n: _pipeline(n - 2_000)}
    insert(connection, schema.annotations, range(5_001, 7_001), **key, **homes, actor="tester")
    insert(connection, schema.holds, range(2_001, 2_501), **key, **homes, actor="law", reason="court")
    closed = {"closed_at": START, "digest": "d", "position_at": START, "position_id": _execution}
    cutoff = _moment(lambda n: (n - 10_000) * 600)
    insert(connection, schema.purge_log, range(1, 5_001), **key, **closed, actor="tester", cutoff=cutoff)


def _events(connection: sa.Connection) -> None:
    """How things began, except for what is ready, and how they ended, in the order of time."""
    ends = {Status.COMPLETED: "TaskCompleted", Status.FAILED: "TaskFailed", Status.CANCELLED: "TaskCancelled",
            Status.SKIPPED: "TaskSkipped", Status.REJECTED: "TaskRejected"}  # fmt: skip
    end = sa.case({status: sa.literal(event, sa.Text()) for status, event in ends.items()}, value=E.c.status)
    of_pipelines = {PipelineStatus.COMPLETED: "PipelineCompleted", PipelineStatus.FAILED: "PipelineFailed"}
    pipeline_end = sa.case(
        {status: sa.literal(event, sa.Text()) for status, event in of_pipelines.items()},
        value=P.c.status,
        else_=sa.literal("PipelineCancelled", sa.Text()),
    )
    subject = (E.c.pipeline_execution_id, E.c.id)
    none = sa.cast(sa.null(), Id())
    branches = [
        _event(*subject, "TaskCreated", 1, E.c.created_at).where(E.c.status != "ready"),
        _event(*subject, end, 2, E.c.created_at).where(E.c.completed_at.is_not(None)),
        _event(P.c.id, none, "PipelineStarted", 1, P.c.created_at),
        _event(P.c.id, none, pipeline_end, 2, P.c.created_at).where(P.c.completed_at.is_not(None)),
    ]
    all_of_them = sa.union_all(*branches).subquery("facts")
    ordered = sa.select(*all_of_them.c).order_by(all_of_them.c.created_at, all_of_them.c.version)
    connection.execute(sa.insert(V).from_select([column.name for column in all_of_them.c], ordered))


def _event(home: Any, of: Any, event: Any, version: int, at: Any) -> sa.Select[Any]:
    kind = sa.literal(event, sa.Text()) if isinstance(event, str) else event
    return sa.select(
        home.label("pipeline_execution_id"),
        of.label("task_execution_id"),
        kind.label("event_type"),
        sa.literal(version, sa.Integer()).label("version"),
        sa.literal("tester", sa.Text()).label("actor"),
        at.label("created_at"),
    )
