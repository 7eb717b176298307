"""Draining rings: what is due gets its message, what was refused is postponed, what was lost is rung again."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from botocore.stub import ANY, Stubber

from drain.app import handler
from penstock import telemetry, wiring
from penstock.dal import executions, schema
from penstock.dal.store import Store
from penstock.domain import trace
from tests.acting import MINUTE, Clock, begin, create, job, rows
from tests.amazon import Amazon
from tests.functions.conftest import LambdaContext
from tests.functions.payloads import event

GRACE = wiring.RING_GRACE
PARENT = trace.new(trace_id=bytes(range(16)), span_id=bytes(range(1, 9)))


@pytest.fixture
def refusing(wired: Store) -> Iterator[Stubber]:
    """SQS, as far as a test says what it answers."""
    with Stubber(wiring.doorbells()._client) as stubber:  # noqa: SLF001 - the client that the function uses, not another
        yield stubber
        stubber.assert_no_pending_responses()


def test_a_drain_rings_what_is_due_and_says_how_much(
    wired: Store, clock: Clock, amazon: Amazon, lambda_context: LambdaContext
) -> None:
    due, other = wired.alone(create, job("a", traceparent=PARENT), job("b"))
    wired.alone(executions.create, job("later", available_at=clock.now + 5 * MINUTE), job("elsewhere", queue="other"))
    clock.pass_(GRACE)
    assert {"rung": 2, "refused": 0, "due": 2} == handler(event("drain.scheduled"), lambda_context)
    messages = amazon.messages("default")
    assert {str(due), str(other)} == {json.loads(m["Body"])["task_execution_id"] for m in messages}
    traced = next(m for m in messages if str(due) in m["Body"])
    assert PARENT == traced["MessageAttributes"]["traceparent"]["StringValue"]
    assert {
        "task_execution_id": str(due),
        "queue": "default",
        "task_type": "noop",
        "traceparent": PARENT,
    } == json.loads(traced["Body"])


def test_nothing_is_rung_again_before_its_patience_has_passed_and_a_lost_message_is_then(
    wired: Store, clock: Clock, amazon: Amazon, lambda_context: LambdaContext
) -> None:
    (lost,) = wired.alone(create, job())
    clock.pass_(GRACE)
    rung = [handler(event("drain.scheduled"), lambda_context)["rung"]]
    clock.pass_(4 * MINUTE)
    rung.append(handler(event("drain.scheduled"), lambda_context)["rung"])
    clock.pass_(MINUTE)
    rung.append(handler(event("drain.scheduled"), lambda_context)["rung"])
    assert [1, 0, 1] == rung
    assert [str(lost)] * 2 == [said["task_execution_id"] for said in amazon.said("default")]


def test_many_are_rung_batch_by_batch_until_nothing_is_due(
    wired: Store, clock: Clock, amazon: Amazon, lambda_context: LambdaContext
) -> None:
    ids = wired.alone(create, *(job() for _ in range(230)))
    clock.pass_(GRACE)
    assert {"rung": 230, "refused": 0, "due": 230} == handler(event("drain.scheduled"), lambda_context)
    assert sorted(map(str, ids)) == sorted(said["task_execution_id"] for said in amazon.said("default"))


def test_it_stops_when_time_is_short(wired: Store, clock: Clock, amazon: Amazon, lambda_context: LambdaContext) -> None:
    wired.alone(executions.create, job())
    clock.pass_(GRACE)
    lambda_context.remaining_ms = 15_000
    assert {"rung": 0, "refused": 0, "due": 1} == handler(event("drain.scheduled"), lambda_context)
    assert [] == amazon.messages("default")


def test_an_entry_that_is_refused_is_postponed_with_the_reason_and_the_others_are_rung(
    wired: Store, clock: Clock, refusing: Stubber, lambda_context: LambdaContext
) -> None:
    wired.alone(executions.create, job("a"), job("b"))
    clock.pass_(GRACE)
    failed = {"Id": "1", "SenderFault": False, "Code": "InternalError", "Message": "try again"}
    taken = {"Id": "0", "MessageId": "m", "MD5OfMessageBody": "0"}
    refusing.add_response(
        "send_message_batch", {"Successful": [taken], "Failed": [failed]}, {"QueueUrl": ANY, "Entries": ANY}
    )
    assert {"rung": 1, "refused": 1, "due": 2} == handler(event("drain.scheduled"), lambda_context)
    bells = {bell.last_error: bell.ring_at - clock.now for bell in rows(wired, schema.task_outbox)}
    assert {None: timedelta(minutes=5), "InternalError: try again": timedelta(seconds=15)} == bells


def test_a_queue_that_is_not_there_keeps_no_other_queue_waiting(
    environ: dict[str, str], wired: Store, clock: Clock, amazon: Amazon, lambda_context: LambdaContext
) -> None:
    queues = {"a-gone": f"{amazon.endpoint}/123456789012/gone", "default": amazon.queue("default")}
    wiring.compose(environ | {"QUEUES": json.dumps(queues)}, clock)
    wired = wiring.store("tester")
    wired.alone(create, *(job(queue="a-gone") for _ in range(150)), job())
    clock.pass_(GRACE)
    assert {"rung": 1, "refused": 100, "due": 151} == handler(event("drain.scheduled"), lambda_context)
    assert 1 == len(amazon.messages("default"))
    errors = [bell.last_error for bell in rows(wired, schema.task_outbox) if bell.last_error]
    assert 100 == len(errors)
    assert all("NonExistentQueue" in error or "QueueDoesNotExist" in error for error in errors)


def test_with_no_queue_mapped_nothing_is_rung(
    environ: dict[str, str], wired: Store, clock: Clock, lambda_context: LambdaContext
) -> None:
    wiring.compose(environ | {"QUEUES": ""}, clock)
    wired = wiring.store("tester")
    wired.alone(executions.create, job())
    assert {"rung": 0, "refused": 0, "due": 0} == handler(event("drain.scheduled"), lambda_context)


def test_the_numbers_tell_how_long_work_waits_for_a_worker_also_when_none_does(
    wired: Store, clock: Clock, lambda_context: LambdaContext, capsys: pytest.CaptureFixture[str]
) -> None:
    wired.alone(executions.create, job())
    clock.pass_(10 * MINUTE)
    handler(event("drain.scheduled"), lambda_context)
    assert (600.0, 600.0, 1) == numbers(capsys)
    begin(wired, rows(wired, schema.task_executions)[0].id)
    handler(event("drain.scheduled"), lambda_context)
    assert (0.0, 0.0, 0) == numbers(capsys)


def numbers(capsys: pytest.CaptureFixture[str]) -> tuple[Any, ...]:
    """The oldest age in all and for the queue, and how many are due, as CloudWatch reads them out of the log."""
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"_aws"' in line]
    (of_queue,) = [line for line in lines if line.get("queue") == "default"]
    (in_all,) = [line for line in lines if "DoorbellsRung" in line]
    assert telemetry.NAMESPACE == in_all["_aws"]["CloudWatchMetrics"][0]["Namespace"]
    return in_all["OutboxOldestAgeSeconds"][0], of_queue["OutboxOldestAgeSeconds"][0], in_all["OutboxDue"][0]
