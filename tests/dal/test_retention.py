"""Retention: bounded, whole, on the record, and never what lives or is held."""

import hashlib
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from penstock.dal import events, executions, pipelines, retention, schema
from penstock.dal.store import Store
from penstock.domain.errors import InvalidInput
from tests.acting import MINUTE, Clock, begin, by_hand, job, only, rows, step

DAY = timedelta(days=1)


def finish_job(store: Store) -> None:
    (running,) = begin(store, only(store.alone(executions.create, job())))
    store.alone(executions.complete, running)


def finish_pipeline(store: Store) -> None:
    started = store.alone(pipelines.start, pipelines.NewPipeline("p", [step("a"), step("b", "a")]))
    store.alone(pipelines.cancel, [started.pipelines[0].id])


def test_a_purge_takes_whole_histories_and_nothing_younger(store: Store, clock: Clock) -> None:
    finish_job(store)
    finish_pipeline(store)
    old = store.alone(
        events.create, "PipelineNoted", pipeline_execution_id=rows(store, schema.pipeline_executions)[0].id
    )
    clock.pass_(DAY)
    finish_job(store)
    cutoff = clock.now - MINUTE
    with store.read() as tx:
        counted = retention.count_older_than(tx, cutoff)
    assert retention.Countable(task_executions=3, pipeline_executions=1, events=13) == counted
    purged = store.alone(retention.delete_older_than, cutoff, 100)
    assert (3, 1, 13) == (purged.task_executions, purged.pipeline_executions, purged.events)
    left = rows(store, schema.execution_events)
    assert ["TaskCreated", "TaskMarkedReady", "TaskClaimed", "TaskStarted", "TaskCompleted"] == [
        e.event_type for e in left
    ]
    assert all(event.sequence_num > old for event in left)


def test_each_step_is_on_record(store: Store, clock: Clock) -> None:
    finish_job(store)
    clock.pass_(DAY)
    store.alone(retention.delete_older_than, clock.now, 10)
    (entry,) = rows(store, schema.purge_log)
    assert ("tester", clock.now, 1, 0, 5) == (
        entry.actor, entry.cutoff, entry.task_executions, entry.pipeline_executions, entry.events,
    )  # fmt: skip
    assert entry.closed_at == clock.now
    assert len(entry.digest) == 64


def test_steps_are_bounded_and_go_on_where_the_last_one_stopped(store: Store, clock: Clock) -> None:
    for _ in range(5):
        finish_job(store)
        clock.pass_(MINUTE)
    cutoff = clock.now
    sizes = []
    while (purged := store.alone(retention.delete_older_than, cutoff, 2)).histories:
        sizes.append(purged.task_executions)
    assert [2, 2, 1] == sizes
    assert [] == rows(store, schema.execution_events)


def test_a_pipeline_goes_whole_even_if_it_is_larger_than_the_step(store: Store, clock: Clock) -> None:
    finish_pipeline(store)
    finish_job(store)
    clock.pass_(DAY)
    purged = store.alone(retention.delete_older_than, clock.now, 1)
    assert (2, 1) == (purged.task_executions, purged.pipeline_executions)


def test_live_work_stays(store: Store, clock: Clock) -> None:
    store.alone(executions.create, job())
    store.alone(pipelines.start, pipelines.NewPipeline("p", [step("a")]))
    clock.pass_(DAY * 4000)
    assert not store.alone(retention.delete_older_than, clock.now, 10).histories
    assert 2 == len(rows(store, schema.task_executions))


def test_held_work_stays_until_the_hold_is_released(store: Store, clock: Clock) -> None:
    finish_job(store)
    finish_pipeline(store)
    held = [rows(store, schema.task_executions)[0].id, rows(store, schema.task_executions)[2].id]
    hold = sa.insert(schema.holds)
    with store.database.engine.connect() as connection:
        for id in held:
            connection.execute(hold.values(id=store.new_id(), task_execution_id=id, reason="court", actor="law"))
    clock.pass_(DAY)
    assert not store.alone(retention.delete_older_than, clock.now, 10).histories
    with store.database.engine.connect() as connection:
        connection.execute(sa.update(schema.holds).values(released_at=clock.now, released_by="law"))
    clock.pass_(DAY)
    assert 3 == store.alone(retention.delete_older_than, clock.now, 10).task_executions


def test_a_hold_on_one_task_keeps_its_pipeline_and_no_other(store: Store, clock: Clock) -> None:
    for _ in range(2):
        finish_pipeline(store)
    kept = rows(store, schema.task_executions)[0]
    with store.database.engine.connect() as connection:
        connection.execute(
            sa.insert(schema.holds).values(id=store.new_id(), task_execution_id=kept.id, reason="court", actor="law")
        )
    clock.pass_(DAY)
    with store.read() as tx:
        assert 1 == retention.count_older_than(tx, clock.now).pipeline_executions
    assert 1 == store.alone(retention.delete_older_than, clock.now, 10).pipeline_executions
    assert [kept.pipeline_execution_id] == [left.id for left in rows(store, schema.pipeline_executions)]


