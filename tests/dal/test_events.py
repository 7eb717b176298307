"""Notes: facts that are no move. They change nothing, and nothing that changes something can be written as one."""

from typing import Any
from uuid import uuid4

import pytest

from penstock.dal import events, executions, pipelines, schema
from penstock.dal.store import Store
from penstock.domain.errors import InvalidInput
from penstock.domain.lifecycle import PIPELINE, TASK
from tests.acting import Clock, execution, job, only, row, rows, step

V = schema.execution_events


def test_a_note_is_kept_with_its_execution_and_changes_nothing(store: Store, clock: Clock) -> None:
    id = only(store.alone(executions.create, job()))
    before = execution(store, id)
    place = store.alone(
        events.create, "TaskNoted", task_execution_id=id, event_data={"text": "looked at it"}, worker_id="w"
    )
    note = rows(store, V)[-1]
    assert (place, "TaskNoted", id, None, {"text": "looked at it"}, "tester", "w", clock.now, None, None) == (
        note.sequence_num, note.event_type, note.task_execution_id, note.pipeline_execution_id, note.event_data, note.actor,
        note.worker_id, note.created_at, note.version, note.to_status,
    )  # fmt: skip
    assert before == execution(store, id)


def test_a_note_on_a_pipeline_is_kept_with_the_pipeline(store: Store) -> None:
    id = store.alone(pipelines.start, pipelines.NewPipeline("p", [step("a")])).pipelines[0].id
    before = row(store, schema.pipeline_executions, id)
    store.alone(events.create, "PipelineNoted", pipeline_execution_id=id)
    note = rows(store, V)[-1]
    assert ("PipelineNoted", id, None, {}) == (
        note.event_type, note.pipeline_execution_id, note.task_execution_id, note.event_data,
    )  # fmt: skip
    assert before == row(store, schema.pipeline_executions, id)


def test_a_note_on_a_task_is_part_of_the_history_of_its_pipeline(store: Store) -> None:
    started = store.alone(pipelines.start, pipelines.NewPipeline("p", [step("a")]))
    store.alone(events.create, "TaskNoted", task_execution_id=only(started))
    assert started.pipelines[0].id == rows(store, V)[-1].pipeline_execution_id


def test_notes_come_one_after_the_other(store: Store) -> None:
    id = only(store.alone(executions.create, job()))
    places = [store.alone(events.create, "TaskNoted", task_execution_id=id) for _ in range(3)]
    assert sorted(set(places)) == places


def test_what_has_ended_can_still_be_noted(store: Store) -> None:
    id = only(store.alone(executions.create, job()))
    store.alone(executions.cancel, [id])
    place = store.alone(events.create, "TaskNoted", task_execution_id=id)
    assert place == rows(store, V)[-1].sequence_num


def test_no_move_can_be_written_by_hand(store: Store) -> None:
    id = only(store.alone(executions.create, job()))
    before = rows(store, V)
    for event_type in (*TASK.events, *PIPELINE.events, "Anything", ""):
        with pytest.raises(InvalidInput, match="event_type: "):
            store.alone(events.create, event_type, task_execution_id=id)
    assert before == rows(store, V)


def test_bad_notes_are_refused_by_the_name_of_the_field(store: Store) -> None:
    id = only(store.alone(executions.create, job()))
    bad: list[tuple[str, dict[str, Any]]] = [
        ("task_execution_id", {"task_execution_id": None}),
        ("event_data", {"event_data": {"x": "y" * 300_000}}),
        ("event_data", {"event_data": ["x"]}),
        ("event_data", {"event_data": {"x": object()}}),
        ("worker_id", {"worker_id": "w" * 201}),
    ]
    for field, options in bad:
        with pytest.raises(InvalidInput, match=f"{field}: "):
            store.alone(events.create, "TaskNoted", **{"task_execution_id": id, **options})


def test_a_note_on_what_there_is_not_is_refused(store: Store) -> None:
    with pytest.raises(InvalidInput, match="task_execution_id: there is no"):
        store.alone(events.create, "TaskNoted", task_execution_id=uuid4())
