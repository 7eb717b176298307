"""Ringing: due doorbells are taken in one transaction, published after it, and ring again by themselves.

An accepted message needs no further write. A refused one is postponed, unless its doorbell has been rung since.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from penstock.dal.dialect import as_json
from penstock.dal.ledger.verb import Verb
from penstock.dal.store import Tx
from penstock.domain import limits

FIRST_BACKOFF = timedelta(seconds=15)
LONGEST_BACKOFF = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Ring:
    """A doorbell that was taken: what its message says, and which ringing this is."""

    task_execution_id: UUID
    queue: str
    priority: int
    rings: int
    traceparent: str | None
    task_type: str


RING = Verb("ring", Ring)
RING_AGAIN = Verb("ring_again", int)
POSTPONE = Verb("postpone", int)


def ring(tx: Tx, *, queue: str, limit: int) -> list[Ring]:
    """Takes the doorbells of a queue that are due to be rung. Passes over those that another drain is taking."""
    return tx.call(RING, queue=limits.name("queue", queue, limits.QUEUE), capacity=_bounded(limit))


def ring_again(tx: Tx, *, queue: str, limit: int) -> int:
    """Makes the doorbells of a queue that are due ring with the next drain, however lately they were rung. How many.

    For a queue whose messages were lost: nobody has to wait until its doorbells ring again by themselves.
    """
    (number,) = tx.call(RING_AGAIN, queue=limits.name("queue", queue, limits.QUEUE), capacity=_bounded(limit))
    return number


def postpone(tx: Tx, refused: Mapping[Ring, str]) -> int:
    """Lets doorbells whose message was refused ring again after a back-off, with the reason. How many were postponed."""
    rows = [
        {
            "task_execution_id": bell.task_execution_id,
            "rings": bell.rings,
            "error": error[: limits.TEXT],
            "delay_seconds": backoff(bell.rings).total_seconds(),
        }
        for bell, error in refused.items()
    ]
    (number,) = tx.call(POSTPONE, refused=as_json(rows))
    return number


def backoff(rings: int) -> timedelta:
    """How long a doorbell waits that was refused on this ringing."""
    doublings: int = 2 ** min(rings - 1, 20)
    return min(FIRST_BACKOFF * doublings, LONGEST_BACKOFF)


def _bounded(limit: int) -> int:
    return limits.within("limit", limit, (1, limits.BATCH))
