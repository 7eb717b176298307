"""What a task function is given, and what it does with it, as the database has it afterwards."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from penstock.dal import executions, pipelines, schema
from penstock.dal.store import Store
from penstock.domain import limits
from penstock.domain.errors import InvalidInput, LeaseLost
from penstock.domain.executions import NewExecution
from penstock.domain.pipelines import TriggerRule
from penstock.work import Context
from penstock.work.context import Parent
from tests.acting import MINUTE, START, Clock, execution, job, only, rows, step
from tests.working import HOUR, OUT_OF_TIME, Worker, block, of

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def run(store: Store, function: Callable[[Context], Any], **options: Any) -> Any:
    """The execution after one run by this function."""
    id = only(store.alone(executions.create, job(**options)))
    of(store, function).work(id)
    return execution(store, id)


def tools(store: Store) -> list[Any]:
    return rows(store, schema.tool_executions)


# --- what it is given --------------------------------------------------------------------------------------------


def test_a_function_sees_its_job_and_the_time_it_has(store: Store, clock: Clock) -> None:
    seen: list[Any] = []

    def look(context: Context) -> None:
        seen.extend(
            [context.config, context.metadata, context.job.attempt, context.now, context.input, context.parents]
        )
        assert timedelta(seconds=19) < context.remaining <= timedelta(seconds=20)

    row = run(store, look, config={"size": 3}, metadata={"from": "a form"}, timeout_seconds=20)
    assert "completed" == row.status
    assert [{"size": 3}, {"from": "a form"}, 1, START, {}, {}] == seen


def test_a_run_has_no_more_time_than_its_worker(store: Store) -> None:
    seen: list[timedelta] = []
    id = only(store.alone(executions.create, job()))
    of(store, lambda context: seen.append(context.remaining), left=MINUTE).work(id)
    assert timedelta(seconds=54) < seen[0] <= timedelta(seconds=55)


def test_a_step_sees_the_input_of_its_pipeline_and_what_became_of_its_parents(store: Store) -> None:
    seen: dict[str, Any] = {}

    def extract(context: Context) -> dict[str, Any]:
        return {"rows": context.input["rows"] + 1}

    def load(context: Context) -> None:
        seen.update(context.parents, input=context.input)

    def check(_context: Context) -> None:
        raise ValueError("not today")

    graph = [
        step("extract"),
        step("check", max_attempts=1),
        step("load", "extract", "check", rule=TriggerRule.ALL_DONE),
    ]
    started = store.alone(pipelines.start, pipelines.NewPipeline("nightly", graph, {"rows": 1}))
    functions = {"extract": extract, "check": check, "load": load}
    worker = Worker(store, {"noop": lambda context: functions[context.job.name](context)})
    ids = [moved.id for moved in started.moved]
    worker.work(*ids).work(*ids)
    assert {
        "extract": Parent("completed", {"success": True, "rows": 2}, None),
        "check": Parent("failed", {"success": False, "error_type": "ValueError"}, "not today"),
        "input": {"rows": 1},
    } == seen
    assert seen["extract"].succeeded
    assert not seen["check"].succeeded


def test_a_call_to_somebody_else_is_a_new_span_of_the_same_trace(store: Store) -> None:
    seen: list[str | None] = []
    run(store, lambda context: seen.extend([context.traceparent, context.traceparent]), traceparent=TRACE)
    first, second = (str(each).split("-") for each in seen)
    assert first[:2] + first[3:] == TRACE.split("-")[:2] + TRACE.split("-")[3:]
    assert 3 == len({first[2], second[2], TRACE.split("-")[2]})


def test_a_job_without_a_trace_begins_none(store: Store) -> None:
    seen: list[str | None] = []
    run(store, lambda context: seen.append(context.traceparent))
    assert [None] == seen


# --- what it may do ----------------------------------------------------------------------------------------------


def test_a_heartbeat_says_nothing_while_the_run_is_wanted(store: Store) -> None:
    assert "completed" == run(store, Context.heartbeat).status


def test_a_heartbeat_of_a_run_that_was_cancelled_says_so(store: Store) -> None:
    raised: list[BaseException] = []

    def function(context: Context) -> None:
        store.alone(executions.cancel, [context.job.id])
        try:
            context.heartbeat()
        except LeaseLost as error:
            raised.append(error)
            raise

    row = run(store, function)
    assert ("cancelled", None, 1) == (row.status, row.error, len(raised))


def test_a_deferred_run_goes_on_later_from_the_top_and_costs_no_attempt(store: Store, clock: Clock) -> None:
    runs: list[int] = []

    def function(context: Context) -> None:
        runs.append(context.job.attempt)
        if len(runs) == 1:
            try:
                context.defer(until=context.now + MINUTE)
            except Exception:  # noqa: BLE001 - a function that catches too much
                runs.append(-1)

    id = only(store.alone(executions.create, job()))
    worker = of(store, function).work(id)
    assert ("deferred", START + MINUTE) == (execution(store, id).status, execution(store, id).resume_at)
    clock.pass_(MINUTE)
    store.alone(executions.resume_deferred)
    worker.work(id)
    assert ("completed", [1, 1]) == (execution(store, id).status, runs)


def test_a_deferral_to_no_moment_is_refused_in_the_function(store: Store) -> None:
    row = run(store, lambda context: context.defer(until=context.now.replace(tzinfo=None)), max_attempts=1)
    assert ("failed", "InvalidInput") == (row.status, row.outcome["error_type"])


@pytest.mark.parametrize("ending", [lambda: None, lambda: 1 / 0], ids=["well", "badly"])
def test_services_are_kept_however_the_run_ends(store: Store, ending: Callable[[], Any]) -> None:
    def function(context: Context) -> None:
        context.touch("warehouse", "mail")
        context.touch("warehouse")
        ending()

    assert ["warehouse", "mail"] == list(run(store, function, max_attempts=1).services_touched)


def test_more_services_than_there_is_room_for_lose_nothing_else(store: Store) -> None:
    def function(context: Context) -> None:
        for number in range(limits.NAMES + 1):
            context.touch(f"service {number}")

    row = run(store, function)
    assert ("completed", limits.NAMES) == (row.status, len(row.services_touched))


# --- tools -------------------------------------------------------------------------------------------------------


def test_a_tool_is_on_record_with_its_output_and_how_long_it_took(store: Store, clock: Clock) -> None:
    def function(context: Context) -> None:
        with context.tool("search", {"for": "water"}) as tool:
            assert "running" == tools(store)[0].status
            clock.pass_(timedelta(milliseconds=1_500))
            tool.output = {"found": 2}

    row = run(store, function)
    (tool,) = tools(store)
    assert (row.id, "search", {"for": "water"}) == (tool.task_execution_id, tool.tool_name, tool.arguments)
    assert ("completed", {"found": 2}, None, 1_500) == (tool.status, tool.output, tool.error, tool.duration_ms)


def test_a_tool_that_fails_is_on_record_with_its_error_and_the_error_goes_on(store: Store) -> None:
    def function(context: Context) -> None:
        with context.tool("search"):
            raise ValueError("no \x00 water")

    row = run(store, function)
    (tool,) = tools(store)
    assert ("failed", "no \N{REPLACEMENT CHARACTER} water") == (tool.status, tool.error)
    assert tool.error == row.error


def test_a_tool_that_runs_out_of_time_is_on_record_as_such(store: Store) -> None:
    def function(context: Context) -> None:
        with context.tool("search"):
            block()

    id = only(store.alone(executions.create, job(max_attempts=1)))
    of(store, function, left=OUT_OF_TIME).work(id)
    (tool,) = tools(store)
    assert ("timeout", "failed") == (tool.status, execution(store, id).status)
    assert tool.error.startswith("it ran for 0.05 seconds")


def test_a_tool_that_defers_is_completed(store: Store) -> None:
    def function(context: Context) -> None:
        with context.tool("search"):
            context.defer(until=context.now + HOUR)

    assert "deferred" == run(store, function).status
    assert "completed" == tools(store)[0].status


def test_a_tool_whose_output_cannot_be_kept_has_failed_and_so_has_the_run(store: Store) -> None:
    def function(context: Context) -> None:
        with context.tool("search") as tool:
            tool.output = object()

    row = run(store, function, max_attempts=1)
    (tool,) = tools(store)
    assert ("failed", "failed", "InvalidInput") == (tool.status, row.status, row.outcome["error_type"])
    assert tool.error.startswith("output: is not JSON")


def test_a_run_that_is_no_longer_wanted_uses_no_more_tools(store: Store) -> None:
    used: list[bool] = []

    def function(context: Context) -> None:
        store.alone(executions.cancel, [context.job.id])
        with context.tool("search"):
            used.append(True)

    assert "cancelled" == run(store, function).status
    assert ([], []) == (used, tools(store))


def test_a_function_finds_what_it_kept_before_it_was_deferred(store: Store, clock: Clock) -> None:
    found: list[Any] = []

    def function(context: Context) -> None:
        found.append(context.last_output("page"))
        for number in (1, 2):
            with context.tool("page") as tool:
                tool.output = {"page": number}
        with context.tool("other") as tool:
            tool.output = {"page": 9}
        if len(found) == 1:
            context.defer(until=context.now)

    id = only(store.alone(executions.create, job()))
    other = only(store.alone(executions.create, job("another")))
    worker = of(store, function).work(id)
    store.alone(executions.resume_deferred)
    worker.work(id).work(other)
    assert [None, {"page": 2}, None] == found


def test_a_name_of_a_tool_is_checked(store: Store) -> None:
    def function(context: Context) -> None:
        with pytest.raises(InvalidInput, match="tool_name"), context.tool(" "):
            pass

    assert "completed" == run(store, function).status


def test_no_transaction_is_open_while_a_function_runs(postgres: Store) -> None:
    seen: list[Any] = []

    def function(_context: Context) -> None:
        with postgres.database.engine.connect() as connection:
            query = (
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND xact_start IS NOT NULL"
            )
            others = connection.exec_driver_sql(f"{query} AND pid <> pg_backend_pid()").scalar()
        seen.extend([others, postgres.database.engine.pool.checkedout()])  # type: ignore[attr-defined]  # of a QueuePool

    ids = [only(postgres.alone(executions.create, NewExecution(str(n), "noop"))) for n in range(2)]
    of(postgres, function).work(*ids)
    assert [0, 0, 0, 0] == seen
