"""The loop of a worker: what it takes, in which order, by which commits; and what it gives back."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from penstock.dal import executions, pipelines, schema
from penstock.dal.store import Store
from penstock.domain.lifecycle import Status
from penstock.work import Context
from penstock.work.shift import MARGIN
from tests.acting import MINUTE, Clock, create, event_types, execution, job, rows, step
from tests.working import HOUR, OUT_OF_TIME, Worker, block, of

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
BRIEFLY = {"timeout_seconds": 1}
# A shift of this length has time for one job after another of a second each, and for no longer one.
SHORT = MARGIN + timedelta(seconds=2)


def jobs(store: Store, *each: dict[str, Any]) -> list[UUID]:
    return store.alone(create, *(job(f"job {place}", **options) for place, options in enumerate(each)))


def statuses(store: Store, *ids: UUID) -> list[str]:
    return [execution(store, id).status for id in ids]


# --- what it takes -----------------------------------------------------------------------------------------------


def test_the_most_urgent_runs_first_and_then_the_oldest(store: Store) -> None:
    ran: list[str] = []
    ids = jobs(store, {}, {"priority": 1}, {}, {"priority": 5})
    of(store, lambda context: ran.append(context.job.name)).work(*reversed(ids))
    assert ["job 1", "job 0", "job 2", "job 3"] == ran
    assert ["completed"] * 4 == statuses(store, *ids)


def test_what_is_unknown_or_ended_or_not_due_or_running_is_passed_over(store: Store, clock: Clock) -> None:
    ran: list[str] = []
    due, later, ended, held = jobs(store, {}, {"available_at": clock.now + MINUTE}, {}, {})
    store.alone(executions.cancel, [ended])
    store.alone(executions.begin, [held], worker="somebody else")
    worker = of(store, lambda context: ran.append(context.job.name))
    worker.work(uuid4(), later, ended, held, due, due).work(due, later)
    assert ["job 0"] == ran
    assert ["completed", "ready", "cancelled", "running"] == statuses(store, due, later, ended, held)


def test_nothing_to_do_writes_nothing(store: Store) -> None:
    of(store, block).work(uuid4())
    assert [] == rows(store, schema.execution_events)


def test_a_batch_is_one_commit_to_claim_one_to_start_and_one_for_each_job(postgres: Store) -> None:
    ids = jobs(postgres, {}, {}, {})
    of(postgres, lambda _: None).work(*ids)
    commits: dict[Any, list[str]] = {}
    for event in rows(postgres, schema.execution_events):
        commits.setdefault(event.transaction_id, []).append(event.event_type)
    assert [
        ["TaskCreated"] * 3 + ["TaskMarkedReady"] * 3,
        ["TaskClaimed"] * 3,
        ["TaskStarted"],
        ["TaskCompleted", "TaskStarted"],
        ["TaskCompleted", "TaskStarted"],
        ["TaskCompleted"],
    ] == [sorted(types) for types in commits.values()]


def test_a_job_runs_as_started_by_the_settlement_of_the_one_before(store: Store) -> None:
    seen: list[list[str]] = []
    ids = jobs(store, {}, {}, {})

    def function(_context: Context) -> None:
        seen.append(statuses(store, *ids))

    of(store, function).work(*ids)
    assert [
        ["running", "claimed", "claimed"],
        ["completed", "running", "claimed"],
        ["completed", "completed", "running"],
    ] == seen


def test_every_ending_carries_the_start_of_the_next(store: Store) -> None:
    def function(context: Context) -> object:
        if context.job.name == "job 0":
            raise ValueError
        if context.job.name == "job 1":
            context.defer(until=context.now + MINUTE)
        return object() if context.job.name == "job 2" else None

    ids = jobs(store, {}, {}, {}, {})
    worker = of(store, function).work(*ids)
    assert ["ready", "deferred", "failed", "completed"] == statuses(store, *ids)
    counted = {name: number for name, number in worker.numbers.items() if name != "RunSeconds"}
    assert {"Retried": 1, "Deferred": 1, "Failed": 1, "Completed": 1} == counted


# --- time --------------------------------------------------------------------------------------------------------


def test_a_job_that_does_not_fit_is_given_back_with_all_behind_it_and_rung_for(store: Store) -> None:
    ids = jobs(store, BRIEFLY, BRIEFLY, {"timeout_seconds": 2}, BRIEFLY)
    worker = of(store, lambda _: None, left=SHORT).work(*ids)
    assert ["completed", "completed", "ready", "ready"] == statuses(store, *ids)
    assert set(ids[2:]) == worker.doorbells
    assert "TaskReleased" == event_types(store, ids[3])[-1]
    assert 2 == worker.numbers["Released"]


def test_the_first_job_of_a_shift_gets_what_time_there_is(store: Store) -> None:
    (id,) = jobs(store, {"timeout_seconds": 300})
    of(store, lambda _: None, left=SHORT).work(id)
    assert ["completed"] == statuses(store, id)


def test_a_job_ends_by_its_own_timeout_or_by_the_end_of_the_shift_whichever_comes_first(store: Store) -> None:
    seen: list[timedelta] = []
    ids = jobs(store, {"timeout_seconds": 300}, {"timeout_seconds": 10})
    of(store, lambda context: seen.append(context.remaining), left=MINUTE).work(*ids)
    assert [55, 10] == [round(each.total_seconds()) for each in seen]


def test_without_any_time_everything_is_given_back(store: Store) -> None:
    ids = jobs(store, {}, {})
    worker = of(store, block, left=MARGIN).work(*ids)
    assert ["ready", "ready"] == statuses(store, *ids)
    assert set(ids) == worker.doorbells


def test_what_is_claimed_stays_claimed_until_the_shift_is_over(store: Store, clock: Clock) -> None:
    seen: list[Any] = []
    first, second = jobs(store, {}, {})

    def function(context: Context) -> None:
        if context.job.id == first:
            seen.append(execution(store, second).lease_expires_at)

    of(store, function, left=HOUR).work(first, second)
    assert [clock.now + HOUR + timedelta(seconds=30)] == seen


def test_a_job_that_runs_out_of_time_takes_no_other_with_it(store: Store) -> None:
    first, second = jobs(store, {"timeout_seconds": 300}, BRIEFLY)
    worker = Worker(store, {"noop": lambda context: block() if context.job.name == "job 0" else None}, left=OUT_OF_TIME)
    worker.work(first, second)
    assert ["ready", "ready"] == statuses(store, first, second)
    assert ("TaskRetryScheduled", "TaskReleased") == (event_types(store, first)[-1], event_types(store, second)[-1])


# --- when it is taken away ---------------------------------------------------------------------------------------


def test_what_is_cancelled_while_it_runs_stays_cancelled_and_the_shift_goes_on(store: Store) -> None:
    def function(context: Context) -> dict[str, Any]:
        if context.job.name == "job 0":
            store.alone(executions.cancel, [context.job.id])
        return {"ran": True}

    ids = jobs(store, {}, {})
    worker = of(store, function).work(*ids)
    assert ["cancelled", "completed"] == statuses(store, *ids)
    assert (None, 1) == (execution(store, ids[0]).outcome, worker.numbers["LeaseLost"])


def test_what_is_cancelled_before_its_turn_is_passed_over(store: Store) -> None:
    ran: list[str] = []
    ids = jobs(store, {}, {}, {}, {})

    def function(context: Context) -> None:
        ran.append(context.job.name)
        store.alone(executions.cancel, ids[1:3])

    of(store, function).work(*ids)
    assert ["job 0", "job 3"] == ran
    assert ["completed", "cancelled", "cancelled", "completed"] == statuses(store, *ids)


def test_whoever_lost_the_lease_settles_nothing_of_the_new_holder(store: Store, clock: Clock) -> None:
    taken: list[Any] = []

    def function(context: Context) -> None:
        clock.pass_(HOUR)
        store.alone(executions.recover)
        taken.extend(store.alone(executions.begin, [context.job.id], worker="the next one"))
        raise ValueError("too late")

    (id,) = jobs(store, {})
    of(store, function).work(id)
    row = execution(store, id)
    assert ("running", taken[0].lease, "the next one", 1) == (row.status, row.lease, row.worker_id, row.attempt)


def test_ctrl_c_gives_back_what_had_not_begun(store: Store) -> None:
    def function(_context: Context) -> None:
        raise KeyboardInterrupt

    ids = jobs(store, {}, {})
    worker = of(store, function)
    with pytest.raises(KeyboardInterrupt):
        worker.work(*ids)
    assert ["running", "ready"] == statuses(store, *ids)
    assert {ids[1]} == worker.doorbells


# --- what follows ------------------------------------------------------------------------------------------------


def test_doorbells_of_what_became_ready_are_rung_by_whoever_made_it_so(store: Store) -> None:
    started = store.alone(pipelines.start, pipelines.NewPipeline("p", [step("first"), step("then", "first")]))
    ready, child = (moved.id for moved in sorted(started.moved, key=lambda moved: moved.status != Status.READY))
    worker = of(store, lambda _: None).work(ready)
    assert {child} == worker.doorbells
    worker.work(child)
    assert ["completed", "completed"] == statuses(store, ready, child)


def test_a_task_type_that_the_worker_does_not_know_is_tried_again_by_its_policy(store: Store) -> None:
    (id,) = jobs(store, {})
    Worker(store).work(id)
    row = execution(store, id)
    assert ("ready", 2) == (row.status, row.attempt)
    assert row.error.startswith("this worker knows no task type 'noop'; it knows ")


def test_the_outcome_survives_a_connection_that_breaks_while_the_job_runs(postgres: Store) -> None:
    def function(_context: Context) -> dict[str, Any]:
        others = "datname = current_database() AND pid <> pg_backend_pid()"
        with sa.create_engine(postgres.database.engine.url, poolclass=sa.NullPool).connect() as other:
            other.exec_driver_sql(f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE {others}")
        return {"ran": True}

    ids = jobs(postgres, {}, {})
    of(postgres, function).work(*ids)
    assert ["completed", "completed"] == statuses(postgres, *ids)


# --- what is said ------------------------------------------------------------------------------------------------


def test_every_line_about_a_run_names_its_execution_attempt_and_trace(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")

    def function(context: Context) -> None:
        context.logger.info("half way")
        raise ValueError("no")

    (id,) = jobs(store, {"traceparent": TRACE})
    worker = of(store, function).work(id)
    lines = {record.message: vars(record) for record in caplog.records}
    assert ["Claimed 1 of 1", "Started", "half way", "Retried"] == list(lines)
    for line in (lines["Started"], lines["Retried"]):
        assert (str(id), 1, TRACE.split("-")[1]) == (line["task_execution_id"], line["attempt"], line["trace_id"])
    assert ("no", "ValueError") == (lines["Retried"]["error"], lines["Retried"]["error_type"])
    assert [(TRACE, str(id))] == [(about["traceparent"], about["task_execution_id"]) for about in worker.about]


def test_how_long_a_run_took_is_measured(store: Store, clock: Clock) -> None:
    (id,) = jobs(store, {})
    worker = of(store, lambda _: clock.pass_(timedelta(seconds=3))).work(id)
    assert {"Completed": 1, "RunSeconds": 3.0} == worker.numbers
