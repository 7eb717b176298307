"""Every change of state of task executions: `move` is the one door."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, FromClause

from penstock.dal.dialect import Id, Script, Statement
from penstock.dal.ledger import dependents, hangings
from penstock.dal.ledger.cases import Case, allowed_by
from penstock.dal.ledger.effects import MOVED, OVERTAKEN, Effects, answered, moved_rows
from penstock.dal.ledger.pieces import (
    RETURNED,
    E,
    O,
    P,
    after,
    among,
    at,
    chosen_by,
    facts,
    locked_pipelines,
    overtaken,
    returned,
    word,
    write_facts,
)
from penstock.dal.store import NeedsTransaction, Tx
from penstock.domain.lifecycle import TASK, Move, Proof, Status

Columns = Mapping[str, Any]
JOB = (
    "id", "lease", "pipeline_execution_id", "task_id", "name", "task_type", "queue", "status", "config", "metadata",
    "workspace_path", "priority", "attempt", "max_attempts", "retry", "timeout_seconds", "lease_expires_at", "traceparent",
    "created_at", "version", "updated_at", "worker_id",
)  # fmt: skip


Cases = Callable[[FromClause], Sequence[Case]]


@dataclass(frozen=True)
class Movement:
    """A verb as the ledger runs it.

    ``cases`` gets the relation of rows that the caller brings (their columns are ``brings``, besides the id), or
    of candidates that ``picks`` finds; ``claims`` finds and locks them itself. Two columns have a meaning of
    their own: ``lease`` fences, ``data`` goes into the last event.
    """

    cases: Cases
    brings: Columns = field(default_factory=dict)
    picks: Callable[[], sa.Select[Any]] | None = None
    claims: Callable[[Script], sa.Select[Any]] | None = None
    jobs: bool = False

    @cached_property
    def moves(self) -> tuple[Move, ...]:
        """The rows of the table that it may apply."""
        probe = sa.table("rows", *(sa.column(name, kind) for name, kind in {"id": Id(), **self.brings}.items()))
        return tuple(case.move for case in self.cases(probe))

    @property
    def ends(self) -> bool:
        """Whether something may end by it."""
        return any(move.target in TASK.ends for move in self.moves)

    @property
    def removes(self) -> bool:
        """Whether doorbells or pause entries may go with it, other than those that it locks itself."""
        sources = {source for move in self.moves for source in move.sources if move.proof is not Proof.DUE}
        return bool(sources & {Status.READY, Status.PAUSED})

    @cached_property
    def whole(self) -> Statement:
        """Inside a transaction: what is skipped on the way is followed by further statements."""
        return Statement(lambda script: _build(self, script, alone=False))

    @cached_property
    def alone(self) -> Statement:
        """As the only statement: moves nothing if further statements would have to follow."""
        return Statement(lambda script: _build(self, script, alone=True))


def move(tx: Tx, movement: Movement, rows: Iterable[Mapping[str, Any]] = (), **params: Any) -> Effects:
    """Moves every row for which it is legal, as the table says, and all that follows from it."""
    effects = Effects()
    values = {"rows": list(rows), "ring_from": tx.now + tx.ring_grace, **params}
    deeper = effects.add(steady(tx, movement.whole if tx.spans else movement.alone, values))
    if deeper and not tx.spans:
        raise NeedsTransaction
    while deeper:
        parents = [{"id": row.id, "kind": row.note} for row in deeper]
        deeper = effects.add(steady(tx, CASCADE, {"rows": parents, "ring_from": values["ring_from"]}))
    return effects


def steady(tx: Tx, statement: Statement, values: Mapping[str, Any]) -> list[Any]:
    """The answer of a statement that has seen its rows as it locked them. One that was overtaken has moved nothing; it
    holds the locks, and runs again."""
    answer = tx.run(statement, values)
    while any(row.what == OVERTAKEN for row in answer):
        tx.must_span()
        answer = tx.run(statement, values)
    return answer


def take(tx: Tx, movement: Movement, rows: Iterable[Mapping[str, Any]] = (), **params: Any) -> list[Any]:
    """Moves executions into somebody's hands; returns them as that worker needs them."""
    return tx.run(movement.whole, {"rows": list(rows), **params})


# --- one statement ---------------------------------------------------------------------------------------------


def _build(movement: Movement, script: Script, *, alone: bool) -> None:
    mine = _chosen(movement, script)
    events: list[sa.Select[Any]] = []
    answer: list[sa.Select[Any]] = [overtaken_rows(mine)] if movement.removes else []
    if not movement.ends:
        done = _update(movement, script, mine, *unless_any(answer))
    else:
        kids = dependents.lock_children(script, _parents(mine))
        answer.append(overtaken_rows(kids))
        unless = unless_any([*answer, dependents.deeper(kids)] if alone else answer)
        done = _update(movement, script, mine, *unless)
        freed = dependents.move_children(script, kids, *unless)
        events, followed = dependents.follow_children(script, kids, freed)
        last, pipes = dependents.end_pipelines(script, [dependents.ended_rows(done), dependents.ended_rows(freed)])
        events += last
        answer += [*followed, dependents.deeper(kids), pipes]
    answer += hangings.follow(movement.moves, script, mine, done)
    write_facts(script, [*_facts(movement, mine, done), *events])
    if movement.jobs:
        script.answer(sa.select(*(done.c[name] for name in JOB)))
    else:
        script.answer(sa.union_all(moved_rows(MOVED, done), *answer))


def overtaken_rows(locked: FromClause) -> sa.Select[Any]:
    """The rows that moved before they could be locked."""
    return answered(OVERTAKEN, locked, id=locked.c.id).where(locked.c.overtaken)


