"""Why an execution did not move, what would be legal, and whether it is still what somebody read."""

from collections.abc import Iterable
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa

from penstock.dal import schema
from penstock.dal.dialect import Ids, Query, is_one_of
from penstock.dal.effects import Effects, Moved
from penstock.dal.ledger.verb import Verb
from penstock.dal.store import Tx
from penstock.domain.errors import NotFound, NotMoved, Refusal, VersionChanged
from penstock.domain.executions import Job, Lease
from penstock.domain.lifecycle import TASK, PipelineStatus, Proof, Status

EXECUTIONS, OUTBOX, PIPELINES = schema.task_executions, schema.task_outbox, schema.pipeline_executions
# It moves no execution: the one that it is asked of stays as it is, and a new one begins.
RETRY = "retry"
STATES = Query(
    sa.select(
        EXECUTIONS.c.id,
        EXECUTIONS.c.status,
        EXECUTIONS.c.lease,
        EXECUTIONS.c.lease_expires_at,
        EXECUTIONS.c.attempt,
        EXECUTIONS.c.max_attempts,
        EXECUTIONS.c.requires_approval,
        EXECUTIONS.c.resume_at,
        OUTBOX.c.available_at,
        PIPELINES.c.status.label("pipeline_status"),
    )
    .select_from(
        EXECUTIONS.outerjoin(OUTBOX, OUTBOX.c.task_execution_id == EXECUTIONS.c.id).outerjoin(
            PIPELINES, PIPELINES.c.id == EXECUTIONS.c.pipeline_execution_id
        )
    )
    .where(is_one_of(EXECUTIONS.c.id, sa.bindparam("ids", type_=Ids())))
)


class Version(NamedTuple):
    """The version of a row that is locked."""

    version: int


HOLD_EXECUTION = Verb("hold_execution", Version)


def refusals(tx: Tx, verb: str, wanted: Iterable[UUID | Lease | Job]) -> list[Refusal]:
    """Why *verb* would not move these executions now, and what would be legal instead; none for those it would."""
    sources = () if verb == RETRY else tuple(source for move in TASK.of(verb) for source in move.sources)
    leases = {_id(each): None if isinstance(each, UUID) else each.lease for each in wanted}
    found = {row.id: row for row in tx.run(STATES, {"ids": list(leases)})}
    return [
        Refusal(id, verb, row and row.status, f"cannot {verb}: {problem}", TASK.legal_from(row.status) if row else ())
        for id, lease in leases.items()
        for row in [found.get(id)]
        if (problem := _problem(tx, verb, sources, row, lease)) is not None
    ]


def expect(tx: Tx, id: UUID, version: int) -> None:
    """Locks an execution and its pipeline for the verb that follows in this transaction; VersionChanged if it is not at
    *version* any more."""
    tx.must_span()
    found = tx.call(HOLD_EXECUTION, id=id)
    if not found:
        raise NotFound("task execution", id)
    if found[0].version != version:
        raise VersionChanged(id, version, found[0].version)


def must_move(tx: Tx, verb: str, wanted: UUID | Lease | Job, effects: Effects) -> Moved:
    """The one execution that *verb* was meant for; NotMoved, with the reason, if it stayed."""
    if effects.moved:
        return effects.moved[0]
    raced = Refusal(_id(wanted), verb, None, f"cannot {verb}: it was moved by somebody else at this moment; look again")
    raise NotMoved(next(iter(refusals(tx, verb, [wanted])), raced))


def _id(wanted: UUID | Lease | Job) -> UUID:
    return wanted if isinstance(wanted, UUID) else wanted.id


def _problem(tx: Tx, verb: str, sources: tuple[str, ...], row: Any, lease: UUID | None) -> str | None:
    if row is None:
        return "there is no such execution"
    if verb == RETRY:
        return None if row.status in TASK.ends else f"it is {row.status}; only what has ended is run again"
    if row.status not in sources:
        return TASK.refusal(verb, row.status).removeprefix(f"cannot {verb}: ")
    return _unproven(tx, verb, row, lease)


def _unproven(tx: Tx, verb: str, row: Any, lease: UUID | None) -> str | None:
    """What it lacks besides the state."""
    proof = TASK.of(verb)[0].proof
    if proof is Proof.LEASE and row.lease != lease:
        return "this lease is no longer valid; somebody else has taken the execution over"
    if proof is Proof.EXPIRED and row.lease_expires_at >= tx.now:
        return f"its lease runs until {row.lease_expires_at.isoformat()}"
    if proof is Proof.DUE:
        return _not_due(tx, row)
    return _unfit(verb, row)


def _not_due(tx: Tx, row: Any) -> str | None:
    if row.available_at > tx.now:
        return f"it is not due before {row.available_at.isoformat()}"
    if row.pipeline_status not in (None, PipelineStatus.RUNNING):
        return f"its pipeline is {row.pipeline_status}"
    return None


def _unfit(verb: str, row: Any) -> str | None:
    if verb in ("approve", "reject") and not row.requires_approval:
        return "it does not ask for an approval"
    if verb == "reset" and row.status == Status.READY and row.resume_at is None:
        return "it waits for nothing; it is due already"
    if verb == "schedule_retry" and row.attempt >= row.max_attempts:
        return f"attempt {row.attempt} of {row.max_attempts} was the last"
    return None
