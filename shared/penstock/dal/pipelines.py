"""The verbs of a pipeline: submitted whole, paused and resumed as one, cancelled with everything in it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from penstock.dal import executions
from penstock.dal.ledger import Effects, cancel_pipelines, enter, move_pipelines
from penstock.dal.store import Tx
from penstock.domain import limits
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
