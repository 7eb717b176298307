"""The verbs of a pipeline: submitted whole, paused and resumed as one, cancelled with everything in it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from penstock.dal import executions
from penstock.dal.dialect import Id, Script, Statement
from penstock.dal.ledger import Effects, Moved, cancel_pipelines, enter, move_pipelines
from penstock.dal.ledger.pieces import P
from penstock.dal.store import Tx
from penstock.domain import limits, trace
from penstock.domain.errors import NotFound, NotMoved, Refusal, VersionChanged
from penstock.domain.lifecycle import PIPELINE
from penstock.domain.pipelines import Graph, Step


@dataclass(frozen=True, slots=True)
class NewPipeline:
    """A pipeline that is wanted: a name and a checked graph."""

    name: str
    steps: Sequence[Step]
    input: Mapping[str, Any] = field(default_factory=dict)
    workflow_id: UUID | None = None
    workflow_version: int | None = None
    retry_of: UUID | None = None
    traceparent: str | None = None
    graph: Graph = field(init=False)

    def __post_init__(self) -> None:
        limits.name("name", self.name)
        limits.payload("input", self.input)
        if self.traceparent is not None:
            object.__setattr__(self, "traceparent", trace.traceparent("traceparent", self.traceparent))
        object.__setattr__(self, "graph", Graph.of(self.steps))


def start(tx: Tx, *wanted: NewPipeline) -> Effects:
    """Writes pipelines with all their tasks and edges; the tasks without parents are ready."""
    limits.few("pipelines", [step for pipeline in wanted for step in pipeline.steps], limits.BATCH)
    rows: list[dict[str, Any]] = []
    tasks: list[dict[str, Any]] = []
    edges: list[dict[str, Any]] = []
    for pipeline in wanted:
        rows.append(_row(tx, pipeline))
        ids = {step.name: tx.new_id() for step in pipeline.graph.steps}
        of_all = {"pipeline_execution_id": rows[-1]["id"]}
        tasks += [
            {**_task(tx, pipeline, step), **of_all, "id": ids[step.name], "sequence": place}
            for place, step in enumerate(pipeline.graph.steps)
        ]
        edges += [
            {"parent_id": ids[p], "child_id": ids[step.name]} for step in pipeline.graph.steps for p in step.depends_on
        ]
    return enter(tx, tasks, rows, edges)


def _row(tx: Tx, pipeline: NewPipeline) -> dict[str, Any]:
    return {
        "id": tx.new_id(),
        "workflow_id": pipeline.workflow_id,
        "workflow_version": pipeline.workflow_version,
        "name": pipeline.name,
        "input": pipeline.input,
        "unfinished": len(pipeline.graph.steps),
        "retry_of": pipeline.retry_of,
        "traceparent": pipeline.traceparent,
    }


def _task(tx: Tx, pipeline: NewPipeline, step: Step) -> dict[str, Any]:
    return {
        **executions.row(tx, step.task),
        "trigger_rule": step.trigger_rule,
        "failure_handled": step.name in pipeline.graph.handled,
        "waiting_on": len(step.depends_on),
        "traceparent": step.task.traceparent or pipeline.traceparent,
    }


def pause(tx: Tx, ids: Iterable[UUID], *, reason: str | None = None) -> Effects:
    """Nothing of it is claimed any more; what runs goes on."""
    return move_pipelines(tx, "pause", _rows(ids, reason))


def resume(tx: Tx, ids: Iterable[UUID]) -> Effects:
    """It goes on, and what is due in it is rung at once."""
    return move_pipelines(tx, "resume", _rows(ids, None))


def cancel(tx: Tx, ids: Iterable[UUID], *, reason: str | None = None) -> Effects:
    """Ends it, and everything in it that has not ended."""
    return cancel_pipelines(tx, _rows(ids, reason))


def _rows(ids: Iterable[UUID], reason: str | None) -> list[dict[str, Any]]:
    data = {} if reason is None else {"reason": limits.text("reason", reason)}
    return [{"id": each, "reason": reason, "data": data} for each in dict.fromkeys(ids)]


# --- where it stands ---------------------------------------------------------------------------------------------


def _standing(script: Script) -> None:
    rows = script.given("rows", {"id": Id()})
    script.answer(sa.select(P.c.id, P.c.status).join(rows, rows.c.id == P.c.id))


def _expected(script: Script) -> None:
    found = sa.select(P.c.version).where(P.c.id == sa.bindparam("id", type_=Id())).with_for_update(key_share=True)
    script.answer(sa.select(*script.step("found", found).c))


STANDING = Statement(_standing)
EXPECTED = Statement(_expected)


def expect(tx: Tx, id: UUID, version: int) -> None:
    """Holds a pipeline as the caller has read it, for the verb that follows in this transaction."""
    tx.must_span()
    found = tx.run(EXPECTED, {"id": id})
    if not found:
        raise NotFound("pipeline execution", id)
    if found[0].version != version:
        raise VersionChanged(id, version, found[0].version)


def refusals(tx: Tx, verb: str, ids: Iterable[UUID]) -> list[Refusal]:
    """Why *verb* would not move these pipelines now, and what would be legal instead; none for those it would."""
    sources = {source for move in PIPELINE.of(verb) for source in move.sources}
    wanted = list(dict.fromkeys(ids))
    found = {row.id: row.status for row in tx.run(STANDING, {"rows": [{"id": id} for id in wanted]})}
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
