"""The worker: what SQS rings for is run and settled; what it cannot handle comes back, soon, and nothing else does."""

import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from botocore.stub import Stubber
from sqlalchemy import make_url

from penstock import telemetry, wiring
from penstock.dal import executions, pipelines, schema
from penstock.dal.store import Store
from penstock.work import Context, registry
from penstock.work.shift import MARGIN
from tests import pooler
from tests.acting import Clock, execution, job, rows, step
from tests.amazon import Amazon
from tests.functions.conftest import LambdaContext
from tests.functions.payloads import event
from tests.working import HOUR, MOMENT, block
from worker.app import handler

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
QUEUE = "https://sqs.eu-west-1.amazonaws.com/012345678901/default"
Noop = Callable[[Callable[[Context], Any]], None]
Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def noop(monkeypatch: pytest.MonkeyPatch) -> Noop:
    """Says what the type of the tests' jobs does."""
    return lambda function: monkeypatch.setitem(registry._known, "noop", function)  # noqa: SLF001 - for one test only


@pytest.fixture
def lines() -> Iterator[Lines]:
    """What the functions have logged."""
    written = io.StringIO()
    stream = telemetry.logger.registered_handler.setStream(written)  # type: ignore[attr-defined]  # it writes to a stream
    yield lambda: [json.loads(line) for line in written.getvalue().splitlines()]
    telemetry.logger.registered_handler.setStream(stream)  # type: ignore[attr-defined]  # as above


def ids_of(payload: dict[str, Any]) -> list[UUID]:
    bodies = [record["body"] for record in payload["Records"] if '"task_type"' in record["body"]]
    return list(dict.fromkeys(UUID(json.loads(body)["task_execution_id"]) for body in bodies))


def wanted(store: Store, payload: dict[str, Any], **options: Any) -> list[UUID]:
    """Executions with the ids that an event rings for."""
    ids = ids_of(payload)
    replace(store, new_id=iter(ids).__next__).alone(
        executions.create, *(job(f"job {place}", **options) for place, _ in enumerate(ids))
    )
    return ids


def failed(answer: dict[str, Any]) -> list[str]:
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


def received(amazon: Amazon, queue: str = "default") -> dict[str, Any]:
    """What lies in a queue, taken out of it as the worker gets it."""
    arn = f"arn:aws:sqs:eu-west-1:123456789012:{queue}"
    records = [
        {"messageId": m["MessageId"], "receiptHandle": m["ReceiptHandle"], "body": m["Body"], "eventSourceARN": arn}
        for m in amazon.messages(queue)
    ]
    return {"Records": records}


