"""The table of legal moves against what the verbs do, and against what the guards let raw SQL do."""

from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from penstock.dal import executions, pipelines, schema
from penstock.dal.store import Store
from penstock.domain.lifecycle import PIPELINE, TASK, PipelineStatus, Status
from tests.acting import Clock, begin, by_hand, event_types, execution, job, only, row, rows, step
from tests.reaching import REACH, VERBS, Stage, pending, spent

EXECUTIONS, PIPELINES = schema.task_executions, schema.pipeline_executions
OUTBOX, PAUSES = schema.task_outbox, schema.pause_queue
BY_THE_LEDGER_ALONE = {"create", "make_ready", "abandon"}


def hanging(store: Store, id: Any) -> tuple[int, int]:
    """How many doorbells and pause entries an execution has."""
    return len(rows(store, OUTBOX, OUTBOX.c.task_execution_id == id)), len(
        rows(store, PAUSES, PAUSES.c.task_execution_id == id)
    )


def test_every_verb_of_the_table_is_tried() -> None:
    assert {move.verb for move in TASK.moves} == set(VERBS) | BY_THE_LEDGER_ALONE
    assert set(TASK.states) == set(REACH)


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_moves_what_it_may_and_nothing_else(store: Store, clock: Clock, verb: str) -> None:
    for state, reach in REACH.items():
        stage = reach(store, clock)
        before, history = execution(store, stage.id), event_types(store, stage.id)
        assert state == before.status
        VERBS[verb](stage)
        after, written = execution(store, stage.id), event_types(store, stage.id)[len(history) :]
        moves = [move for move in TASK.of(verb) if state in move.sources]
        if not moves:
            assert (state, before, []) == (state, after, written)
            continue
        (move,) = [move for move in moves if move.target == after.status]
        assert (state, list(move.events)) == (state, written)
        assert before.version + len(move.events) == after.version
        assert (int(after.status == Status.READY), int(after.status == Status.PAUSED)) == hanging(store, stage.id)
        assert (after.lease is not None) == (after.status in TASK.held)
        assert (after.completed_at is not None) == (after.status in TASK.ends)


@pytest.mark.parametrize("verb", sorted(set(VERBS) - {"recover"}))
def test_a_refusal_says_the_state_and_what_would_be_legal(store: Store, clock: Clock, verb: str) -> None:
    for state, reach in REACH.items():
        stage = reach(store, clock)
        refused = store.alone(executions.refusals, verb, [stage.lease])
        if any(state in move.sources for move in TASK.of(verb)):
            assert [] == refused
            continue
        assert f"cannot {verb}: it is {state}; from {state} " in refused[0].reason
        assert TASK.legal_from(state) == refused[0].legal


def test_what_was_taken_back_too_often_is_abandoned(store: Store, clock: Clock) -> None:
    stage = spent(store, clock)
    VERBS["recover"](stage)
    assert Status.FAILED == execution(store, stage.id).status
    assert "TaskAbandoned" == event_types(store, stage.id)[-1]


def test_a_claim_that_is_taken_back_costs_no_recovery(store: Store, clock: Clock) -> None:
    stage = REACH[Status.CLAIMED](store, clock)
    VERBS["recover"](stage)
    assert 0 == execution(store, stage.id).recoveries


def test_resuming_leads_to_where_it_would_be_by_now(store: Store, clock: Clock) -> None:
    graph = [step("parent"), step("asked", "parent", requires_approval=True), step("plain", "parent")]
    started = store.alone(pipelines.start, pipelines.NewPipeline("p", graph))
    by_name = {execution(store, moved.id).name: moved.id for moved in started.moved}
    children = [by_name["asked"], by_name["plain"]]
    store.alone(executions.approve, [by_name["asked"]])
    store.alone(executions.pause, children)
    resumed = store.alone(executions.resume, children)
    assert {Status.APPROVED, Status.PENDING} == {moved.status for moved in resumed.moved}
    store.alone(executions.pause, children)
    (parent,) = begin(store, by_name["parent"])
    assert [] == store.alone(executions.complete, parent).children
    resumed = store.alone(executions.resume, children)
    assert [Status.READY] * 2 == [moved.status for moved in resumed.moved]


def test_approving_what_waits_for_nothing_makes_it_ready(store: Store, clock: Clock) -> None:
    stage = pending(store, clock)
    VERBS["approve"](stage)
    approved = execution(store, stage.id)
    assert (Status.READY, "tester", clock.now) == (approved.status, approved.approved_by, approved.approved_at)


def test_a_pause_keeps_the_time_before_which_a_retry_may_not_begin(store: Store, clock: Clock) -> None:
    stage = REACH[Status.RUNNING](store, clock)
    VERBS["schedule_retry"](stage)
    due = rows(store, OUTBOX)[0].available_at
    VERBS["pause"](stage)
    VERBS["resume"](stage)
    assert due == rows(store, OUTBOX)[0].available_at


# --- past the ledger ---------------------------------------------------------------------------------------------


def raw_values(new: str, clock: Clock) -> dict[str, Any]:
    """What a careful writer past the ledger would set, so that no CHECK is in the way of the guard."""
    held, ended = new in TASK.held, new in TASK.ends
    return {
        "status": new,
        "version": EXECUTIONS.c.version + 1,
        "lease": uuid4() if held else None,
        "lease_expires_at": clock.now if held else None,
        "completed_at": clock.now if ended else None,
        "resume_at": clock.now,
        "waiting_on": 0,
        "approved_at": clock.now,
    }


