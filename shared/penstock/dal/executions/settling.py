"""How a run ends, or goes on later: what a worker holds is settled in one statement, each execution in its own way."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from penstock.dal.dialect import Instant, Json, Names
from penstock.dal.executions.pieces import BEGUN, FENCED, WITH_DATA, first_of_each
from penstock.dal.ledger import Case, Effects, Movement, move
from penstock.dal.ledger.pieces import E
from penstock.dal.store import Tx
from penstock.domain import limits
from penstock.domain.executions import Failure, Job, Lease, Outcome

RESULT: dict[str, Any] = {"outcome": Json, "services_touched": Names, "suggestions": Json, "error": sa.Text()}
SETTLED = FENCED | RESULT | {"verb": sa.Text(), "due": Instant()} | WITH_DATA


def _settling(rows: sa.FromClause) -> list[Case]:
    result = {name: rows.c[name] for name in RESULT}
    retry = {"error": rows.c.error, "attempt": E.c.attempt + 1, "resume_at": rows.c.due}
    return [
        Case("complete", when=rows.c.verb == "complete", writes=result | {"error": sa.null()}),
        Case("fail", when=rows.c.verb == "fail", writes=result),
        Case(
            "schedule_retry",
            when=sa.and_(rows.c.verb == "schedule_retry", E.c.attempt < E.c.max_attempts),
            writes=retry,
        ),
        Case("defer", when=rows.c.verb == "defer", writes={"resume_at": rows.c.due}),
        Case("start", when=rows.c.verb == "start", writes=BEGUN),
    ]


SETTLE = Movement(_settling, SETTLED)
COMPLETE = Movement(lambda rows: [Case("complete", writes={name: rows.c[name] for name in RESULT})], FENCED | RESULT)
Settlement = Mapping[str, Any]


def completed(lease: Lease | Job, outcome: Outcome) -> Settlement:
    """The work is done: what is kept of it."""
    return _settlement(
        lease,
        "complete",
        outcome={"success": True, **outcome.output},
        services_touched=list(outcome.services_touched) or None,
        suggestions=list(outcome.suggestions) or None,
    )


def failed(lease: Lease | Job, failure: Failure) -> Settlement:
    """The work has failed for good."""
    return _settlement(
        lease,
        "fail",
        outcome={"success": False, "error_type": failure.error_type},
        services_touched=list(failure.services_touched) or None,
        error=failure.message,
        data={"error": failure.message, "error_type": failure.error_type},
    )


def retried(lease: Lease | Job, failure: Failure, *, at: datetime) -> Settlement:
    """This attempt has failed; the next one may begin at *at*."""
    data = {"error": failure.message, "error_type": failure.error_type, "available_at": at}
    return _settlement(lease, "schedule_retry", error=failure.message, due=limits.instant("at", at), data=data)


def deferred(lease: Lease | Job, *, until: datetime) -> Settlement:
    """The run waits for something: it goes on at *until*, without having cost an attempt."""
    return _settlement(lease, "defer", due=limits.instant("until", until), data={"resume_at": until})


def started(lease: Lease | Job) -> Settlement:
    """The next one begins, in the statement that settles the one before."""
    return _settlement(lease, "start")


def given_up(tx: Tx, job: Job, failure: Failure) -> Settlement:
    """This attempt has failed: another one if the policy wants it and attempts are left, else the end."""
    if job.attempt >= job.max_attempts or not job.policy.wants(failure.error_type):
        return failed(job, failure)
    return retried(job, failure, at=tx.now + job.policy.delay(job.attempt, tx.chance()))


def settle(tx: Tx, settlements: Sequence[Settlement]) -> Effects:
    """Settles what a worker holds, each in its own way, in one statement; what comes twice, as it came first."""
    settlements = first_of_each(settlements)
    if all(settlement["verb"] == "complete" for settlement in settlements):
        return move(tx, COMPLETE, settlements)
    return move(tx, SETTLE, settlements)


def complete(tx: Tx, lease: Lease | Job, outcome: Outcome | None = None) -> Effects:
    """The work is done: its outcome stays, what waited for it is counted down."""
    return settle(tx, [completed(lease, outcome or Outcome())])


def fail(tx: Tx, lease: Lease | Job, failure: Failure) -> Effects:
    """The work has failed for good."""
    return settle(tx, [failed(lease, failure)])


def schedule_retry(tx: Tx, lease: Lease | Job, failure: Failure, *, at: datetime) -> Effects:
    """This attempt has failed; the next one may begin at *at*."""
    return settle(tx, [retried(lease, failure, at=at)])


def defer(tx: Tx, lease: Lease | Job, *, until: datetime) -> Effects:
    """The run goes on at *until*."""
    return settle(tx, [deferred(lease, until=until)])


def _settlement(lease: Lease | Job, verb: str, **values: Any) -> Settlement:
    empty: dict[str, Any] = {
        "outcome": None,
        "services_touched": None,
        "suggestions": None,
        "error": None,
        "due": None,
        "data": {},
    }
    return {"id": lease.id, "lease": lease.lease, "verb": verb, **empty, **values}