def numbers(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    (line,) = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"RunSeconds"' in line]
    return {name: sum(value) for name, value in line.items() if isinstance(value, list)}


# --- what rings --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", ["worker.doorbell", "worker.batch", "worker.duplicated"])
def test_what_is_rung_for_is_run_and_settled_once(
    wired: Store, lambda_context: LambdaContext, noop: Noop, case: str
) -> None:
    ran: list[UUID] = []
    noop(lambda context: ran.append(context.job.id))
    ids = wanted(wired, event(case))
    assert {"batchItemFailures": []} == handler(event(case), lambda_context)
    assert ids == ran
    assert [("completed", "penstock/7a1b4f80-0000-4000-8000-000000000000")] * len(ids) == [
        (execution(wired, id).status, execution(wired, id).worker_id) for id in ids
    ]
    events = rows(wired, schema.execution_events, schema.execution_events.c.event_type == "TaskCompleted")
    assert {"worker"} == {each.actor for each in events}


def test_a_doorbell_for_nothing_is_acknowledged(wired: Store, lambda_context: LambdaContext) -> None:
    assert {"batchItemFailures": []} == handler(event("worker.batch"), lambda_context)
    assert [] == rows(wired, schema.execution_events)


def test_a_body_that_is_no_doorbell_comes_back_and_the_others_are_run(
    wired: Store, lambda_context: LambdaContext, noop: Noop
) -> None:
    noop(lambda _: None)
    payload = event("worker.poison")
    ids = wanted(wired, payload)
    answer = handler(payload, lambda_context)
    assert [record["messageId"] for record in payload["Records"][1:4]] == failed(answer)
    assert ["completed", "completed"] == [execution(wired, id).status for id in ids]


def test_a_doorbell_that_is_put_up_is_rung_at_once_so_that_a_pipeline_needs_no_drain(
    wired: Store, amazon: Amazon, lambda_context: LambdaContext, noop: Noop
) -> None:
    noop(lambda _: None)
    graph = [step("a"), step("b", "a"), step("c", "b")]
    wiring.ring(wired.alone(pipelines.start, pipelines.NewPipeline("p", graph)))
    for _ in graph:
        payload = received(amazon)
        assert 1 == len(payload["Records"])
        assert {"batchItemFailures": []} == handler(payload, lambda_context)
    assert [] == amazon.messages("default")
    assert ["completed"] == [pipeline.status for pipeline in rows(wired, schema.pipeline_executions)]


# --- time --------------------------------------------------------------------------------------------------------


def test_a_job_that_runs_into_the_end_of_the_invocation_is_settled_before_lambda_kills_it(
    wired: Store, amazon: Amazon, lambda_context: LambdaContext, noop: Noop
) -> None:
    noop(block)
    payload = event("worker.batch")
    first, *others = wanted(wired, payload)
    lambda_context.remaining_ms = int((MARGIN + MOMENT).total_seconds() * 1000)
    assert {"batchItemFailures": []} == handler(payload, lambda_context)
    row = execution(wired, first)
    assert ("ready", 2) == (row.status, row.attempt)
    assert row.error.startswith("it ran for 0.05 seconds")
    assert ["ready", "ready"] == [execution(wired, id).status for id in others]
    assert sorted(map(str, others)) == sorted(said["task_execution_id"] for said in amazon.said("default"))


# --- when the database is away -----------------------------------------------------------------------------------


def away(url: str) -> str:
    """A database of the same kind that is not there."""
    return "sqlite:////no/such/directory/p.db" if url.startswith("sqlite") else "postgresql://nobody@127.0.0.1:1/none"


@contextmanager
def shortened(payload: dict[str, Any]) -> Iterator[None]:
    """SQS is told that all of these messages come back in half a minute, and nothing else."""
    receipts = [record["receiptHandle"] for record in payload["Records"]]
    entries = [{"Id": str(n), "ReceiptHandle": each, "VisibilityTimeout": 30} for n, each in enumerate(receipts)]
    with Stubber(wiring.doorbells()._client) as stubber:  # noqa: SLF001 - the client that the function uses, not another
        stubber.add_response(
            "change_message_visibility_batch", {"Successful": [], "Failed": []}, {"QueueUrl": QUEUE, "Entries": entries}
        )
        yield
        stubber.assert_no_pending_responses()


@pytest.fixture
def mapped(environ: dict[str, str]) -> Iterator[dict[str, str]]:
    """The environment with the queue that the files in events/ name, for a test that wires it itself."""
    yield environ | {"QUEUES": json.dumps({"default": QUEUE})}
    wiring.compose({})


def test_with_the_database_away_everything_comes_back_soon(
    mapped: dict[str, str], clock: Clock, lambda_context: LambdaContext, lines: Lines
) -> None:
    wiring.compose(mapped | {"DATABASE_URL": away(mapped["DATABASE_URL"])}, clock)
    payload = event("worker.poison")
    with shortened(payload):
        answer = handler(payload, lambda_context)
    assert [record["messageId"] for record in payload["Records"]] == failed(answer)
    assert ["ERROR"] == [line["level"] for line in lines() if line["message"] == "the database is away"]


def test_a_body_that_is_no_doorbell_comes_back_soon_and_so_reaches_the_dead_letters_soon(
    mapped: dict[str, str], wired: Store, clock: Clock, lambda_context: LambdaContext
) -> None:
    wiring.compose(mapped, clock)
    payload = event("worker.poison")
    with shortened({"Records": payload["Records"][1:4]}):
        handler(payload, lambda_context)


def test_with_the_database_gone_in_mid_shift_everything_comes_back_and_nothing_is_lost(
    mapped: dict[str, str], postgres_url: str, clock: Clock, lambda_context: LambdaContext, noop: Noop
) -> None:
    clock.govern(postgres_url)
    wiring.compose(mapped | {"DATABASE_URL": postgres_url, "QUEUES": ""}, clock)
    store = wiring.store("tester")
    name = make_url(postgres_url).database
    server = sa.create_engine(
        make_url(postgres_url).set(database="postgres"), isolation_level="AUTOCOMMIT", poolclass=sa.NullPool
    )

    def lock_out(_context: object) -> None:
        with server.connect() as connection:
            connection.exec_driver_sql(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
            others = f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{name}'"
            connection.exec_driver_sql(others)

    noop(lock_out)
    payload = event("worker.batch")
    first, second, third = wanted(store, payload)
    assert 3 == len(failed(handler(payload, lambda_context)))
    with server.connect() as connection:
        connection.exec_driver_sql(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
    pooler.wait_for(postgres_url)
    assert ["running", "claimed", "claimed"] == [execution(store, id).status for id in (first, second, third)]
    clock.pass_(HOUR)
    store.alone(executions.recover)
    assert ["ready"] * 3 == [execution(store, id).status for id in (first, second, third)]
    noop(lambda _: None)
    assert {"batchItemFailures": []} == handler(payload, lambda_context)
    assert ["completed"] * 3 == [execution(store, id).status for id in (first, second, third)]


def test_what_nobody_expected_is_raised_and_comes_back_soon_all_the_same(
    mapped: dict[str, str], empty_database_url: str, clock: Clock, lambda_context: LambdaContext
) -> None:
    """Such as a database without tables: Lambda counts an error, and its alarm rings."""
    wiring.compose(mapped | {"DATABASE_URL": empty_database_url}, clock)
    payload = event("worker.batch")
    with shortened(payload), pytest.raises(Exception, match=r"task_executions|task_outbox|penstock"):
        handler(payload, lambda_context)
    wiring.compose({})  # so that the database can go


def test_a_queue_that_does_not_answer_either_changes_nothing_about_the_response(
    mapped: dict[str, str], clock: Clock, lambda_context: LambdaContext
) -> None:
    wiring.compose(mapped | {"DATABASE_URL": away(mapped["DATABASE_URL"]), "QUEUES": ""}, clock)
    payload = event("worker.batch")
    assert 3 == len(failed(handler(payload, lambda_context)))


# --- what is said ------------------------------------------------------------------------------------------------


def test_the_trace_of_a_request_is_in_every_line_that_its_job_writes(
    wired: Store, lambda_context: LambdaContext, noop: Noop, lines: Lines
) -> None:
    def function(context: Context) -> None:
        context.logger.info("half way")

    noop(function)
    (id,) = wanted(wired, event("worker.doorbell"), traceparent=f"00-{TRACE}-00f067aa0ba902b7-01")
    handler(event("worker.doorbell"), lambda_context)
    about = [line for line in lines() if "task_execution_id" in line]
    assert ["Started", "half way", "Completed"] == [line["message"] for line in about]
    assert {(str(id), TRACE, "1")} == {
        (line["task_execution_id"], line["trace_id"], str(line["attempt"])) for line in about
    }


def test_a_shift_is_counted(
    wired: Store, lambda_context: LambdaContext, noop: Noop, capsys: pytest.CaptureFixture[str]
) -> None:
    def function(context: Context) -> None:
        if context.job.name == "job 0":
            context.defer(until=context.now)
        if context.job.name == "job 1":
            raise ValueError

    noop(function)
    wanted(wired, event("worker.batch"))
    handler(event("worker.batch"), lambda_context)
    counted = numbers(capsys)
    assert {"Deferred": 1, "Retried": 1, "Completed": 1, "MessagesUnread": 0} == {
        name: counted[name] for name in ("Deferred", "Retried", "Completed", "MessagesUnread")
    }