def unless_any(answers: Iterable[sa.Select[Any]]) -> list[ColumnElement[bool]]:
    """Nothing moves if there is such an answer."""
    return [sa.not_(sa.exists(answer)) for answer in answers]


def _chosen(movement: Movement, script: Script) -> FromClause:
    if movement.claims:
        return script.few("mine", movement.claims(script), was=word(Status.READY), target=word(Status.CLAIMED))
    rows = _rows(movement, script)
    return script.step("mine", _mine(movement, rows, _held(movement, script, rows)))


def _rows(movement: Movement, script: Script) -> FromClause:
    if movement.picks:
        return script.few("rows", movement.picks())
    return script.given("rows", {"id": Id(), **movement.brings})


def _held(movement: Movement, script: Script, rows: FromClause) -> FromClause | None:
    """Locks the pipelines first, unless only the holder of a lease or a claim is at work: those rows have no rivals
    that hold a pipeline and wait for them, and they are the hot path."""
    if not movement.ends and all(move.proof in (Proof.LEASE, Proof.DUE) for move in movement.moves):
        return None
    return locked_pipelines(script, sa.select(E.c.pipeline_execution_id).join(rows, rows.c.id == E.c.id))


def _mine(movement: Movement, rows: FromClause, held: FromClause | None) -> sa.Select[Any]:
    """The rows that may move, locked by id, each with where it goes."""
    due = any(move.proof is Proof.DUE for move in movement.moves)
    cases = movement.cases(rows)
    allowed = [allowed_by(case, rows) for case in cases]
    source = E.join(rows, rows.c.id == E.c.id)
    if due:
        source = source.join(O, O.c.task_execution_id == E.c.id).outerjoin(P, P.c.id == E.c.pipeline_execution_id)
    return (
        sa.select(*_shape(movement, cases, allowed, rows))
        .select_from(source)
        .where(sa.or_(*allowed), *([after(held)] if held is not None else []))
        .order_by(E.c.id)
        .with_for_update(key_share=True, of=[E, O] if due else E)
    )


def _shape(movement: Movement, cases: Sequence[Case], allowed: Sequence[Any], rows: FromClause) -> list[Any]:
    targets = [word(case.move.target) for case in cases]
    target = targets[0] if len(cases) == 1 else sa.case(*zip(allowed, targets, strict=True))
    brought = [rows.c[name].label(name) for name in movement.brings if name != "lease"]
    shape = [E.c.id, E.c.status.label("was"), target.label("target"), *brought]
    return [*shape, overtaken(E).label("overtaken")] if movement.removes else shape


def _parents(mine: FromClause) -> FromClause:
    kind = dependents.kind_of(mine.c.target).label("kind")
    return sa.select(mine.c.id, kind).where(among(mine.c.target, TASK.ends)).subquery("parents")


def _update(movement: Movement, script: Script, mine: FromClause, *unless: Any) -> FromClause:
    sources = dict.fromkeys(source for move in movement.moves for source in move.sources)
    update = (
        sa.update(E)
        .where(E.c.id == mine.c.id, among(E.c.status, sources), *unless)
        .values(**_values(movement, mine))
        .returning(*returned(E, *(JOB if movement.jobs else RETURNED)))
    )
    return script.step("done", update)


def _values(movement: Movement, mine: FromClause) -> dict[str, Any]:
    """What the update sets: the state and what follows from it, then what the verb writes besides."""
    moves = movement.moves
    steps = chosen_by(mine.c.target, {m.target: sa.literal_column(str(len(m.events))) for m in moves}, None)
    values = {"status": mine.c.target, "version": E.c.version + steps, "updated_at": at(E)}
    by_column: dict[str, dict[str, Any]] = {}
    for case in movement.cases(mine):
        for column, value in {**_consequences(case.move), **case.writes}.items():
            by_column.setdefault(column, {})[case.move.target] = value
    for column, cases in by_column.items():
        values[column] = chosen_by(mine.c.target, cases, None if len(cases) == len(moves) == 1 else E.c[column])
    return values


def _consequences(move: Move) -> dict[str, Any]:
    """What every move into or out of such a state does to the row."""
    values: dict[str, Any] = {}
    if set(move.sources) & set(TASK.held) and move.target not in TASK.held:
        values |= {"lease": sa.null(), "lease_expires_at": sa.null()}
        if move.target == Status.READY:
            values["started_at"] = sa.null()
    if move.target in TASK.ends:
        values["completed_at"] = at(E)
    return values


def _facts(movement: Movement, mine: FromClause, done: FromClause) -> list[sa.Select[Any]]:
    columns: dict[str, Any] = {}
    if any(move.proof is not Proof.NONE for move in movement.moves):
        columns["worker_id"] = done.c.worker_id
    if "data" in movement.brings:
        columns |= {"joined": done.join(mine, mine.c.id == done.c.id), "event_data": mine.c.data}
    return facts(movement.moves, done, **columns)


def _cascade(script: Script) -> None:
    parents = script.given("rows", {"id": Id(), "kind": sa.Text()})
    kids = dependents.lock_children(script, parents)
    late = overtaken_rows(kids)
    freed = dependents.move_children(script, kids, *unless_any([late]))
    events, answer = dependents.follow_children(script, kids, freed)
    last, pipes = dependents.end_pipelines(script, [dependents.ended_rows(freed)])
    write_facts(script, [*events, *last])
    script.answer(sa.union_all(late, *answer, dependents.deeper(kids), pipes))


CASCADE = Statement(_cascade)
