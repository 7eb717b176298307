"""What hangs on an execution: its doorbell while it is ready, its pause entry while it is paused."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import FromClause

from penstock.dal.dialect import Script
from penstock.dal.ledger.effects import bell_rows
from penstock.dal.ledger.pieces import NOW, O, Q, put_up_bells, take_down, word
from penstock.domain.lifecycle import Move, Status


def follow(moves: Sequence[Move], script: Script, mine: FromClause, done: FromClause) -> list[sa.Select[Any]]:
    """Doorbells and pause entries that come and go with the move."""
    sources = {source for move in moves for source in move.sources}
    targets = {move.target for move in moves}
    if Status.READY in sources and targets != {Status.READY}:
        take_down(script, "gone", O, done)
    if Status.PAUSED in sources:
        take_down(script, "unpaused", Q, done)
    if Status.PAUSED in targets:
        script.step("paused", _pause_entries(mine, done))
    if Status.READY not in targets:
        return []
    becomes = [done.c.status == word(Status.READY)]
    if Status.READY in sources:
        _ring_anew(script, done)
        becomes.append(done.c.id.in_(sa.select(mine.c.id).where(mine.c.was != word(Status.READY))))
    return [bell_rows(put_up_bells(script, "bells", done, *becomes))]


def _ring_anew(script: Script, done: FromClause) -> None:
    """Makes the doorbells of what stays ready due at once. The rows are there, so they cannot come again."""
    script.step(
        "rung",
        sa.update(O)
        .where(O.c.task_execution_id.in_(sa.select(done.c.id).where(done.c.status == word(Status.READY))))
        .values(available_at=NOW, ring_at=NOW, rings=sa.literal_column("0"), last_error=sa.null()),
    )


def _pause_entries(mine: FromClause, done: FromClause) -> sa.Insert:
    rows = sa.select(
        done.c.id, mine.c.work_plan, mine.c.reason, done.c.updated_at, mine.c.resume_after, done.c.priority
    )
    names = ["task_execution_id", "work_plan", "reason", "paused_at", "resume_after", "priority"]
    return sa.insert(Q).from_select(names, rows.select_from(done.join(mine, mine.c.id == done.c.id)))
