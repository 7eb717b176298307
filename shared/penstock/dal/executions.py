"""The verbs of a task execution: each a line of the table of legal moves, and what is special about it.

They take any number of executions and move those for which the move is legal; what they return says which. Why
another did not move is a question of its own: `refusals`.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from penstock.dal.dialect import Id, Instant, Json, Names, Script, Statement, later_of, seconds_after
from penstock.dal.ledger import Case, Effects, Moved, Movement, best_of_queue, enter, move, take
from penstock.dal.ledger.pieces import E, O, P, Q
from penstock.dal.store import Tx
from penstock.domain import limits
from penstock.domain.errors import InvalidInput, NotMoved, Refusal
from penstock.domain.executions import Failure, Job, Lease, NewExecution, Outcome
from penstock.domain.lifecycle import TASK, Move, PipelineStatus, Proof, Status

NOW = sa.bindparam("now", type_=Instant())
MOMENT = later_of(NOW, E.c.updated_at, type_=Instant())
WITH_DATA: dict[str, Any] = {"data": Json}
FENCED: dict[str, Any] = {"lease": Id()}
HANDS = {
    "lease": sa.bindparam("lease", type_=Id()),
    "worker_id": sa.bindparam("worker", type_=sa.Text()),
    "resume_at": sa.null(),
}
WHOLE_RUN = seconds_after(MOMENT, E.c.timeout_seconds + limits.LEASE_MARGIN_SECONDS)
BEGUN = {"started_at": MOMENT, "lease_expires_at": WHOLE_RUN}
CLAIMED = {"lease_expires_at": sa.bindparam("held_until", type_=Instant())}
WAITS_FOR_NOTHING = E.c.waiting_on == 0
MAY_RUN = sa.and_(WAITS_FOR_NOTHING, sa.or_(E.c.approved_at.is_not(None), sa.not_(E.c.requires_approval)))

# --- creating --------------------------------------------------------------------------------------------------


def create(tx: Tx, *wanted: NewExecution) -> Effects:
    """Writes new executions, ready at once unless they need an approval."""
    return create_many(tx, wanted)


def create_many(tx: Tx, wanted: Sequence[NewExecution]) -> Effects:
    """Writes any number of new executions."""
    limits.few("executions", wanted, limits.BATCH)
    return enter(tx, [row(tx, execution) for execution in wanted])


def row(tx: Tx, wanted: NewExecution) -> dict[str, Any]:
    """A new execution as the ledger takes it."""
    return {
        "id": tx.new_id(),
        "task_id": wanted.task_id,
        "name": wanted.name,
        "sequence": 0,
        "task_type": wanted.task_type,
        "queue": wanted.queue,
        "config": wanted.config,
        "metadata": wanted.metadata,
        "workspace_path": wanted.workspace_path,
        "priority": wanted.priority,
        "max_attempts": wanted.max_attempts,
        "retry": wanted.retry.as_json(),
        "timeout_seconds": wanted.timeout_seconds,
        "requires_approval": wanted.requires_approval,
        "trigger_rule": "all_success",
        "failure_handled": False,
        "waiting_on": 0,
        "resume_at": wanted.available_at,
        "retry_of": wanted.retry_of,
        "traceparent": wanted.traceparent,
    }


# --- a worker takes, starts, keeps and gives back ----------------------------------------------------------------

CLAIM = Movement(lambda _: [Case("claim", writes=HANDS | CLAIMED)], claims=best_of_queue, jobs=True)
CLAIM_THESE = Movement(lambda _: [Case("claim", writes=HANDS | CLAIMED)], jobs=True)
BEGIN = Movement(lambda _: [Case("begin", writes=HANDS | BEGUN)], jobs=True)
START = Movement(lambda _: [Case("start", writes=BEGUN)], FENCED)
RELEASE = Movement(lambda _: [Case("release")], FENCED)


def claim(tx: Tx, *, queue: str, limit: int, worker: str, hold_for: timedelta) -> list[Job]:
    """Takes the best due executions of a queue, passing over those that others are taking."""
    limits.name("queue", queue, limits.QUEUE)
    limits.within("limit", limit, (1, limits.BATCH))
    return [
        _job(row)
        for row in take(tx, CLAIM, queue=queue, limit=limit, held_until=tx.now + hold_for, **_hands(tx, worker))
    ]


def claim_these(tx: Tx, ids: Iterable[UUID], *, worker: str, hold_for: timedelta) -> list[Job]:
    """Takes these executions, those that are due."""
    return [_job(row) for row in take(tx, CLAIM_THESE, _rows(ids), held_until=tx.now + hold_for, **_hands(tx, worker))]


def begin(tx: Tx, ids: Iterable[UUID], *, worker: str) -> list[Job]:
    """Takes and starts these executions, those that are due, in one step."""
    return [_job(row) for row in take(tx, BEGIN, _rows(ids), **_hands(tx, worker))]


def start(tx: Tx, leases: Iterable[Lease | Job]) -> Effects:
    """What was claimed begins to run."""
    return move(tx, START, _leased(leases))


def release(tx: Tx, leases: Iterable[Lease | Job]) -> Effects:
    """Gives back what was claimed and not begun."""
    return move(tx, RELEASE, _leased(leases))


def _hands(tx: Tx, worker: str) -> dict[str, Any]:
    return {"lease": tx.new_id(), "worker": limits.name("worker", worker)}


def _job(row: Any) -> Job:
    return Job(**{name: getattr(row, name) for name in Job.__dataclass_fields__})


def _heartbeat(script: Script) -> None:
    rows = script.given("rows", FENCED | {"id": Id()})
    held = E.c.lease == rows.c.lease
    whole_run = seconds_after(sa.func.coalesce(E.c.started_at, NOW), E.c.timeout_seconds + limits.LEASE_MARGIN_SECONDS)
    wanted = sa.bindparam("held_until", type_=Instant())
    longer = sa.case((wanted < whole_run, wanted), else_=whole_run)
    update = (
        sa.update(E)
        .where(E.c.id == rows.c.id, held, E.c.status.in_([sa.literal_column(f"'{s}'") for s in TASK.held]))
        .values(lease_expires_at=later_of(longer, E.c.lease_expires_at, type_=Instant()), updated_at=MOMENT)
    )
    kept = script.step("kept", update.returning(E.c.id, E.c.lease_expires_at))
    script.answer(sa.select(kept.c.id, kept.c.lease_expires_at))


HEARTBEAT = Statement(_heartbeat)


def heartbeat(tx: Tx, leases: Iterable[Lease | Job], *, hold_for: timedelta) -> dict[UUID, datetime]:
    """Holds on for longer, but never past the end of the run's own time; who is not in the answer has lost its lease."""
    kept = tx.run(HEARTBEAT, {"rows": _leased(leases), "held_until": tx.now + hold_for})
    return {row.id: row.lease_expires_at for row in kept}


