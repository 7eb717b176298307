"""After any single fault, every job that is ready or whose lease has ended is claimed within a stated time."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from penstock.dal import executions, pipelines
from penstock.dal.effects import Effects
from penstock.dal.store import Store
from penstock.domain import limits
from penstock.domain.executions import Failure, Job
from tests.acting import MINUTE, Clock, begin, create, execution, job, only, step
from tests.books import discrepancies

LEASE_MARGIN = timedelta(seconds=limits.LEASE_MARGIN_SECONDS)
TICK = timedelta(microseconds=1)


def claim(store: Store, limit: int = 10) -> list[UUID]:
    jobs = store.alone(executions.claim, queue="default", limit=limit, worker="other", hold_for=MINUTE)
    return [each.id for each in jobs]


def claimed_after(store: Store, clock: Clock, bound: timedelta) -> list[UUID]:
    """What can be claimed when so much time has passed and one sweep has run."""
    clock.pass_(bound + TICK)
    store.alone(executions.recover)
    assert [] == discrepancies(store)
    return claim(store)


# --- nobody knows of a commit ------------------------------------------------------------------------------------


def test_an_enqueue_that_nobody_knows_of_is_sent_again_and_made_once(store: Store) -> None:
    ids = [store.new_id(), store.new_id()]
    wanted = [job("a"), job("b", requires_approval=True)]
    first, again = (store.alone(executions.create_many, wanted, ids) for _ in range(2))
    assert first == again
    assert 2 == execution(store, ids[0]).version
    assert ids[:1] == claim(store)


def test_a_pipeline_that_nobody_knows_of_is_started_once(store: Store) -> None:
    ids = [store.new_id() for _ in range(10)]
    wanted = pipelines.NewPipeline("p", [step("a"), step("b", "a")])
    first, again = (replace(store, new_id=iter(ids).__next__).alone(pipelines.start, wanted) for _ in range(2))
    assert moved(first) == moved(again)
    assert ["ready", "pending"] == [each.status for each in first.moved]
    assert 1 == len(claim(store))
    assert [] == discrepancies(store)


def test_a_settlement_that_nobody_knows_of_answers_the_same_with_the_next_one_started(store: Store) -> None:
    started = store.alone(pipelines.start, pipelines.NewPipeline("p", [step("parent"), step("child", "parent")]))
    (parent,) = begin(store, *(moved.id for moved in started.moved if moved.status == "ready"))
    (waiting,) = store.alone(
        executions.claim_these, [only(store.alone(executions.create, job()))], worker="worker", hold_for=MINUTE
    )
    both = [executions.Settlement.complete(parent), executions.Settlement.start(waiting)]
    first, again = (store.alone(executions.settle, both) for _ in range(2))
    assert {(parent.id, "completed"), (waiting.id, "running")} == moved(first) == moved(again)
    assert {bell.task_execution_id for bell in first.bells} == {bell.task_execution_id for bell in again.bells}
    assert [] == discrepancies(store)


@pytest.mark.parametrize("verb", ["retry", "defer", "release", "fail"])
def test_each_settlement_answers_the_same_when_it_is_sent_again(store: Store, clock: Clock, verb: str) -> None:
    id = only(store.alone(executions.create, job(max_attempts=3)))
    (held,) = store.alone(executions.claim_these, [id], worker="worker", hold_for=MINUTE)
    settlement = settled(verb, store, held, clock)
    first, again = (store.alone(executions.settle, [settlement]) for _ in range(2))
    assert moved(first) == moved(again) != set()
    assert execution(store, id).version == first.moved[0].version == again.moved[0].version


def settled(verb: str, store: Store, held: Job, clock: Clock) -> executions.Settlement:
    if verb == "release":
        return executions.Settlement.release(held)
    store.alone(executions.start, [held])
    failure = Failure("boom", "Boom")
    ways = {
        "retry": lambda: executions.Settlement.retry(held, failure, at=clock.now + MINUTE),
        "defer": lambda: executions.Settlement.defer(held, until=clock.now + MINUTE),
        "fail": lambda: executions.Settlement.fail(held, failure),
    }
    return ways[verb]()


def moved(effects: Effects) -> set[tuple[UUID, str]]:
    return {(each.id, each.status) for each in effects.moved}


# --- nobody has the answer ---------------------------------------------------------------------------------------


def test_a_claim_whose_answer_is_lost_is_taken_back_when_its_hold_ends(store: Store, clock: Clock) -> None:
    (id,) = store.alone(create, job())
    assert [id] == claim(store)
    assert [id] == claimed_after(store, clock, MINUTE)


def test_a_run_whose_worker_is_gone_is_taken_back_half_a_minute_after_its_time(store: Store, clock: Clock) -> None:
    (id,) = store.alone(create, job(timeout_seconds=60))
    begin(store, id)
    assert [id] == claimed_after(store, clock, MINUTE + LEASE_MARGIN)


# --- a row is locked by somebody ---------------------------------------------------------------------------------


def test_a_locked_row_keeps_no_other_from_being_claimed(postgres: Store) -> None:
    locked, free = postgres.alone(create, job(), job())
    with postgres.begin() as tx:
        executions.expect(tx, locked, execution(postgres, locked).version)
        assert [free] == claim(postgres)
    assert [locked] == claim(postgres)


def test_a_locked_row_keeps_no_other_from_being_taken_back(postgres: Store, clock: Clock) -> None:
    locked, free = (held.id for held in begin(postgres, *postgres.alone(create, job(), job())))
    clock.pass_(MINUTE * 10)
    with postgres.begin() as tx:
        executions.expect(tx, locked, execution(postgres, locked).version)
        assert {free} == postgres.alone(executions.recover).ids
    assert {locked} == postgres.alone(executions.recover).ids


def test_a_locked_row_keeps_no_deferral_and_no_pause_from_ending(postgres: Store, clock: Clock) -> None:
    for verb, sweep in (("defer", executions.resume_deferred), ("pause", executions.resume_paused)):
        ids = postgres.alone(create, job(), job())
        if verb == "defer":
            for held in begin(postgres, *ids):
                postgres.alone(executions.defer, held, until=clock.now + MINUTE)
        else:
            postgres.alone(executions.pause, ids, resume_after=clock.now + MINUTE)
        clock.pass_(2 * MINUTE)
        with postgres.begin() as tx:
            executions.expect(tx, ids[0], execution(postgres, ids[0]).version)
            assert {ids[1]} == postgres.alone(sweep, limit=10).ids
        assert {ids[0]} == postgres.alone(sweep, limit=10).ids


# --- a payload that no worker can read ---------------------------------------------------------------------------


def test_a_job_that_cannot_be_read_is_set_aside_and_the_others_are_returned(postgres: Store) -> None:
    unreadable = '[{"id": "%s", "name": "n", "task_type": "t", "config": {"number": %s}}]'
    bad, good = postgres.new_id(), only(postgres.alone(executions.create, job()))
    with postgres.database.engine.connect() as connection:
        connection.exec_driver_sql(f"SELECT id FROM penstock.create('{unreadable % (bad, '9' * 5_000)}'::jsonb, 'sql')")
    assert [good] == claim(postgres)
    with postgres.database.engine.connect() as connection:
        query = f"SELECT status, error FROM penstock.task_executions WHERE id = '{bad}'"
        status, error = connection.exec_driver_sql(query).one()
    assert ("failed", True) == (status, error.startswith("its payload cannot be read: "))
