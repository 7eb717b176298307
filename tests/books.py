"""What must hold between the rows of a database at any moment, whoever wrote them and whatever was killed."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from penstock.dal import schema
from penstock.dal.store import Store
from penstock.domain.lifecycle import NOTES, PIPELINE, TASK, Lifecycle, Status
from tests.acting import rows

Histories = Mapping[UUID, Sequence[Any]]


def discrepancies(store: Store) -> list[str]:
    """Every contradiction between rows, events, doorbells and pause entries; none in a database that is right."""
    executions, pipelines = rows(store, schema.task_executions), rows(store, schema.pipeline_executions)
    told = _histories(rows(store, schema.execution_events))
    return [
        *_misfolded(TASK, executions, told),
        *_misfolded(PIPELINE, pipelines, told),
        *_hanging_wrong(executions, rows(store, schema.task_outbox), rows(store, schema.pause_queue)),
        *_miscounted(pipelines, executions),
    ]


def _histories(events: Iterable[Any]) -> Histories:
    told: dict[UUID, list[Any]] = defaultdict(list)
    for event in events:
        if event.event_type not in NOTES:
            told[event.task_execution_id or event.pipeline_execution_id].append(event)
    return told


def _misfolded(lifecycle: Lifecycle, things: Iterable[Any], told: Histories) -> Iterator[str]:
    for row in things:
        history = told.get(row.id, [])
        if [event.version for event in history] != list(range(1, row.version + 1)):
            yield f"{row.id} is at version {row.version}, its events at {[event.version for event in history]}"
        try:
            folded = lifecycle.fold(event.event_type for event in history)
        except ValueError as error:
            folded = str(error)
        if folded != row.status:
            yield f"{row.id} is {row.status}, its events say {folded}"


def _hanging_wrong(executions: Iterable[Any], bells: Iterable[Any], pauses: Iterable[Any]) -> Iterator[str]:
    hanging = [Counter(row.task_execution_id for row in table) for table in (bells, pauses)]
    for row in executions:
        found = (*(counted[row.id] for counted in hanging), row.lease is not None, row.completed_at is not None)
        expected = (row.status == Status.READY, row.status == Status.PAUSED, row.status in TASK.held, _ended(row))
        if found != expected:
            yield f"{row.id} is {row.status}, with (doorbells, pause entries, lease, end) {found}"


def _miscounted(pipelines: Iterable[Any], executions: Iterable[Any]) -> Iterator[str]:
    live = Counter(row.pipeline_execution_id for row in executions if not _ended(row))
    for row in pipelines:
        if row.unfinished != live[row.id] or (row.unfinished == 0) != (row.status in PIPELINE.ends):
            yield f"{row.id} is {row.status} and counts {row.unfinished} unfinished; there are {live[row.id]}"


def _ended(row: Any) -> bool:
    return row.status in TASK.ends