# --- how a run ends, or goes on later ----------------------------------------------------------------------------

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
    """Settles what a worker holds, each in its own way, in one statement."""
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


# --- what people decide ------------------------------------------------------------------------------------------

APPROVAL = {"approved_by": sa.bindparam("actor", type_=sa.Text()), "approved_at": MOMENT}
APPROVE = Movement(
    lambda _: [
        Case("approve", Status.APPROVED, sa.and_(E.c.requires_approval, E.c.waiting_on > 0), APPROVAL),
        Case("approve", Status.READY, sa.and_(E.c.requires_approval, WAITS_FOR_NOTHING), APPROVAL),
    ],
    WITH_DATA,
)
REJECT = Movement(
    lambda rows: [Case("reject", when=E.c.requires_approval, writes={"error": rows.c.reason})],
    WITH_DATA | {"reason": sa.Text()},
)
SKIP = Movement(lambda _: [Case("skip")], WITH_DATA)
CANCEL = Movement(lambda rows: [Case("cancel", writes={"error": rows.c.reason})], WITH_DATA | {"reason": sa.Text()})
RESET = Movement(
    lambda _: [
        Case(
            "reset",
            when=sa.or_(E.c.status == "deferred", E.c.resume_at.is_not(None)),
            writes={"attempt": 1, "resume_at": sa.null(), "error": sa.null()},
        )
    ]
)
PAUSE = Movement(
    lambda _: [Case("pause")], WITH_DATA | {"reason": sa.Text(), "work_plan": Json, "resume_after": Instant()}
)
# A pause keeps the time before which a run may not begin; the end of a deferral is the end of its waiting.
NOT_BEFORE = {"resume_at": sa.case((E.c.status == "paused", E.c.resume_at), else_=sa.null())}
RESUME_CASES = [
    Case("resume", Status.READY, MAY_RUN, NOT_BEFORE),
    Case("resume", Status.APPROVED, sa.and_(sa.not_(MAY_RUN), E.c.approved_at.is_not(None))),
    Case("resume", Status.PENDING, sa.and_(sa.not_(MAY_RUN), E.c.approved_at.is_(None))),
]
RESUME = Movement(lambda _: RESUME_CASES)


