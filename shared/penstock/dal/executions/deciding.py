"""What people decide: to approve or to refuse, to leave out, to end, to put aside and to go on."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from penstock.dal.dialect import Instant, Json
from penstock.dal.executions.pieces import MOMENT, WITH_DATA, rows_of
from penstock.dal.ledger import Case, Effects, Movement, move
from penstock.dal.ledger.pieces import E
from penstock.dal.store import Tx
from penstock.domain import limits
from penstock.domain.errors import InvalidInput
from penstock.domain.lifecycle import Status

WAITS_FOR_NOTHING = E.c.waiting_on == 0
MAY_RUN = sa.and_(WAITS_FOR_NOTHING, sa.or_(E.c.approved_at.is_not(None), sa.not_(E.c.requires_approval)))
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
    return move(tx, RESET, rows_of(ids))


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
    return move(tx, PAUSE, rows_of(ids, **entry))


def resume(tx: Tx, ids: Iterable[UUID]) -> Effects:
    """What was paused or deferred goes on from where it would be by now."""
    return move(tx, RESUME, rows_of(ids))


def _decided(ids: Iterable[UUID], **words: str | None) -> list[dict[str, Any]]:
    data = {field: limits.text(field, value) for field, value in words.items() if value is not None}
    return rows_of(ids, reason=data.get("reason"), data=data)
