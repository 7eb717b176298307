"""What comes to hang on an execution while a verb waits for it, goes with it.

A statement sees what was committed when it began. If the row that it then waits for becomes ready meanwhile, or is
paused, the doorbell or the pause entry is younger than that, and a DELETE would not find it.
"""

from collections.abc import Iterator

import pytest

from penstock.dal import executions, pipelines, schema
from penstock.dal.store import Store, Tx
from penstock.domain.executions import Job
from penstock.domain.lifecycle import Status
from tests.acting import MINUTE, Clock, begin, create, execution, job, rows, step
from tests.books import discrepancies
from tests.databases import SERVERS, Databases
from tests.racing import arena, overlapping
from tests.reaching import BOOM


@pytest.fixture(params=SERVERS)
def busy(request: pytest.FixtureRequest, databases: Databases, clock: Clock) -> Iterator[Store]:
    """A store for many sessions, on each installed PostgreSQL in turn."""
    with arena(databases, request.param, clock) as store:
        yield store


def claimed(store: Store) -> Job:
    (held,) = store.alone(executions.claim_these, store.alone(create, job()), worker="worker", hold_for=MINUTE)
    return held


def parent_of_one(store: Store) -> Job:
    """A running parent with a child."""
    started = store.alone(pipelines.start, pipelines.NewPipeline("p", [step("parent"), step("child", "parent")]))
    (parent,) = begin(store, *(moved.id for moved in started.moved if moved.status == Status.READY))
    return parent


@pytest.mark.parametrize("ends", ["alone", "in a transaction"])
def test_the_doorbell_of_what_is_given_back_goes_with_a_cancel_that_waited(busy: Store, ends: str) -> None:
    held = claimed(busy)

    def cancel() -> executions.Effects:
        if ends == "alone":
            return busy.alone(executions.cancel, [held.id])
        with busy.begin() as tx:
            return executions.cancel(tx, [held.id])

    _, cancelled = overlapping(busy, lambda tx: executions.release(tx, [held]), cancel)
    assert [Status.CANCELLED] == [moved.status for moved in cancelled.moved]
    assert [] == discrepancies(busy)


def test_what_was_given_back_and_paused_at_once_can_be_resumed(busy: Store) -> None:
    """It was ready before, so that a doorbell is there to be seen: the one of then."""
    (id,) = busy.alone(create, job())

    def take_and_give_back(tx: Tx) -> None:
        executions.release(tx, executions.claim_these(tx, [id], worker="worker", hold_for=MINUTE))

    overlapping(busy, take_and_give_back, lambda: busy.alone(executions.pause, [id]))
    assert [] == discrepancies(busy)
    busy.alone(executions.resume, [id])
    assert (Status.READY, []) == (execution(busy, id).status, discrepancies(busy))


def test_the_doorbell_of_a_released_child_goes_with_its_pipeline(busy: Store) -> None:
    parent = parent_of_one(busy)
    pipeline_id = parent.pipeline_execution_id
    assert pipeline_id
    overlapping(busy, lambda tx: executions.complete(tx, parent), lambda: busy.alone(pipelines.cancel, [pipeline_id]))
    assert [] == discrepancies(busy)
    assert [] == rows(busy, schema.task_outbox)


def test_the_pause_entry_of_a_child_goes_with_the_failure_of_its_parent(busy: Store) -> None:
    parent = parent_of_one(busy)
    (child,) = rows(busy, schema.task_executions, schema.task_executions.c.name == "child")
    overlapping(
        busy,
        lambda tx: executions.pause(tx, [child.id]),
        lambda: busy.alone(executions.fail, parent, BOOM),
    )
    assert [] == discrepancies(busy)
    assert [] == rows(busy, schema.pause_queue)


@pytest.mark.parametrize("verb", ["cancel", "resume"])
def test_a_pause_entry_goes_with_whatever_ends_the_pause(busy: Store, verb: str) -> None:
    (id,) = busy.alone(create, job())
    busy.alone(executions.pause, [id])

    def pause_anew(tx: Tx) -> None:
        executions.resume(tx, [id])
        executions.pause(tx, [id])

    overlapping(busy, pause_anew, lambda: busy.alone(getattr(executions, verb), [id]))
    assert [] == discrepancies(busy)


def test_a_reset_makes_due_what_was_resumed_meanwhile(busy: Store, clock: Clock) -> None:
    (held,) = begin(busy, *busy.alone(create, job()))
    busy.alone(executions.schedule_retry, held, BOOM, at=clock.now + MINUTE)

    def pause_and_resume(tx: Tx) -> None:
        executions.pause(tx, [held.id])
        executions.resume(tx, [held.id])

    overlapping(busy, pause_and_resume, lambda: busy.alone(executions.reset, [held.id]))
    assert [clock.now] == [bell.available_at for bell in rows(busy, schema.task_outbox)]
    assert [] == discrepancies(busy)
