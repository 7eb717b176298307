"""What follows when executions end: children are counted down and released or skipped, pipelines end.

A child is counted down on its own row. Asking whether an unfinished parent exists would lose wake-ups: two
parents that end at once would each see the other unfinished.
"""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, FromClause

from penstock.dal.dialect import Script, document_of, later_of
from penstock.dal.ledger.effects import CHILD, DEEPER, answered, bell_rows, moved_rows
from penstock.dal.ledger.effects import PIPELINE as PIPELINE_ROW
from penstock.dal.ledger.pieces import (
    FAILURES,
    LIVE_PIPELINE,
    RETURNED,
    D,
    E,
    P,
    Q,
    after,
    among,
    at,
    facts,
    overtaken,
    pipeline_facts,
    put_up_bells,
    returned,
    take_down,
    word,
)
from penstock.domain.lifecycle import PIPELINE, TASK, PipelineStatus, Status
from penstock.domain.pipelines import TriggerRule

SUCCEEDED, FAILED, SKIPPED = "succeeded", "failed", "skipped"
WAITING = (Status.PENDING, Status.APPROVED, Status.PAUSED)
ZERO: sa.ColumnElement[int] = sa.literal_column("0", sa.Integer())
ONE: sa.ColumnElement[int] = sa.literal_column("1", sa.Integer())


def kind_of(target: ColumnElement[Any]) -> ColumnElement[str]:
    """How an end counts for the children."""
    return sa.case(
        (target == word(Status.COMPLETED), word(SUCCEEDED)),
        (among(target, FAILURES), word(FAILED)),
        else_=word(SKIPPED),
    )


def lock_children(script: Script, parents: FromClause) -> FromClause:
    """The children that still wait for one of these parents, locked by id, each with where it goes now.

    A child that ends together with its parent is none of them: it would be told twice, and so would its children.
    """
    freed = _counted(parents)
    ends_too = sa.exists().where(parents.c.id == E.c.id)
    new = {kind: E.c[f"parents_{kind}"] + freed.c[kind] for kind in (SUCCEEDED, FAILED, SKIPPED)}
    left = later_of(E.c.waiting_on - freed.c.ended, ZERO, type_=sa.Integer())
    impossible, fires = _impossible(new, left), _fires(new, left)
    target = sa.case(
        (sa.and_(E.c.waiting_on > ZERO, impossible), word(Status.SKIPPED)),
        (sa.and_(E.c.waiting_on > ZERO, fires, _may_run()), word(Status.READY)),
        else_=E.c.status,
    )
    query = (
        sa.select(
            E.c.id,
            target.label("target"),
            sa.case((fires, ZERO), else_=left).label("left"),
            *(freed.c[kind] for kind in new),
            _kind_of_skip(new).label("kind"),
            overtaken(E).label("overtaken"),
        )
        .join(freed, freed.c.child_id == E.c.id)
        .where(among(E.c.status, WAITING), sa.not_(ends_too), after(parents))
        .order_by(E.c.id)
        .with_for_update(key_share=True, of=E)
    )
    return script.step("kids", query)


def _counted(parents: FromClause) -> sa.Subquery:
    """How many parents of each child have ended now, and how. Grouped: two parents may end in one statement."""
    sums = [
        sa.func.sum(sa.case((parents.c.kind == word(kind), ONE), else_=ZERO)).cast(sa.Integer).label(kind)
        for kind in (SUCCEEDED, FAILED, SKIPPED)
    ]
    return (
        sa.select(D.c.child_id, sa.func.count().cast(sa.Integer).label("ended"), *sums)
        .join(parents, parents.c.id == D.c.parent_id)
        .group_by(D.c.child_id)
        .subquery("freed")
    )


def _by_rule(cases: dict[TriggerRule, Any], otherwise: Any) -> ColumnElement[bool]:
    return sa.case(*((E.c.trigger_rule == word(rule), value) for rule, value in cases.items()), else_=otherwise)


def _impossible(new: dict[str, Any], left: Any) -> ColumnElement[bool]:
    """Whether the rule can no longer hold, whatever the other parents do."""
    return _by_rule(
        {
            TriggerRule.ALL_SUCCESS: new[FAILED] + new[SKIPPED] > ZERO,
            TriggerRule.ONE_SUCCESS: sa.and_(left == ZERO, new[SUCCEEDED] == ZERO),
            TriggerRule.ONE_FAILED: sa.and_(left == ZERO, new[FAILED] == ZERO),
            TriggerRule.ALL_FAILED: new[SUCCEEDED] + new[SKIPPED] > ZERO,
            TriggerRule.NONE_FAILED: new[FAILED] > ZERO,
        },
        sa.false(),
    )


def _fires(new: dict[str, Any], left: Any) -> ColumnElement[bool]:
    """Whether the rule holds already."""
    early = {TriggerRule.ONE_SUCCESS: new[SUCCEEDED] > ZERO, TriggerRule.ONE_FAILED: new[FAILED] > ZERO}
    return _by_rule(early, left == ZERO)


def _kind_of_skip(new: dict[str, Any]) -> ColumnElement[str]:
    """A child that is skipped because a parent failed counts as a failure for its own children."""
    wants_success = (TriggerRule.ALL_SUCCESS, TriggerRule.ONE_SUCCESS, TriggerRule.NONE_FAILED)
    return sa.case(
        (sa.and_(among(E.c.trigger_rule, wants_success), new[FAILED] > ZERO), word(FAILED)), else_=word(SKIPPED)
    )


