"""A row of the table as a verb applies it, and what an execution must show for it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, FromClause

from penstock.dal.ledger.pieces import NOW, RUNNING_PIPELINE, E, O, P, among, word
from penstock.domain.lifecycle import TASK, Move, Proof


@dataclass(frozen=True)
class Case:
    """One row of the table as a verb applies it: when, if the verb has several; and what it writes besides."""

    verb: str
    target: str | None = None
    when: ColumnElement[bool] | None = None
    writes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def move(self) -> Move:
        """Its row of the table."""
        (found,) = (move for move in TASK.of(self.verb) if self.target in (None, move.target))
        return found


def allowed_by(case: Case, rows: FromClause) -> ColumnElement[bool]:
    """That it stands where the case may begin, with the proof that its move demands."""
    conditions = [among(E.c.status, case.move.sources), *_proof(case.move, rows)]
    return sa.and_(*conditions, *([case.when] if case.when is not None else []))


def _proof(move: Move, rows: FromClause) -> list[ColumnElement[bool]]:
    """What the move demands besides the state."""
    if move.proof is Proof.LEASE:
        return [E.c.lease == rows.c.lease]
    if move.proof is Proof.EXPIRED:
        return [E.c.lease_expires_at < NOW]
    if move.proof is Proof.DUE:
        return [
            O.c.available_at <= NOW,
            sa.or_(E.c.pipeline_execution_id.is_(None), P.c.status == word(RUNNING_PIPELINE)),
        ]
    return []
