"""How executions come to be: rows, edges, events and doorbells, in one statement whatever their number."""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from penstock.dal.dialect import Id, Script, Statement
from penstock.dal.ledger.effects import MOVED, Effects, bell_rows, moved_rows
from penstock.dal.ledger.effects import PIPELINE as PIPELINE_ROW
from penstock.dal.ledger.pieces import (
    ACTOR,
    NOW,
    RETURNED,
    D,
    E,
    P,
    facts,
    pipeline_facts,
    put_up_bells,
    returned,
    word,
    write_facts,
)
from penstock.dal.store import Tx
from penstock.domain.lifecycle import PIPELINE, TASK, PipelineStatus, Status

BROUGHT = (
    "id", "pipeline_execution_id", "task_id", "name", "sequence", "task_type", "queue", "config", "metadata", "workspace_path",
    "priority", "max_attempts", "retry", "timeout_seconds", "requires_approval", "trigger_rule", "failure_handled", "waiting_on",
    "resume_at", "retry_of", "traceparent",
)  # fmt: skip
PIPELINE_BROUGHT = ("id", "workflow_id", "workflow_version", "name", "input", "unfinished", "retry_of", "traceparent")


def enter(
    tx: Tx,
    tasks: Sequence[Mapping[str, Any]],
    pipelines: Sequence[Mapping[str, Any]] = (),
    edges: Sequence[Mapping[str, Any]] = (),
) -> Effects:
    """Writes new executions; those that wait for nothing are ready at once."""
    effects = Effects()
    values = {"rows": tasks, "pipelines": pipelines, "edges": edges, "ring_from": tx.now + tx.ring_grace}
    effects.add(tx.run(SUBMIT if pipelines else CREATE, values))
    return effects


def _tasks(script: Script) -> tuple[list[sa.Select[Any]], list[sa.Select[Any]]]:
    rows = script.given("rows", {name: E.c[name].type for name in BROUGHT})
    waits = sa.or_(rows.c.waiting_on > sa.literal_column("0"), rows.c.requires_approval)
    pending, ready = TASK.of("create")
    born: dict[str, Any] = {
        "status": sa.case((waits, word(Status.PENDING)), else_=word(Status.READY)),
        "version": sa.case(
            (waits, sa.literal_column(str(len(pending.events)))), else_=sa.literal_column(str(len(ready.events)))
        ),
        "created_by": ACTOR,
        "created_at": NOW,
        "updated_at": NOW,
    }
    columns = [*(rows.c[name] for name in BROUGHT), *(value.label(name) for name, value in born.items())]
    insert = sa.insert(E).from_select([*BROUGHT, *born], sa.select(*columns))
    new = script.step("done", insert.returning(*returned(E, *RETURNED)))
    bells = put_up_bells(script, "bells", new, new.c.status == word(Status.READY))
    return facts((pending, ready), new), [moved_rows(MOVED, new), bell_rows(bells)]


def _create(script: Script) -> None:
    events, answer = _tasks(script)
    write_facts(script, events)
    script.answer(sa.union_all(*answer))


def _submit(script: Script) -> None:
    given = script.given("pipelines", {name: P.c[name].type for name in PIPELINE_BROUGHT})
    born: dict[str, Any] = {
        "status": word(PipelineStatus.RUNNING),
        "created_by": ACTOR,
        "created_at": NOW,
        "updated_at": NOW,
        "started_at": NOW,
        "version": sa.literal_column("1"),
    }
    columns = [*(given.c[name] for name in PIPELINE_BROUGHT), *(value.label(name) for name, value in born.items())]
    insert = sa.insert(P).from_select([*PIPELINE_BROUGHT, *born], sa.select(*columns))
    pipes = script.step("pipes", insert.returning(*returned(P, "id", "status", "version", "updated_at")))
    events, answer = _tasks(script)
    edges = script.given("edges", {"parent_id": Id(), "child_id": Id()})
    script.step(
        "edges_in", sa.insert(D).from_select(["parent_id", "child_id"], sa.select(edges.c.parent_id, edges.c.child_id))
    )
    write_facts(script, [*pipeline_facts(pipes, PIPELINE.of("start")), *events])
    script.answer(sa.union_all(*answer, moved_rows(PIPELINE_ROW, pipes)))


CREATE = Statement(_create)
SUBMIT = Statement(_submit)