def test_what_is_counted_is_what_goes(store: Store, clock: Clock) -> None:
    finish_job(store)
    finish_pipeline(store)
    for task in rows(store, schema.task_executions):
        store.alone(events.create, "TaskNoted", task_execution_id=task.id)
    clock.pass_(DAY)
    with store.read() as tx:
        counted = retention.count_older_than(tx, clock.now)
    gone = store.alone(retention.delete_older_than, clock.now, 10)
    assert counted == retention.Countable(gone.task_executions, gone.pipeline_executions, gone.events)
    assert (3, 1) == (counted.task_executions, counted.pipeline_executions)


def test_the_cut_off_itself_is_not_older(store: Store, clock: Clock) -> None:
    finish_job(store)
    assert not store.alone(retention.delete_older_than, clock.now, 10).histories


def test_a_naive_cut_off_is_refused(store: Store, clock: Clock) -> None:
    with pytest.raises(InvalidInput, match=r"cutoff: .* time zone"):
        store.alone(retention.delete_older_than, clock.now.replace(tzinfo=None), 10)


def test_a_cut_off_in_the_future_is_refused(store: Store, clock: Clock) -> None:
    with pytest.raises(InvalidInput, match=r"cutoff: .* in the future"):
        store.alone(retention.delete_older_than, clock.now + MINUTE, 10)


# --- what refers to it by mistake --------------------------------------------------------------------------------


def insert(store: Store, table: sa.Table, **values: Any) -> None:
    with by_hand(store) as connection:
        connection.execute(sa.insert(table).values(**values))


def test_a_stray_row_does_not_stop_retention(store: Store, clock: Clock) -> None:
    finish_job(store)
    (old,) = rows(store, schema.task_executions)
    live = only(store.alone(executions.create, job(available_at=clock.now + 9 * DAY)))
    insert(
        store, schema.task_outbox, task_execution_id=old.id, queue="default", available_at=clock.now, ring_at=clock.now
    )
    insert(store, schema.pause_queue, task_execution_id=old.id, reason="manual_pause")
    insert(store, schema.slots, limit_name="limit", key="", number=1, holder=old.id, taken_at=clock.now)
    insert(store, schema.task_dependencies, parent_id=old.id, child_id=live)
    insert(store, schema.annotations, id=store.new_id(), task_execution_id=old.id, actor="somebody")
    clock.pass_(DAY)
    assert 1 == store.alone(retention.delete_older_than, clock.now, 10).task_executions
    assert [live] == [left.id for left in rows(store, schema.task_executions)]
    assert [live] == [bell.task_execution_id for bell in rows(store, schema.task_outbox)]
    assert [(1, None, None)] == [(slot.number, slot.holder, slot.taken_at) for slot in rows(store, schema.slots)]


def test_a_live_task_keeps_its_pipeline_also_when_that_has_ended(store: Store, clock: Clock) -> None:
    finish_pipeline(store)
    (ended,) = rows(store, schema.pipeline_executions)
    stray = {"id": store.new_id(), "pipeline_execution_id": ended.id, "name": "stray", "task_type": "noop"}
    insert(store, schema.task_executions, **stray, created_by="somebody")
    finish_job(store)
    clock.pass_(DAY)
    purged = store.alone(retention.delete_older_than, clock.now, 10)
    assert (1, 0) == (purged.task_executions, purged.pipeline_executions)
    assert 3 == len(rows(store, schema.task_executions))


# --- beside others -----------------------------------------------------------------------------------------------


def test_who_is_adding_to_a_history_keeps_it_for_this_step(postgres: Store, clock: Clock) -> None:
    finish_pipeline(postgres)
    noted = rows(postgres, schema.task_executions)[1].id
    finish_job(postgres)
    clock.pass_(DAY)
    with postgres.begin() as other:
        events.create(other, "TaskNoted", task_execution_id=noted)
        purged = postgres.alone(retention.delete_older_than, clock.now, 10)
        assert (1, 0) == (purged.task_executions, purged.pipeline_executions)
    assert not postgres.alone(retention.delete_older_than, clock.now, 10).histories
    clock.pass_(MINUTE)
    assert 1 == postgres.alone(retention.delete_older_than, clock.now, 10).pipeline_executions


def test_two_purges_delete_different_histories(postgres: Store, clock: Clock) -> None:
    for _ in range(4):
        finish_job(postgres)
        clock.pass_(MINUTE)
    with postgres.begin() as one, postgres.begin() as other:
        steps = [retention.delete_older_than(tx, clock.now, 2) for tx in (one, other)]
    assert [2, 2] == [step.task_executions for step in steps]
    assert [] == rows(postgres, schema.task_executions)


def test_the_digest_is_that_of_kinds_ids_and_versions_in_order(store: Store, clock: Clock) -> None:
    finish_job(store)
    clock.pass_(MINUTE)
    finish_pipeline(store)
    (single,) = rows(store, schema.task_executions, schema.task_executions.c.pipeline_execution_id.is_(None))
    (pipeline,) = rows(store, schema.pipeline_executions)
    clock.pass_(DAY)
    store.alone(retention.delete_older_than, clock.now, 10)
    lines = f"job {single.id} {single.version}\npipeline {pipeline.id} {pipeline.version}"
    assert hashlib.sha256(lines.encode()).hexdigest() == rows(store, schema.purge_log)[0].digest
