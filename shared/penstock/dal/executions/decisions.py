"""What people decide about executions: approve, reject, skip, cancel, reset, pause, resume."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from penstock.dal.dialect import as_json
from penstock.dal.effects import Effects, Moved
from penstock.dal.ledger.verb import Verb
from penstock.dal.store import Tx
from penstock.domain import limits
from penstock.domain.errors import InvalidInput

APPROVE, REJECT, SKIP, CANCEL = (Verb(name, Moved) for name in ("approve", "reject", "skip", "cancel"))
RESET, PAUSE, RESUME = (Verb(name, Moved) for name in ("reset", "pause", "resume"))
PAUSE_REASONS = ("manual_pause", "insufficient_capacity")


def approve(tx: Tx, ids: Iterable[UUID], *, note: str | None = None) -> Effects:
    """Approves executions; those that wait for no parent are ready."""
    return tx.move(APPROVE, ids=_distinct(ids), note=_text("note", note))


def reject(tx: Tx, ids: Iterable[UUID], *, reason: str | None = None) -> Effects:
    """Rejects executions that wait for an approval: they end, and count as failed for what depends on them."""
    return tx.move(REJECT, ids=_distinct(ids), reason=_text("reason", reason))


def skip(tx: Tx, ids: Iterable[UUID], *, reason: str | None = None) -> Effects:
    """Ends executions that are pending, approved or paused, without running them."""
    return tx.move(SKIP, ids=_distinct(ids), reason=_text("reason", reason))


def cancel(tx: Tx, ids: Iterable[UUID], *, reason: str | None = None) -> Effects:
    """Ends executions that have not ended; a worker that runs one can no longer settle it."""
    return tx.move(CANCEL, ids=_distinct(ids), reason=_text("reason", reason))


def reset(tx: Tx, ids: Iterable[UUID]) -> Effects:
    """Makes due at once what waits for a retry or for a moment, and gives it all its attempts back."""
    return tx.move(RESET, ids=_distinct(ids))


def pause(
    tx: Tx,
    ids: Iterable[UUID],
    *,
    reason: str = "manual_pause",
    work_plan: Mapping[str, Any] | None = None,
    resume_after: datetime | None = None,
) -> Effects:
    """Pauses what has not been claimed. A `manual_pause` without a time lasts until somebody resumes it."""
    if reason not in PAUSE_REASONS:
        raise InvalidInput("reason", f"is {reason!r}; it must be manual_pause or insufficient_capacity")
    paused = tx.call(
        PAUSE,
        ids=_distinct(ids),
        actor=tx.actor,
        reason=reason,
        work_plan=as_json(limits.payload("work_plan", work_plan or {})),
        resume_after=None if resume_after is None else limits.instant("resume_after", resume_after),
    )
    return Effects.of(paused)


def resume(tx: Tx, ids: Iterable[UUID]) -> Effects:
    """Resumes what is paused or deferred: it is ready, or waits for what it still needs."""
    return tx.move(RESUME, ids=_distinct(ids))


def _distinct(ids: Iterable[UUID]) -> list[UUID]:
    return list(dict.fromkeys(ids))


def _text(field: str, value: str | None) -> str | None:
    return None if value is None else limits.text(field, value)
