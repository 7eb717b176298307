"""Where an execution stands: why it did not move, what would be legal, and whether it is still what somebody read."""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from penstock.dal.dialect import Id, Script, Statement
from penstock.dal.executions.pieces import rows_of
from penstock.dal.ledger import Effects, Moved
from penstock.dal.ledger.pieces import E, O, P, after, locked_pipelines
from penstock.dal.store import Tx
from penstock.domain.errors import NotFound, NotMoved, Refusal, VersionChanged
from penstock.domain.executions import Job, Lease
from penstock.domain.lifecycle import TASK, Move, PipelineStatus, Proof, Status

# No move of the execution that it is asked of: that one stays as it is, and a new one begins.
RETRY = "retry"


def _standing(script: Script) -> None:
    rows = script.given("rows", {"id": Id()})
    source = E.join(rows, rows.c.id == E.c.id).outerjoin(O, O.c.task_execution_id == E.c.id)
    source = source.outerjoin(P, P.c.id == E.c.pipeline_execution_id)
    script.answer(
        sa.select(
            E.c.id, E.c.status, E.c.lease, E.c.lease_expires_at, E.c.attempt, E.c.max_attempts, E.c.requires_approval,
            E.c.resume_at, O.c.available_at, P.c.status.label("pipeline_status"),
        ).select_from(source)
    )  # fmt: skip


STANDING = Statement(_standing)


def refusals(tx: Tx, verb: str, wanted: Iterable[UUID | Lease | Job]) -> list[Refusal]:
    """Why *verb* would not move these executions now, and what would be legal instead; none for those it would."""
    leases = {
        each if isinstance(each, UUID) else each.id: None if isinstance(each, UUID) else each.lease for each in wanted
    }
    moves = () if verb == RETRY else TASK.of(verb)
    found = {row.id: row for row in tx.run(STANDING, {"rows": rows_of(leases)})}
    return [
        Refusal(id, verb, row and row.status, reason, TASK.legal_from(row.status) if row else ())
        for id, lease in leases.items()
        for row in [found.get(id)]
        if (reason := _reason(tx, verb, moves, row, lease)) is not None
    ]


def _reason(tx: Tx, verb: str, moves: Sequence[Move], row: Any, lease: UUID | None) -> str | None:
    if row is None:
        return f"cannot {verb}: there is no such execution"
    if verb == RETRY:
        return (
            None if row.status in TASK.ends else f"cannot {verb}: it is {row.status}; only what has ended is run again"
        )
    if not any(row.status in move.sources for move in moves):
        return TASK.refusal(verb, row.status)
    return _unproven(tx, verb, moves[0].proof, row, lease)


def _unproven(tx: Tx, verb: str, proof: Proof, row: Any, lease: UUID | None) -> str | None:
    if proof is Proof.LEASE and row.lease != lease:
        return f"cannot {verb}: this lease is no longer valid; somebody else has taken the execution over"
    if proof is Proof.EXPIRED and row.lease_expires_at >= tx.now:
        return f"cannot {verb}: its lease runs until {row.lease_expires_at.isoformat()}"
    if proof is Proof.DUE:
        return _not_due(tx, verb, row)
    return _not_fitting(verb, row)


def _not_due(tx: Tx, verb: str, row: Any) -> str | None:
    if row.available_at > tx.now:
        return f"cannot {verb}: it is not due before {row.available_at.isoformat()}"
    if row.pipeline_status not in (None, PipelineStatus.RUNNING):
        return f"cannot {verb}: its pipeline is {row.pipeline_status}"
    return None


def _not_fitting(verb: str, row: Any) -> str | None:
    if verb in ("approve", "reject") and not row.requires_approval:
        return f"cannot {verb}: it does not ask for an approval"
    if verb == "reset" and row.status == Status.READY and row.resume_at is None:
        return f"cannot {verb}: it waits for nothing; it is due already"
    if verb == "schedule_retry" and row.attempt >= row.max_attempts:
        return f"cannot {verb}: attempt {row.attempt} of {row.max_attempts} was the last"
    return None


def _expected(script: Script) -> None:
    id = sa.bindparam("id", type_=Id())
    held = locked_pipelines(script, sa.select(E.c.pipeline_execution_id).where(E.c.id == id))
    found = sa.select(E.c.version).where(E.c.id == id, after(held)).with_for_update(key_share=True)
    script.answer(sa.select(*script.step("found", found).c))


EXPECTED = Statement(_expected)


def expect(tx: Tx, id: UUID, version: int) -> None:
    """Holds an execution, and its pipeline, as the caller has read it, for the verb that follows in this transaction."""
    tx.must_span()
    found = tx.run(EXPECTED, {"id": id})
    if not found:
        raise NotFound("task execution", id)
    if found[0].version != version:
        raise VersionChanged(id, version, found[0].version)


def must_move(tx: Tx, verb: str, wanted: UUID | Lease | Job, effects: Effects) -> Moved:
    """The one execution that *verb* was meant for; NotMoved, with the reason, if it stayed."""
    if effects.moved:
        return effects.moved[0]
    raise NotMoved(next(iter(refusals(tx, verb, [wanted])), _raced(verb, wanted)))


def _raced(verb: str, wanted: UUID | Lease | Job) -> Refusal:
    id = wanted if isinstance(wanted, UUID) else wanted.id
    return Refusal(id, verb, None, f"cannot {verb}: it was moved by somebody else at this moment; look again")
