"""Ordinary operation for tests: time passes, drain and sweep tick, and what lies in the queues reaches the worker."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import drain.app
import sweep.app
import worker.app
from penstock import wiring
from penstock.dal import schema
from penstock.dal.store import Store
from penstock.domain.doorbells import Message
from penstock.domain.lifecycle import TASK
from tests.acting import Clock, rows
from tests.amazon import Amazon
from tests.functions.conftest import LambdaContext

# A type of task of the tests' own.
TASK_TYPE = "rehearsed"
ARN = "arn:aws:sqs:eu-west-1:123456789012:{}"
# Past every patience of a doorbell that was rung once or twice, and every lease that a worker takes.
TICK = timedelta(minutes=20)
MOST_TICKS = 20


def record(body: str, queue: str = "default", receipt: str = "receipt") -> dict[str, Any]:
    """A message as the worker gets it."""
    return {"messageId": str(uuid4()), "receiptHandle": receipt, "body": body, "eventSourceARN": ARN.format(queue)}


def rung_for(ids: Sequence[UUID]) -> dict[str, Any]:
    """What SQS calls the worker with when these have been rung for."""
    return {"Records": [record(Message(id, "default").body) for id in ids]}


def all_have_ended(store: Store) -> bool:
    return all(row.status in TASK.ends for row in rows(store, schema.task_executions))


def until_all_have_ended(store: Store, clock: Clock, amazon: Amazon) -> set[UUID]:
    """Drain, worker and sweep, until there is nothing left to do; whom they have rung for."""
    rung: set[UUID] = set()
    for _ in range(MOST_TICKS):
        drain.app.handler({}, LambdaContext())
        sweep.app.handler({}, LambdaContext())
        rung |= set(delivered(amazon))
        if all_have_ended(store):
            return rung
        clock.pass_(TICK)
    raise AssertionError(f"not all have ended: {[row.status for row in rows(store, schema.task_executions)]}")


def delivered(amazon: Amazon) -> Iterator[UUID]:
    """Everything that lies in the queues reaches the worker, and what is rung meanwhile; for whom it was."""
    for queue, url in wiring.settings().queues.items():
        while records := received(amazon, queue, url):
            worker.app.handler({"Records": records}, LambdaContext())
            yield from (Message.read(each["body"]).task_execution_id for each in records)


def received(amazon: Amazon, queue: str, url: str) -> list[dict[str, Any]]:
    """A batch, as the worker gets it."""
    answer = amazon.client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10)
    return [record(message["Body"], queue, message["ReceiptHandle"]) for message in answer.get("Messages", [])]
