"""Ringing: due doorbells are taken in one transaction, published after it, and rung again by themselves.

An accepted message needs no further write. A refused one is postponed, unless its doorbell has been rung since.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from penstock.dal import ledger
from penstock.dal.store import Tx
from penstock.domain import limits

FIRST_BACKOFF = timedelta(seconds=15)
LONGEST_BACKOFF = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Ring:
    """A doorbell in the hand: what its message says, and which ringing this is."""

    id: int
    task_execution_id: UUID
    queue: str
    priority: int
    rings: int
    traceparent: str | None
    task_type: str


def ring(tx: Tx, *, queue: str, limit: int) -> list[Ring]:
    """Takes the doorbells of a queue that are due to be rung, passing over those in another drain's hand."""
    limits.name("queue", queue, limits.QUEUE)
    limits.within("limit", limit, (1, limits.BATCH))
    return [Ring(*row) for row in ledger.ring(tx, queue, limit)]


def ring_again(tx: Tx, *, queue: str, limit: int) -> int:
    """Makes the doorbells of a queue that are due ring with the next drain, however lately they were rung. How many.

    For a queue whose messages were lost, so that nobody waits for the patience of their doorbells to end.
    """
    limits.name("queue", queue, limits.QUEUE)
    limits.within("limit", limit, (1, limits.BATCH))
    return ledger.ring_again(tx, queue, limit)


def postpone(tx: Tx, refused: Mapping[Ring, str]) -> int:
    """Doorbells whose message was refused, with the reason: they ring again after a back-off. How many it held for."""
    return ledger.postpone(
        tx,
        [
            {"id": bell.id, "rings": bell.rings, "error": error[: limits.TEXT], "ring_at": tx.now + backoff(bell.rings)}
            for bell, error in refused.items()
        ],
    )


def backoff(rings: int) -> timedelta:
    """How long to leave a doorbell alone that was refused on this ringing."""
    doublings: int = 2 ** min(rings - 1, 20)
    return min(FIRST_BACKOFF * doublings, LONGEST_BACKOFF)