def approve(tx: Tx, ids: Iterable[UUID], *, note: str | None = None) -> Effects:
    """Somebody agrees: what waits for nothing else is ready."""
    return move(tx, APPROVE, _decided(ids, note=note))


def reject(tx: Tx, ids: Iterable[UUID], *, reason: str | None = None) -> Effects:
    """Somebody refuses: an end, and a failure for what depends on it."""
    return move(tx, REJECT, _decided(ids, reason=reason))


def skip(tx: Tx, ids: Iterable[UUID], *, reason: str | None = None) -> Effects:
    """What has not begun will not run."""
    return move(tx, SKIP, _decided(ids, reason=reason))


def cancel(tx: Tx, ids: Iterable[UUID], *, reason: str | None = None) -> Effects:
    """Ends what has not ended; whoever runs it has lost its lease."""
    return move(tx, CANCEL, _decided(ids, reason=reason))


def reset(tx: Tx, ids: Iterable[UUID]) -> Effects:
    """What waits for a retry or for a moment is due now, with all its attempts before it."""
    return move(tx, RESET, _rows(ids))


def pause(
    tx: Tx,
    ids: Iterable[UUID],
    *,
    reason: str = "manual_pause",
    work_plan: Mapping[str, Any] | None = None,
    resume_after: datetime | None = None,
) -> Effects:
    """Puts aside what has not been claimed; `manual_pause` without a time waits until somebody resumes it."""
    if reason not in ("manual_pause", "insufficient_capacity"):
        raise InvalidInput("reason", f"is {reason!r}; it must be manual_pause or insufficient_capacity")
    entry = {
        "reason": reason,
        "work_plan": limits.payload("work_plan", work_plan or {}),
        "resume_after": resume_after and limits.instant("resume_after", resume_after),
        "data": {"reason": reason},
    }
    return move(tx, PAUSE, _rows(ids, **entry))


def resume(tx: Tx, ids: Iterable[UUID]) -> Effects:
    """What was paused or deferred goes on from where it would be by now."""
    return move(tx, RESUME, _rows(ids))


# --- what time decides -------------------------------------------------------------------------------------------


def _expired() -> sa.Select[Any]:
    query = sa.select(E.c.id).where(E.c.lease_expires_at < NOW).order_by(E.c.lease_expires_at)
    return query.limit(sa.bindparam("limit", type_=sa.Integer()))


