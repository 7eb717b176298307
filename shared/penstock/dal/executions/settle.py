"""How a run ends, or goes on later."""

from collections.abc import Sequence
from datetime import datetime

from penstock.dal.dialect import as_json
from penstock.dal.effects import Effects, Moved
from penstock.dal.ledger.verb import Verb
from penstock.dal.store import Tx
from penstock.domain.executions import Failure, Job, Lease, Outcome
from penstock.domain.settlements import NOTHING, Settlement

SETTLE = Verb("settle", Moved)


def settle(tx: Tx, settlements: Sequence[Settlement]) -> Effects:
    """Settles what a worker holds, each execution in its own way, in one call.

    Sent again after a lost answer, it answers the same. Of two settlements of one execution the first counts.
    """
    return tx.move(SETTLE, settlements=as_json([settlement.as_json() for settlement in settlements]))


def complete(tx: Tx, lease: Lease | Job, outcome: Outcome | None = None) -> Effects:
    """The work is done: its outcome is kept, and what waits for it is counted down."""
    return settle(tx, [Settlement.complete(lease, outcome or NOTHING)])


def fail(tx: Tx, lease: Lease | Job, failure: Failure) -> Effects:
    """The work has failed for good."""
    return settle(tx, [Settlement.fail(lease, failure)])


def schedule_retry(tx: Tx, lease: Lease | Job, failure: Failure, *, at: datetime) -> Effects:
    """This attempt has failed; the next one may begin at *at*."""
    return settle(tx, [Settlement.retry(lease, failure, at=at)])


def defer(tx: Tx, lease: Lease | Job, *, until: datetime) -> Effects:
    """The run goes on at *until*."""
    return settle(tx, [Settlement.defer(lease, until=until)])


def given_up(tx: Tx, job: Job, failure: Failure) -> Settlement:
    """How to settle a failed attempt: another one if the policy wants it and attempts are left, otherwise the end."""
    if job.attempt >= job.max_attempts or not job.policy.wants(failure.error_type):
        return Settlement.fail(job, failure)
    return Settlement.retry(job, failure, after=job.policy.delay(job.attempt, tx.chance()))
