"""How a worker settles what it holds. Each settlement is fenced by the lease of its execution."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from penstock.domain import limits
from penstock.domain.executions import Failure, Job, Lease, Outcome

NOTHING = Outcome()


@dataclass(frozen=True, slots=True)
class Settlement:
    """What becomes of one execution: the verb that settles it, and what goes on record with it."""

    id: UUID
    lease: UUID
    verb: str
    outcome: Mapping[str, Any] | None = None
    services_touched: tuple[str, ...] = ()
    suggestions: tuple[Mapping[str, Any], ...] = ()
    error: str | None = None
    due: datetime | None = None
    delay: timedelta | None = None
    data: Mapping[str, Any] | None = None

    @classmethod
    def complete(cls, lease: Lease | Job, outcome: Outcome = NOTHING) -> "Settlement":
        """The work is done; the outcome is kept."""
        kept = {"success": True, **outcome.output}
        return cls(lease.id, lease.lease, "complete", kept, outcome.services_touched, outcome.suggestions)

    @classmethod
    def fail(cls, lease: Lease | Job, failure: Failure) -> "Settlement":
        """The work has failed for good."""
        outcome = {"success": False, "error_type": failure.error_type}
        touched, data = failure.services_touched, _data(failure)
        return cls(lease.id, lease.lease, "fail", outcome, touched, error=failure.message, data=data)

    @classmethod
    def retry(
        cls, lease: Lease | Job, failure: Failure, *, at: datetime | None = None, after: timedelta | None = None
    ) -> "Settlement":
        """This attempt has failed; the next one may begin *at* a moment, or *after* a while on the database's clock."""
        due = None if at is None else limits.instant("at", at)
        delay = timedelta(0) if due is None and after is None else after
        return cls(
            lease.id, lease.lease, "schedule_retry", error=failure.message, due=due, delay=delay, data=_data(failure)
        )

    @classmethod
    def defer(cls, lease: Lease | Job, *, until: datetime) -> "Settlement":
        """The run goes on at *until*, without having cost an attempt."""
        return cls(lease.id, lease.lease, "defer", due=limits.instant("until", until))

    @classmethod
    def release(cls, lease: Lease | Job) -> "Settlement":
        """The claim is given back; the run has not begun."""
        return cls(lease.id, lease.lease, "release")

    @classmethod
    def start(cls, lease: Lease | Job) -> "Settlement":
        """What was claimed begins to run, in the same call that settles the run before it."""
        return cls(lease.id, lease.lease, "start")

    def as_json(self) -> dict[str, Any]:
        """The settlement as the ledger reads it."""
        row: dict[str, Any] = {"id": self.id, "lease": self.lease, "verb": self.verb}
        if self.outcome is not None:
            row["outcome"] = self.outcome
        if self.services_touched:
            row["services_touched"] = self.services_touched
        if self.suggestions:
            row["suggestions"] = self.suggestions
        if self.error is not None:
            row["error"] = self.error
        if self.due is not None:
            row["due"] = self.due
        if self.delay is not None:
            row["delay_seconds"] = self.delay.total_seconds()
        if self.data:
            row["data"] = self.data
        return row


def _data(failure: Failure) -> dict[str, Any]:
    return {"error": failure.message, "error_type": failure.error_type}
