"""What a worker says of its runs, in words and in numbers. Every line names the execution, its attempt and its trace."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from penstock.domain import trace
from penstock.domain.executions import Job
from penstock.domain.settlements import Settlement
from penstock.work.context import Log, trace_of

COUNTED = {"complete": "Completed", "fail": "Failed", "schedule_retry": "Retried", "defer": "Deferred"}


def keys_of(job: Job) -> dict[str, Any]:
    """What every line about a run says."""
    parent = trace_of(job)
    return {
        "task_execution_id": str(job.id),
        "task": job.name,
        "task_type": job.task_type,
        "attempt": job.attempt,
        **({} if parent is None else {"trace_id": trace.trace_id(parent)}),
    }


def nothing_about(**_keys: object) -> AbstractContextManager[None]:
    """For a logger that takes no keys."""
    return nullcontext()


def unmeasured(**_numbers: float) -> None:
    """For those who do not count."""


@dataclass(frozen=True)
class Journal:
    """Where it is written: *about* puts keys on all lines of a block, *measure* takes numbers by name."""

    logger: Log
    about: Callable[..., AbstractContextManager[None]] = nothing_about
    measure: Callable[..., None] = unmeasured

    def of(self, job: Job) -> AbstractContextManager[None]:
        """In this block all lines of the logger are about this job, a task function's own among them."""
        return self.about(traceparent=trace_of(job), **keys_of(job))

    def claimed(self, jobs: Sequence[Job], asked: int) -> None:
        """Who was rung for and is not taken has ended, is not due, or is in another's hands."""
        self.logger.info("Claimed %d of %d", len(jobs), asked)

    def started(self, job: Job) -> None:
        """A run begins."""
        self.logger.info("Started", extra=keys_of(job))

    def settled(self, job: Job, settlement: Settlement, took: timedelta) -> None:
        """How a run went, as the database has it."""
        done = COUNTED[settlement.verb]
        say = self.logger.info if settlement.error is None else self.logger.warning
        say(done, extra={**keys_of(job), "seconds": took.total_seconds(), **_facts(settlement)})
        self.measure(**{done: 1, "RunSeconds": took.total_seconds()})

    def lost(self, job: Job, verb: str) -> None:
        """Its lease was gone: cancelled or taken over meanwhile. Nothing of it was settled, and nothing has to be."""
        self.logger.warning("Lease lost", extra={**keys_of(job), "verb": verb})
        self.measure(LeaseLost=1)

    def released(self, jobs: Sequence[Job]) -> None:
        """There was no time for these."""
        self.logger.info("Released %d for lack of time", len(jobs))
        self.measure(Released=len(jobs))


def _facts(settlement: Settlement) -> dict[str, Any]:
    return {name: str(value) for name, value in (settlement.data or {}).items()}
