"""Runs jobs: SQS rings, and what it rings for is claimed, run and settled.

A message is a doorbell and carries no truth: one for work that is unknown, ended, not due or in other hands is
acknowledged. What comes back to the queue is what is no doorbell at all, and everything when the database is away.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

import worker.tasks  # noqa: F401 - registers the task types
from penstock import telemetry, wiring
from penstock.dal.dialect import is_away
from penstock.domain.doorbells import Message
from penstock.domain.errors import InvalidInput
from penstock.work.journal import Journal
from penstock.work.shift import Shift

# How soon what could not be handled comes back: its queue would hide it for six times the timeout of this function.
SOON_SECONDS = 30

Record = Mapping[str, Any]


@telemetry.entry
def handler(event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Works through a batch; which of its messages are to come again."""
    records = event["Records"]
    messages, unread = read(records)
    try:
        shift(context).work([message.task_execution_id for message in messages])
    except Exception as error:
        come_again_soon(records)
        if not is_away(error):
            raise
        telemetry.logger.exception("the database is away")
        telemetry.measure(DatabaseAway=1)
        return to_come_again(records)
    come_again_soon(unread)
    return to_come_again(unread)


def read(records: Sequence[Record]) -> tuple[list[Message], list[Record]]:
    """The messages, and the records that hold none: these reach the queue of dead letters."""
    messages, unread = [], []
    for record in records:
        try:
            messages.append(Message.read(record["body"]))
        except InvalidInput as error:
            telemetry.logger.error("not a doorbell", message_id=record["messageId"], problem=str(error))
            unread.append(record)
    telemetry.measure(MessagesUnread=len(unread))
    return messages, unread


def shift(context: LambdaContext) -> Shift:
    """A worker for as long as this invocation lasts."""
    return Shift(
        wiring.store("worker"),
        f"{context.function_name}/{context.aws_request_id}",
        lambda: timedelta(milliseconds=context.get_remaining_time_in_millis()),
        wiring.ring,
        Journal(telemetry.logger, telemetry.about, telemetry.measure),
    )


def come_again_soon(records: Sequence[Record]) -> None:
    """If this fails they come again all the same, only later."""
    by_queue: dict[str, list[str]] = {}
    for record in records:
        by_queue.setdefault(record["eventSourceARN"], []).append(record["receiptHandle"])
    for queue, receipts in by_queue.items():
        if refused := wiring.doorbells().shorten(queue, receipts, seconds=SOON_SECONDS):
            telemetry.logger.warning("messages stay hidden", queue=queue, reasons=sorted(set(refused.values())))


def to_come_again(records: Sequence[Record]) -> dict[str, Any]:
    """A partial batch response."""
    return {"batchItemFailures": [{"itemIdentifier": record["messageId"]} for record in records]}
