"""The moves that begin with a pipeline. Pausing and resuming change the pipeline only; cancelling takes its tasks along."""

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any

import sqlalchemy as sa

from penstock.dal.dialect import Id, Json, Script, Statement
from penstock.dal.ledger.effects import MOVED, Effects, moved_rows
from penstock.dal.ledger.effects import PIPELINE as PIPELINE_ROW
from penstock.dal.ledger.moving import overtaken_rows, steady, unless_any
from penstock.dal.ledger.pieces import (
    NOW,
    RETURNED,
    E,
    O,
    P,
    Q,
    after,
    among,
    at,
    facts,
    overtaken,
    pipeline_facts,
    returned,
    take_down,
    word,
    write_facts,
)
from penstock.dal.store import Tx
from penstock.domain.lifecycle import PIPELINE, TASK

GIVEN: dict[str, Any] = {"id": Id(), "reason": sa.Text(), "data": Json}


def move_pipelines(tx: Tx, verb: str, rows: Iterable[Mapping[str, Any]]) -> Effects:
    """Pauses or resumes pipelines."""
    return _run(tx, _switching(verb), rows)


def cancel_pipelines(tx: Tx, rows: Iterable[Mapping[str, Any]]) -> Effects:
    """Cancels pipelines with all of their tasks that have not ended."""
    return _run(tx, CANCEL, rows)


def _run(tx: Tx, statement: Statement, rows: Iterable[Mapping[str, Any]]) -> Effects:
    effects = Effects()
    effects.add(steady(tx, statement, {"rows": list(rows)}))
    return effects


WRITES: Mapping[str, Callable[[Any], dict[str, Any]]] = {
    "pause": lambda held: {"pause_reason": held.c.reason, "paused_at": at(P)},
    "resume": lambda _held: {"pause_reason": sa.null(), "paused_at": sa.null()},
    "cancel": lambda held: {"completed_at": at(P), "unfinished": sa.literal_column("0"), "error": held.c.reason},
}


@cache
def _switching(verb: str) -> Statement:
    def build(script: Script) -> None:
        held = _hold(script, verb)
        done = _switch(script, verb, held)
        if verb == "resume":
            _ring_now(script, done)
        write_facts(script, _events(verb, held, done))
        script.answer(moved_rows(PIPELINE_ROW, done))

    return Statement(build)


def _cancel(script: Script) -> None:
    held = _hold(script, "cancel")
    live = tuple(dict.fromkeys(source for move in TASK.of("cancel") for source in move.sources))
    mine = script.step(
        "mine",
        sa.select(E.c.id, overtaken(E).label("overtaken"))
        .where(E.c.pipeline_execution_id.in_(sa.select(held.c.id)), among(E.c.status, live), after(held))
        .order_by(E.c.id)
        .with_for_update(key_share=True, of=E),
    )
    (cancel,) = TASK.of("cancel")
    late = overtaken_rows(mine)
    unless = unless_any([late])
    update = (
        sa.update(E)
        .where(E.c.id == mine.c.id, among(E.c.status, live), *unless)
        .values(
            status=word(cancel.target),
            version=E.c.version + sa.literal_column("1"),
            updated_at=at(E),
            completed_at=at(E),
            lease=sa.null(),
            lease_expires_at=sa.null(),
        )
    )
    tasks = script.step("tasks", update.returning(*returned(E, *RETURNED)))
    take_down(script, "gone", O, tasks)
    take_down(script, "unpaused", Q, tasks)
    done = _switch(script, "cancel", held, *unless)
    write_facts(script, [*facts((cancel,), tasks), *_events("cancel", held, done)])
    script.answer(sa.union_all(late, moved_rows(MOVED, tasks), moved_rows(PIPELINE_ROW, done)))


def _hold(script: Script, verb: str) -> sa.FromClause:
    given = script.given("rows", GIVEN)
    (move,) = PIPELINE.of(verb)
    return script.step(
        "held",
        sa.select(P.c.id, given.c.reason, given.c.data)
        .join(given, given.c.id == P.c.id)
        .where(among(P.c.status, move.sources))
        .order_by(P.c.id)
        .with_for_update(key_share=True, of=P),
    )


def _switch(script: Script, verb: str, held: sa.FromClause, *unless: Any) -> sa.FromClause:
    (move,) = PIPELINE.of(verb)
    update = (
        sa.update(P)
        .where(P.c.id == held.c.id, among(P.c.status, move.sources), *unless)
        .values(
            status=word(move.target),
            version=P.c.version + sa.literal_column("1"),
            updated_at=at(P),
            **WRITES[verb](held),
        )
    )
    return script.step("done", update.returning(*returned(P, "id", "status", "version", "updated_at")))


def _ring_now(script: Script, done: sa.FromClause) -> None:
    """While it was paused nobody rang: what is due rings now."""
    ready = sa.select(E.c.id).join(done, done.c.id == E.c.pipeline_execution_id).where(E.c.status == word("ready"))
    theirs = script.step("theirs", ready.order_by(E.c.id).with_for_update(key_share=True, of=E))
    due = sa.and_(O.c.task_execution_id == theirs.c.id, O.c.available_at <= NOW)
    script.step("rung", sa.update(O).where(due).values(ring_at=NOW))


def _events(verb: str, held: sa.FromClause, done: sa.FromClause) -> list[sa.Select[Any]]:
    both = done.join(held, held.c.id == done.c.id)
    return pipeline_facts(done, PIPELINE.of(verb), joined=both, event_data=held.c.data)


CANCEL = Statement(_cancel)
