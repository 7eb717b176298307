"""Deletes, each day, what has ended long enough ago: in bounded steps, each a commit of its own and on record.

`{"dry_run": true}` only counts. `{"older_than_days": 30}` decides otherwise than the deployment, once.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from penstock import telemetry, wiring
from penstock.dal import idempotency, retention
from penstock.dal.store import Store
from penstock.domain import limits
from penstock.domain.errors import InvalidInput

# A step takes seconds at most, and so does counting what remains.
MARGIN_MS = 60_000
DAYS = (1, 36_500)
KEYS = 1_000


@dataclass(frozen=True, slots=True)
class Wish:
    """What this run is asked for."""

    older_than_days: int
    dry_run: bool

    @classmethod
    def read(cls, event: Mapping[str, Any]) -> "Wish":
        """What a schedule or an operator says; a schedule says nothing."""
        days = event.get("older_than_days", wiring.settings().retention_days)
        dry_run = event.get("dry_run", False)
        if not isinstance(dry_run, bool):
            raise InvalidInput("dry_run", f"is {dry_run!r}; it must be true or false")
        return cls(limits.within("older_than_days", days, DAYS), dry_run)


@telemetry.entry
def handler(event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Deletes until nothing is left or time is short; says what went and what remains."""
    wish = Wish.read(event)
    store = wiring.store("retention")
    with store.read() as tx:
        cutoff = tx.now - timedelta(days=wish.older_than_days)
    gone = Gone() if wish.dry_run else purge(store, cutoff, context)
    with store.read() as tx:
        remaining = asdict(retention.count_older_than(tx, cutoff))
    telemetry.measure(
        ExecutionsPurged=gone.task_executions, EventsPurged=gone.events, ExecutionsToPurge=remaining["task_executions"]
    )
    return {"cutoff": cutoff.isoformat(), "dry_run": wish.dry_run, "deleted": asdict(gone), "remaining": remaining}


@dataclass(slots=True)
class Gone:
    """What this run has deleted."""

    task_executions: int = 0
    pipeline_executions: int = 0
    events: int = 0
    idempotency_keys: int = 0
    steps: int = 0

    def add(self, purged: retention.Purged) -> None:
        """One step more."""
        self.task_executions += purged.task_executions
        self.pipeline_executions += purged.pipeline_executions
        self.events += purged.events
        self.steps += 1


def purge(store: Store, cutoff: datetime, context: LambdaContext) -> Gone:
    """Histories first, then the keys of requests that nobody will repeat."""
    gone = Gone()
    batch = wiring.settings().retention_batch
    while has_time(context) and (purged := store.alone(retention.delete_older_than, cutoff, batch)).histories:
        gone.add(purged)
    while has_time(context) and (keys := store.alone(idempotency.forget_expired, KEYS)):
        gone.idempotency_keys += keys
    return gone


def has_time(context: LambdaContext) -> bool:
    """Whether another step fits in."""
    return context.get_remaining_time_in_millis() > MARGIN_MS
