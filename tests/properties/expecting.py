"""Which executions a verb must move, read off the table of moves and the rows as they were: neither more nor less."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from penstock.domain.lifecycle import TASK, PipelineStatus, Proof, Status
from tests.properties.sight import Sight

# What a verb asks beyond state and proof.
FITS: Mapping[str, Any] = {
    "approve": lambda row: row.requires_approval,
    "reject": lambda row: row.requires_approval,
    "reset": lambda row: row.status == Status.DEFERRED or row.resume_at is not None,
    "schedule_retry": lambda row: row.attempt < row.max_attempts,
}


def due(sight: Sight, now: datetime) -> list[Any]:
    """What may be claimed now, best first."""
    found = [
        row
        for row in sight.executions.values()
        if row.status == Status.READY and row.available_at <= now and goes_on(sight, row)
    ]
    return sorted(found, key=lambda row: (row.bell_priority, row.available_at, row.bell))


def goes_on(sight: Sight, row: Any) -> bool:
    """Whether no pause of its pipeline is in the way."""
    return row.pipeline_execution_id is None or (
        sight.pipelines[row.pipeline_execution_id].status == PipelineStatus.RUNNING
    )


def movable(sight: Sight, now: datetime, verb: str, asked: Iterable[tuple[UUID, UUID | None]]) -> set[UUID]:
    """Those of the asked (id, lease) that the verb must move."""
    moves = TASK.of(verb)
    ready = {row.id for row in due(sight, now)}

    def may(id: UUID, lease: UUID | None) -> bool:
        row = sight.executions[id]
        proven = {
            Proof.NONE: True,
            Proof.LEASE: row.lease == lease,
            Proof.DUE: id in ready,
            Proof.EXPIRED: row.lease_expires_at is not None and row.lease_expires_at < now,
        }[moves[0].proof]
        return any(row.status in move.sources for move in moves) and proven and (verb not in FITS or FITS[verb](row))

    return {id for id, lease in asked if may(id, lease)}


def silent(sight: Sight, now: datetime) -> list[Any]:
    """Whose worker has let the lease run out, the longest ago first."""
    found = [row for row in sight.executions.values() if row.lease_expires_at is not None]
    return sorted((row for row in found if row.lease_expires_at < now), key=lambda row: row.lease_expires_at)


def deferrals_over(sight: Sight, now: datetime) -> list[Any]:
    """Deferred, and the moment has come; the longest ago first."""
    found = [row for row in sight.executions.values() if row.status == Status.DEFERRED]
    return sorted((row for row in found if row.resume_at <= now), key=lambda row: row.resume_at)


def audible(sight: Sight, now: datetime, queue: str) -> list[Any]:
    """Whose doorbell rings now in this queue, the most overdue first."""
    found = [row for row in due(sight, now) if row.queue == queue and row.ring_at <= now]
    return sorted(found, key=lambda row: row.ring_at)


def whole_moments(rows: list[Any], moment: str, most: int) -> list[Any]:
    """The rows of the first few moments. A limit between rows of one moment would leave the choice to the engine."""
    moments = list(dict.fromkeys(getattr(row, moment) for row in rows))[:most]
    return [row for row in rows if getattr(row, moment) in moments]


def pauses_over(sight: Sight, now: datetime) -> list[UUID]:
    """Paused for want of capacity or until a moment that has come; the most urgent first, then the oldest."""
    found = [
        row
        for row in sight.executions.values()
        if row.pause is not None
        and (row.resume_after <= now if row.resume_after else row.reason == "insufficient_capacity")
    ]
    return [row.id for row in sorted(found, key=lambda row: (row.pause_priority, row.paused_at, row.pause))]


SETTLED = {
    "complete": Status.COMPLETED,
    "fail": Status.FAILED,
    "schedule_retry": Status.READY,
    "defer": Status.DEFERRED,
    "release": Status.READY,
}


def repeated(seen: Sight, asked: Iterable[tuple[UUID, UUID, str]]) -> set[UUID]:
    """What the same lease has settled, or started, in this way before: it is answered again, and does not move."""
    return {id for id, lease, verb in asked if _has_been(seen.executions[id], lease, verb)}


def _has_been(row: Any, lease: UUID, verb: str) -> bool:
    if verb == "start":
        return bool(row.lease == lease and row.status == Status.RUNNING)
    return bool(row.settled_lease == lease and row.status == SETTLED[verb])
