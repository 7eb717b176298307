"""What a task function is given: its job, what came before it, and what it may do while it runs."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, Concatenate, NoReturn, ParamSpec, Protocol, TypeVar
from uuid import UUID

from penstock.dal import executions, tools
from penstock.dal.store import Store, Tx
from penstock.dal.views import executions as execution_views
from penstock.dal.views import pipelines as pipeline_views
from penstock.dal.views import tools as tool_views
from penstock.domain import limits, trace
from penstock.domain.errors import InvalidInput, LeaseLost
from penstock.domain.executions import Job
from penstock.domain.lifecycle import Status
from penstock.work.deadline import Deadline, OutOfTime
from penstock.work.run import Deferral, failure_of

P = ParamSpec("P")
T = TypeVar("T")

HOLD_FOR = timedelta(seconds=limits.LEASE_MARGIN_SECONDS)
SPAN = slice(8, 16)  # of a UUID: the half that is chance


class Log(Protocol):
    """As much of a logger as is used here: one of the standard library's, or one that writes JSON."""

    def info(self, msg: object, *args: object, extra: Mapping[str, object] | None = ...) -> None: ...
    def warning(self, msg: object, *args: object, extra: Mapping[str, object] | None = ...) -> None: ...
    def exception(self, msg: object, *args: object, extra: Mapping[str, object] | None = ...) -> None: ...


def trace_of(job: Job) -> str | None:
    """The trace context that a job belongs to; a damaged one is none."""
    try:
        return None if job.traceparent is None else trace.traceparent("traceparent", job.traceparent)
    except InvalidInput:
        return None


@dataclass(frozen=True, slots=True)
class Parent:
    """What became of a step that this one waited for."""

    status: str
    outcome: Mapping[str, Any] | None
    error: str | None

    @property
    def succeeded(self) -> bool:
        """Whether it was completed."""
        return self.status == Status.COMPLETED


@dataclass
class Tool:
    """A tool execution that goes on: what is set as its output is kept with it."""

    id: UUID
    output: Any = None


@dataclass(frozen=True)
class Context:
    """One run of a task, as its function sees it. No transaction is open while the function has it."""

    job: Job
    store: Store = field(repr=False)
    deadline: Deadline = field(repr=False)
    logger: Log = field(repr=False)
    touched: list[str] = field(default_factory=list)

    @property
    def config(self) -> Mapping[str, Any]:
        """What the task is to do: the config of the task, and of this run of it."""
        return self.job.config

    @property
    def metadata(self) -> Mapping[str, Any]:
        """What somebody wanted to remember with it."""
        return self.job.metadata or {}

    @property
    def now(self) -> datetime:
        """The time of day, in UTC."""
        return self.store.clock()

    @property
    def remaining(self) -> timedelta:
        """How long this run may still take before it is interrupted."""
        return self.deadline.remaining

    @property
    def traceparent(self) -> str | None:
        """The trace context for a call to somebody else: a new span of the trace that the job belongs to."""
        parent = trace_of(self.job)
        return None if parent is None else trace.child(parent, self.store.new_id().bytes[SPAN])

    @cached_property
    def input(self) -> Mapping[str, Any]:
        """What its pipeline was started with."""
        id = self.job.pipeline_execution_id
        row = None if id is None else self._alone(pipeline_views.by_id, id)
        return {} if row is None else row.input

    @cached_property
    def parents(self) -> Mapping[str, Parent]:
        """What became of the steps that it waited for, by name."""
        rows = self._alone(execution_views.parents, self.job.id)
        return {row.name: Parent(row.status, row.outcome, row.error) for row in rows}

    def heartbeat(self) -> None:
        """Nothing, or LeaseLost if the run is no longer wanted (cancelled, taken over): stop then."""
        if self.job.id not in self._alone(executions.heartbeat, [self.job], hold_for=HOLD_FOR):
            raise LeaseLost(self.job.id)

    def defer(self, *, until: datetime) -> NoReturn:
        """Ends this run; the job goes on at *until*, from the top, without having cost an attempt."""
        raise Deferral(limits.instant("until", until))

    def touch(self, *services: str) -> None:
        """These services have been called: the audit finds the execution by them, however it ends."""
        self.touched.extend(limits.names("services", services))

    @contextmanager
    def tool(self, name: str, arguments: Mapping[str, Any] | None = None) -> Iterator[Tool]:
        """Records what happens inside the block as the execution of a tool, with its arguments, output and duration."""
        tool = Tool(self._alone(tools.start, self.job, name, arguments or {}))
        try:
            yield tool
        except Deferral:
            self._complete(tool)
            raise
        except BaseException as error:
            status = "timeout" if isinstance(error, OutOfTime) else "failed"
            self._note_failure(tool, status, failure_of(error).message)
            raise
        self._complete(tool)

    def last_output(self, name: str) -> Any | None:
        """What this job last kept of this tool, before a deferral or in an earlier attempt; None if it never did."""
        row = self._alone(tool_views.last_completed, self.job.id, name)
        return None if row is None else row.output

    def _complete(self, tool: Tool) -> None:
        try:
            self._finish(tool, "completed", output=tool.output)
        except InvalidInput as error:
            self._note_failure(tool, "failed", str(error))
            raise

    def _note_failure(self, tool: Tool, status: str, error: str) -> None:
        """What went wrong in the block matters more than that it could not be recorded."""
        try:
            self._finish(tool, status, error=error)
        except Exception:
            self.logger.exception("A tool execution could not be recorded", extra={"tool_execution_id": str(tool.id)})

    def _finish(self, tool: Tool, status: str, **result: Any) -> None:
        self._alone(tools.finish, tool.id, status, **result)

    def _alone(self, verb: Callable[Concatenate[Tx, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        with self.deadline.held_back():
            return self.store.alone(verb, *args, **kwargs)
