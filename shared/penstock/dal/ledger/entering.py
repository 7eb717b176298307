"""How executions come to be: rows, edges, events and doorbells, in one statement whatever their number."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import sqlalchemy as sa

from penstock.dal.dialect import Id, Instant, Script, Statement
from penstock.dal.ledger.effects import MOVED, Effects, bell_rows, moved_rows
from penstock.dal.ledger.effects import PIPELINE as PIPELINE_ROW
from penstock.dal.ledger.pieces import (
    ACTOR,
    NOW,
    RETURNED,
    D,
    E,
    P,
    among,
    fact,
    pipeline_facts,
    put_up_bells,
    returned,
    word,
    write_facts,
)
from penstock.dal.store import Tx
from penstock.domain.lifecycle import PIPELINE, TASK, Move, PipelineStatus, Status
from penstock.domain.pipelines import TriggerRule

BROUGHT = (
    "id", "pipeline_execution_id", "task_id", "name", "sequence", "task_type", "queue", "config", "metadata", "workspace_path",
    "priority", "max_attempts", "retry", "timeout_seconds", "requires_approval", "trigger_rule", "failure_handled", "waiting_on",
    "resume_at", "retry_of", "traceparent",
)  # fmt: skip
CREATED, CREATED_READY = TASK.of("create")
# What an execution has that belongs to no pipeline.
ALONE: dict[str, Any] = {
    "pipeline_execution_id": sa.cast(sa.null(), Id()),
    "sequence": sa.literal_column("0", sa.Integer()),
    "trigger_rule": word(TriggerRule.ALL_SUCCESS),
    "failure_handled": sa.false(),
    "waiting_on": sa.literal_column("0", sa.Integer()),
}
PIPELINE_BROUGHT = ("id", "workflow_id", "workflow_version", "name", "input", "unfinished", "retry_of", "traceparent")


def enter(
    tx: Tx,
    tasks: Sequence[Mapping[str, Any]],
    pipelines: Sequence[Mapping[str, Any]] = (),
    edges: Sequence[Mapping[str, Any]] = (),
) -> Effects:
    """Writes new executions, and answers in their order; those that wait for nothing are ready at once."""
    effects = Effects()
    values = {"rows": tasks, "pipelines": pipelines, "edges": edges, "ring_from": tx.now + tx.ring_grace}
    effects.add(tx.run(SUBMIT if pipelines else CREATE, values))
    places = {task["id"]: place for place, task in enumerate(tasks)}
    effects.moved.sort(key=lambda moved: places[moved.id])
    return effects


def enter_again(tx: Tx, rows: Sequence[Mapping[str, Any]]) -> Effects:
    """Writes what has ended once more, each under a new id: alone, and as if nothing had happened to it."""
    effects = Effects()
    effects.add(tx.run(CREATE_AGAIN, {"rows": rows, "ring_from": tx.now + tx.ring_grace}))
    return effects


def _steps(script: Script) -> sa.FromClause:
    return script.given("rows", {name: E.c[name].type for name in BROUGHT})


def _singles(script: Script) -> sa.FromClause:
    given = script.given("rows", {name: E.c[name].type for name in BROUGHT if name not in ALONE})
    return sa.select(*((ALONE[name] if name in ALONE else given.c[name]).label(name) for name in BROUGHT)).subquery(
        "singles"
    )


def _ended(script: Script) -> sa.FromClause:
    """What has ended, as it would be brought."""
    given = script.given("rows", {"id": Id(), "retry_of": Id()})
    fresh = ALONE | {"id": given.c.id, "retry_of": given.c.retry_of, "resume_at": sa.cast(sa.null(), Instant())}
    columns = [fresh.get(name, E.c[name]).label(name) for name in BROUGHT]
    ended = sa.select(*columns).join(given, given.c.retry_of == E.c.id).where(among(E.c.status, TASK.ends))
    return script.step("again", ended)


def _tasks(script: Script, rows: sa.FromClause) -> tuple[list[sa.Select[Any]], list[sa.Select[Any]]]:
    waits = sa.or_(rows.c.waiting_on > sa.literal_column("0"), rows.c.requires_approval)
    born: dict[str, Any] = {
        "status": sa.case((waits, word(Status.PENDING)), else_=word(Status.READY)),
        "version": sa.case((waits, _version_after(CREATED)), else_=_version_after(CREATED_READY)),
        "created_by": ACTOR,
        "created_at": NOW,
        "updated_at": NOW,
    }
    columns = [*(rows.c[name] for name in BROUGHT), *(value.label(name) for name, value in born.items())]
    insert = sa.insert(E).from_select([*BROUGHT, *born], sa.select(*columns))
    new = script.step("done", insert.returning(*returned(E, *RETURNED)))
    bells = put_up_bells(script, "bells", new, new.c.status == word(Status.READY))
    return _births(new), [moved_rows(MOVED, new), bell_rows(bells)]


def _births(new: sa.FromClause) -> list[sa.Select[Any]]:
    """All of them are created; those that wait for nothing are then marked ready."""
    created, marked_ready = CREATED_READY.events
    return [
        fact(new, created, CREATED.target, _version_after(CREATED)),
        fact(
            new,
            marked_ready,
            CREATED_READY.target,
            _version_after(CREATED_READY),
            (new.c.status == word(Status.READY),),
        ),
    ]


def _version_after(birth: Move) -> sa.ColumnElement[int]:
    return sa.literal_column(str(len(birth.events)))


def _create(script: Script, rows: Callable[[Script], sa.FromClause]) -> None:
    events, answer = _tasks(script, rows(script))
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
    events, answer = _tasks(script, _steps(script))
    edges = script.given("edges", {"parent_id": Id(), "child_id": Id()})
    script.step(
        "edges_in", sa.insert(D).from_select(["parent_id", "child_id"], sa.select(edges.c.parent_id, edges.c.child_id))
    )
    write_facts(script, [*pipeline_facts(pipes, PIPELINE.of("start")), *events])
    script.answer(sa.union_all(*answer, moved_rows(PIPELINE_ROW, pipes)))


CREATE = Statement(partial(_create, rows=_singles))
CREATE_AGAIN = Statement(partial(_create, rows=_ended))
SUBMIT = Statement(_submit)
