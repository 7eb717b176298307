"""The verbs of a pipeline: started as a whole, paused and resumed as one, cancelled with everything in it."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from penstock.dal import schema
from penstock.dal.dialect import Ids, Query, as_json, is_one_of
from penstock.dal.effects import Effects, Moved
from penstock.dal.executions.create import row
from penstock.dal.executions.refusals import Version
from penstock.dal.ledger.verb import Verb
from penstock.dal.store import Tx
from penstock.domain import limits
from penstock.domain.errors import NotFound, NotMoved, Refusal, VersionChanged
from penstock.domain.lifecycle import PIPELINE
from penstock.domain.pipelines import NewPipeline, Step

__all__ = ["NewPipeline", "cancel", "expect", "must_move", "pause", "refusals", "resume", "start"]

P = schema.pipeline_executions
START, PAUSE = Verb("start_pipelines", Moved), Verb("pause_pipelines", Moved)
RESUME, CANCEL = Verb("resume_pipelines", Moved), Verb("cancel_pipelines", Moved)
HOLD_PIPELINE = Verb("hold_pipeline", Version)
STATES = Query(sa.select(P.c.id, P.c.status).where(is_one_of(P.c.id, sa.bindparam("ids", type_=Ids()))))


def start(tx: Tx, *wanted: NewPipeline) -> Effects:
    """Starts pipelines with all their steps, and answers in their order; the steps without parents are ready."""
    limits.few("pipelines", [step for pipeline in wanted for step in pipeline.steps], limits.BATCH)
    pipelines: list[dict[str, Any]] = []
    steps: list[dict[str, Any]] = []
    edges: list[dict[str, Any]] = []
    for pipeline in wanted:
        id = tx.new_id()
        ids = {step.name: tx.new_id() for step in pipeline.graph.steps}
        pipelines.append(_pipeline(pipeline, id))
        steps += [
            {**_step(pipeline, step, ids[step.name]), "pipeline_execution_id": id, "sequence": place}
            for place, step in enumerate(pipeline.graph.steps)
        ]
        edges += [
            {"parent_id": ids[parent], "child_id": ids[step.name]}
            for step in pipeline.graph.steps
            for parent in step.depends_on
        ]
    effects = tx.move(START, pipelines=as_json(pipelines), steps=as_json(steps), edges=as_json(edges))
    places = {each["id"]: place for place, each in enumerate(steps)}
    effects.moved.sort(key=lambda moved: places[moved.id])
    return effects


def pause(tx: Tx, ids: Iterable[UUID], *, reason: str | None = None) -> Effects:
    """Pauses pipelines: none of their steps is claimed any more; what runs goes on."""
    return Effects.of(tx.call(PAUSE, ids=list(dict.fromkeys(ids)), actor=tx.actor, reason=_reason(reason)))


def resume(tx: Tx, ids: Iterable[UUID]) -> Effects:
    """Resumes pipelines; the doorbells of what is due in them ring at once."""
    return Effects.of(tx.call(RESUME, ids=list(dict.fromkeys(ids)), actor=tx.actor))


def cancel(tx: Tx, ids: Iterable[UUID], *, reason: str | None = None) -> Effects:
    """Cancels pipelines, with every step that has not ended."""
    return Effects.of(tx.call(CANCEL, ids=list(dict.fromkeys(ids)), actor=tx.actor, reason=_reason(reason)))


def expect(tx: Tx, id: UUID, version: int) -> None:
    """Locks a pipeline for the verb that follows in this transaction; VersionChanged if it is not at *version* any more."""
    tx.must_span()
    found = tx.call(HOLD_PIPELINE, id=id)
    if not found:
        raise NotFound("pipeline execution", id)
    if found[0].version != version:
        raise VersionChanged(id, version, found[0].version)


def refusals(tx: Tx, verb: str, ids: Iterable[UUID]) -> list[Refusal]:
    """Why *verb* would not move these pipelines now, and what would be legal instead; none for those it would."""
    sources = {source for move in PIPELINE.of(verb) for source in move.sources}
    wanted = list(dict.fromkeys(ids))
    found = {row.id: row.status for row in tx.run(STATES, {"ids": wanted})}
    missing = f"cannot {verb}: there is no such pipeline"
    return [
        Refusal(id, verb, found[id], PIPELINE.refusal(verb, found[id]), PIPELINE.legal_from(found[id]))
        if id in found
        else Refusal(id, verb, None, missing)
        for id in wanted
        if found.get(id) not in sources
    ]


def must_move(tx: Tx, verb: str, id: UUID, effects: Effects) -> Moved:
    """The one pipeline that *verb* was meant for; NotMoved, with the reason, if it stayed."""
    if effects.pipelines:
        return effects.pipelines[0]
    raced = Refusal(id, verb, None, f"cannot {verb}: it was moved by somebody else at this moment; look again")
    raise NotMoved(next(iter(refusals(tx, verb, [id])), raced))


def _pipeline(pipeline: NewPipeline, id: UUID) -> dict[str, Any]:
    """A pipeline as the ledger reads it."""
    return {
        "id": id,
        "workflow_id": pipeline.workflow_id,
        "workflow_version": pipeline.workflow_version,
        "name": pipeline.name,
        "input": pipeline.input,
        "unfinished": len(pipeline.graph.steps),
        "retry_of": pipeline.retry_of,
        "traceparent": pipeline.traceparent,
    }


def _step(pipeline: NewPipeline, step: Step, id: UUID) -> dict[str, Any]:
    """One of its steps as the ledger reads it."""
    return {
        **row(step.task, id),
        "trigger_rule": step.trigger_rule,
        "failure_handled": step.name in pipeline.graph.handled,
        "waiting_on": len(step.depends_on),
        "traceparent": step.task.traceparent or pipeline.traceparent,
    }


def _reason(reason: str | None) -> str | None:
    return None if reason is None else limits.text("reason", reason)
