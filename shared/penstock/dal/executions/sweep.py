"""What is due by time alone: expired leases are taken back, deferrals and pauses end."""

from typing import NamedTuple

from penstock.dal.effects import Effects, Moved
from penstock.dal.ledger.verb import Verb
from penstock.dal.store import Tx
from penstock.domain import limits


class Expired(NamedTuple):
    """How many leases were ended."""

    leases: int


RECOVER, EXPIRE = Verb("recover", Moved), Verb("expire", Expired)
RESUME_DEFERRED, RESUME_PAUSED = Verb("resume_deferred", Moved), Verb("resume_paused", Moved)


def recover(tx: Tx, *, limit: int = 100) -> Effects:
    """Takes back executions whose lease has expired; those that have been taken back too often have failed."""
    return tx.move(RECOVER, capacity=limit)


def expire(tx: Tx, *, workers: str) -> int:
    """Ends the leases of workers that are known to be gone; the next sweep takes back what they held. How many.

    *workers* is what the names of all of them begin with. A worker that is not gone after all can no longer settle
    what it held.
    """
    (expired,) = tx.call(EXPIRE, workers=limits.name("workers", workers))
    return expired.leases


def resume_deferred(tx: Tx, *, limit: int = 100) -> Effects:
    """Resumes deferred executions whose moment has come."""
    return tx.move(RESUME_DEFERRED, capacity=limit)


def resume_paused(tx: Tx, *, limit: int) -> Effects:
    """Resumes executions whose pause is over, as many as there is capacity for; a manual pause without a time stays."""
    return tx.move(RESUME_PAUSED, capacity=limit)