def attempt(store: Store, statement: Any) -> bool:
    """Whether the guards let it pass; a refusal is an integrity error with both drivers."""
    try:
        with by_hand(store) as connection:
            connection.execute(statement)
    except IntegrityError:
        return False
    return True


@pytest.mark.parametrize("old", REACH)
def test_the_guard_lets_raw_sql_do_what_the_table_allows(store: Store, clock: Clock, old: Status) -> None:
    for new in TASK.states:
        if new == old:
            continue
        id = REACH[old](store, clock).id
        passed = attempt(store, sa.update(EXECUTIONS).where(EXECUTIONS.c.id == id).values(**raw_values(new, clock)))
        assert ((old, new), (old, new) in TASK.pairs) == ((old, new), passed)


@pytest.mark.parametrize("end", TASK.ends)
def test_no_column_of_what_has_ended_can_be_changed(store: Store, clock: Clock, end: Status) -> None:
    stage = REACH[end](store, clock)
    before = execution(store, stage.id)
    for column in EXECUTIONS.c:
        other = sa.text("'2200-01-01T00:00:00.000000Z'") if "INSTANT" in repr(column.type).upper() else sa.null()
        assert not attempt(
            store, sa.update(EXECUTIONS).where(EXECUTIONS.c.id == stage.id).values({column.name: other})
        ), column.name
    assert before == execution(store, stage.id)


def test_a_move_past_the_ledger_needs_a_new_version(store: Store, clock: Clock) -> None:
    id = REACH[Status.READY](store, clock).id
    values = {**raw_values(Status.PAUSED, clock), "version": EXECUTIONS.c.version}
    assert not attempt(store, sa.update(EXECUTIONS).where(EXECUTIONS.c.id == id).values(**values))


# --- pipelines ---------------------------------------------------------------------------------------------------


def pipeline_in(store: Store, state: PipelineStatus) -> Any:
    """A pipeline of one task, brought into a state by the verbs."""
    started = store.alone(pipelines.start, pipelines.NewPipeline("p", [step("a")]))
    id = started.pipelines[0].id
    if state in (PipelineStatus.COMPLETED, PipelineStatus.FAILED):
        (held,) = begin(store, only(started))
        VERBS["complete" if state == PipelineStatus.COMPLETED else "fail"](Stage(store, Clock(), held.id, held))
    elif state == PipelineStatus.PAUSED:
        store.alone(pipelines.pause, [id], reason="lunch")
    elif state == PipelineStatus.CANCELLED:
        store.alone(pipelines.cancel, [id])
    return id


@pytest.mark.parametrize("verb", ["pause", "resume", "cancel"])
def test_a_verb_moves_the_pipelines_it_may(store: Store, verb: str) -> None:
    apply: Any = getattr(pipelines, verb)
    (move,) = PIPELINE.of(verb)
    for state in PipelineStatus:
        id = pipeline_in(store, state)
        before = row(store, schema.pipeline_executions, id)
        assert state == before.status
        moved = store.alone(apply, [id]).pipelines
        after = row(store, schema.pipeline_executions, id)
        if state in move.sources:
            assert [(move.target, before.version + 1)] == [(m.status, m.version) for m in moved]
            assert move.target == after.status
        else:
            assert (before, []) == (after, moved)


@pytest.mark.parametrize("old", PipelineStatus)
def test_the_guard_lets_raw_sql_move_pipelines_as_the_table_allows(
    store: Store, clock: Clock, old: PipelineStatus
) -> None:
    for new in PipelineStatus:
        if new == old:
            continue
        id = pipeline_in(store, old)
        ended = clock.now if new in PIPELINE.ends else None
        values = {"status": new, "version": PIPELINES.c.version + 1, "completed_at": ended, "unfinished": 0}
        passed = attempt(store, sa.update(PIPELINES).where(PIPELINES.c.id == id).values(**values))
        assert ((old, new), (old, new) in PIPELINE.pairs) == ((old, new), passed)


def test_cancelling_a_pipeline_ends_everything_in_it(store: Store) -> None:
    graph = [step("a"), step("b", "a"), step("c", requires_approval=True), step("d")]
    started = store.alone(pipelines.start, pipelines.NewPipeline("p", graph))
    by_name = {execution(store, moved.id).name: moved.id for moved in started.moved}
    (lost,) = begin(store, by_name["a"])
    store.alone(executions.pause, [by_name["d"]])
    cancelled = store.alone(pipelines.cancel, [started.pipelines[0].id], reason="enough")
    assert 4 == len(cancelled.moved)
    assert ([], []) == (rows(store, OUTBOX), rows(store, PAUSES))
    assert [] == store.alone(executions.complete, lost).moved
    assert {Status.CANCELLED} == {task.status for task in rows(store, EXECUTIONS)}


def test_a_job_and_its_retry_are_linked(store: Store) -> None:
    first = only(store.alone(executions.create, job()))
    store.alone(executions.cancel, [first])
    again = only(store.alone(executions.create, job(retry_of=first)))
    assert first == execution(store, again).retry_of