def _deferrals_due() -> sa.Select[Any]:
    query = (
        sa.select(E.c.id)
        .where(E.c.status == sa.literal_column("'deferred'"), E.c.resume_at <= NOW)
        .order_by(E.c.resume_at)
    )
    return query.limit(sa.bindparam("limit", type_=sa.Integer()))


def _pauses_due() -> sa.Select[Any]:
    over = sa.or_(Q.c.resume_after <= NOW, sa.and_(Q.c.resume_after.is_(None), Q.c.reason == "insufficient_capacity"))
    query = sa.select(Q.c.task_execution_id.label("id")).where(over).order_by(Q.c.priority, Q.c.paused_at, Q.c.id)
    return query.limit(sa.bindparam("limit", type_=sa.Integer()))


SPENT = sa.and_(E.c.status == "running", E.c.recoveries >= limits.RECOVERIES)
RECOVER = Movement(
    lambda _: [
        Case(
            "recover",
            when=sa.not_(SPENT),
            writes={"recoveries": E.c.recoveries + sa.case((E.c.status == "running", 1), else_=0)},
        ),
        Case("abandon", when=SPENT, writes={"error": sa.literal("its worker went silent once too often")}),
    ],
    picks=_expired,
)
RESUME_DEFERRED = Movement(lambda _: RESUME_CASES, picks=_deferrals_due)
RESUME_PAUSED = Movement(lambda _: RESUME_CASES, picks=_pauses_due)


def recover(tx: Tx, *, limit: int = 100) -> Effects:
    """Takes back what silent workers hold; what has been taken back too often is abandoned."""
    return move(tx, RECOVER, limit=limit)


def resume_deferred(tx: Tx, *, limit: int = 100) -> Effects:
    """Deferrals whose moment has come go on."""
    return move(tx, RESUME_DEFERRED, limit=limit)


def resume_paused(tx: Tx, *, limit: int) -> Effects:
    """Pauses that are over end, as many as there is capacity for; a manual pause without a time stays."""
    return move(tx, RESUME_PAUSED, limit=limit)


# --- why not -----------------------------------------------------------------------------------------------------


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
    moves = TASK.of(verb)
    found = {row.id: row for row in tx.run(STANDING, {"rows": _rows(leases)})}
    return [
        Refusal(id, verb, row and row.status, reason, TASK.legal_from(row.status) if row else ())
        for id, lease in leases.items()
        for row in [found.get(id)]
        if (reason := _reason(tx, moves, row, lease)) is not None
    ]


def _reason(tx: Tx, moves: Sequence[Move], row: Any, lease: UUID | None) -> str | None:
    verb, proof = moves[0].verb, moves[0].proof
    if row is None:
        return f"cannot {verb}: there is no such execution"
    if not any(row.status in move.sources for move in moves):
        return TASK.refusal(verb, row.status)
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


def must_move(tx: Tx, verb: str, wanted: UUID | Lease | Job, effects: Effects) -> Moved:
    """The one execution that *verb* was meant for; NotMoved, with the reason, if it stayed."""
    if effects.moved:
        return effects.moved[0]
    raise NotMoved(next(iter(refusals(tx, verb, [wanted])), _raced(verb, wanted)))


def _raced(verb: str, wanted: UUID | Lease | Job) -> Refusal:
    id = wanted if isinstance(wanted, UUID) else wanted.id
    return Refusal(id, verb, None, f"cannot {verb}: it was moved by somebody else at this moment; look again")


def _rows(ids: Iterable[UUID], **values: Any) -> list[dict[str, Any]]:
    return [{"id": each, **values} for each in dict.fromkeys(ids)]


def _decided(ids: Iterable[UUID], **words: str | None) -> list[dict[str, Any]]:
    data = {field: limits.text(field, value) for field, value in words.items() if value is not None}
    return _rows(ids, reason=data.get("reason"), data=data)


def _leased(leases: Iterable[Lease | Job]) -> list[dict[str, Any]]:
    return [{"id": lease.id, "lease": lease.lease} for lease in leases]