def _may_run() -> ColumnElement[bool]:
    """Neither paused nor waiting for approval."""
    return sa.and_(
        E.c.status != word(Status.PAUSED), sa.or_(E.c.approved_at.is_not(None), sa.not_(E.c.requires_approval))
    )


def deeper(kids: FromClause) -> sa.Select[Any]:
    """The skipped children that have children of their own: those must hear of it in the same transaction."""
    has_children = sa.exists().where(D.c.parent_id == kids.c.id)
    return answered(DEEPER, kids, id=kids.c.id, note=kids.c.kind).where(
        kids.c.target == word(Status.SKIPPED), has_children
    )


def move_children(script: Script, kids: FromClause, *unless: Any) -> FromClause:
    """Counts the children down, and moves those whose rule is decided."""
    moves = kids.c.target != E.c.status
    update = (
        sa.update(E)
        .where(E.c.id == kids.c.id, among(E.c.status, WAITING), *unless)
        .values(
            status=kids.c.target,
            version=E.c.version + sa.case((moves, ONE), else_=ZERO),
            waiting_on=kids.c.left,
            **{f"parents_{kind}": E.c[f"parents_{kind}"] + kids.c[kind] for kind in (SUCCEEDED, FAILED, SKIPPED)},
            updated_at=at(E),
            completed_at=sa.case((kids.c.target == word(Status.SKIPPED), at(E)), else_=E.c.completed_at),
        )
    )
    return script.step("freed", update.returning(*returned(E, *RETURNED)))


def follow_children(
    script: Script, kids: FromClause, freed: FromClause
) -> tuple[list[sa.Select[Any]], list[sa.Select[Any]]]:
    """The doorbells of released children; their events and the answer, as branches."""
    take_down(
        script, "unpaused_kids", Q, sa.select(freed.c.id).where(freed.c.status == word(Status.SKIPPED)).subquery()
    )
    bells = put_up_bells(script, "kid_bells", freed, freed.c.status == word(Status.READY))
    both = freed.join(kids, kids.c.id == freed.c.id)
    because = sa.case(
        (kids.c.kind == word(FAILED), document_of(sa.literal_column("""'{"because": "a parent failed"}'"""))),
        else_=document_of(sa.literal_column("""'{"because": "its trigger rule can no longer hold"}'""")),
    )
    released = (freed.c.status == word(Status.READY),)
    skipped = (freed.c.status == word(Status.SKIPPED),)
    events = [
        *_narrowed(facts(TASK.of("make_ready"), freed), released),
        *_narrowed(facts(TASK.of("skip"), freed, joined=both, event_data=because), skipped),
    ]
    moved = moved_rows(CHILD, freed).where(among(freed.c.status, (Status.READY, Status.SKIPPED)))
    return events, [moved, bell_rows(bells)]


def _narrowed(branches: Sequence[sa.Select[Any]], where: Sequence[Any]) -> list[sa.Select[Any]]:
    return [branch.where(*where) for branch in branches]


def end_pipelines(script: Script, ended: Sequence[sa.Select[Any]]) -> tuple[list[sa.Select[Any]], sa.Select[Any]]:
    """Counts pipelines down by what has ended in them; the last task ends its pipeline. Events and answer, as branches."""
    rows = sa.union_all(*ended).subquery("ended")
    tally = (
        sa.select(
            rows.c.pipeline_execution_id,
            sa.func.count().cast(sa.Integer).label("n"),
            sa.func.sum(rows.c.bad).cast(sa.Integer).label("bad"),
        )
        .where(rows.c.pipeline_execution_id.is_not(None))
        .group_by(rows.c.pipeline_execution_id)
        .subquery("tally")
    )
    last = P.c.unfinished == tally.c.n
    result = sa.case(
        (P.c.failed + tally.c.bad > ZERO, word(PipelineStatus.FAILED)), else_=word(PipelineStatus.COMPLETED)
    )
    update = (
        sa.update(P)
        .where(P.c.id == tally.c.pipeline_execution_id, among(P.c.status, LIVE_PIPELINE))
        .values(
            status=sa.case((last, result), else_=P.c.status),
            version=P.c.version + sa.case((last, ONE), else_=ZERO),
            unfinished=P.c.unfinished - tally.c.n,
            failed=P.c.failed + tally.c.bad,
            updated_at=at(P),
            completed_at=sa.case((last, at(P)), else_=P.c.completed_at),
        )
    )
    pipes = script.step("pipes", update.returning(*returned(P, "id", "status", "version", "updated_at", "unfinished")))
    events = pipeline_facts(pipes, PIPELINE.of("complete", "fail"))
    return events, moved_rows(PIPELINE_ROW, pipes).where(pipes.c.unfinished == ZERO)


def ended_rows(source: FromClause) -> sa.Select[Any]:
    """What has ended, and whether nobody handles that it failed."""
    bad = sa.case((sa.and_(among(source.c.status, FAILURES), sa.not_(source.c.failure_handled)), ONE), else_=ZERO)
    return sa.select(source.c.pipeline_execution_id, bad.label("bad")).where(among(source.c.status, TASK.ends))
