"""Doorbells as SQS messages. A batch call answers 200 although it refused some of its entries: each is looked at."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from penstock.domain import trace
from penstock.domain.doorbells import Message
from penstock.domain.errors import InvalidInput

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

ENTRIES = 10
BYTES = 1024 * 1024

Entry = dict[str, Any]
Refused = dict[int, str]


class Doorbells:
    """The SQS queues that Penstock queues are mapped to."""

    def __init__(self, queues: Mapping[str, str]) -> None:
        self.queues = dict(queues)

    def serves(self, queue: str) -> bool:
        """Whether this queue's workers are woken by SQS."""
        return queue in self.queues

    def send(self, messages: Sequence[Message]) -> Refused:
        """Sends them; which were refused, by their place, and why."""
        by_queue: dict[str, list[Entry]] = {}
        refused: Refused = {}
        for place, message in enumerate(messages):
            if self.serves(message.queue):
                by_queue.setdefault(self.queues[message.queue], []).append(_entry(place, message))
            else:
                refused[place] = f"the queue {message.queue} is mapped to no SQS queue"
        for url, entries in by_queue.items():
            refused |= self._send_to(url, entries)
        return refused

    def _send_to(self, url: str, entries: Sequence[Entry]) -> Refused:
        refused: Refused = {}
        for batch in batches(entries):
            try:
                answer = self._client.send_message_batch(QueueUrl=url, Entries=batch)  # type: ignore[arg-type]  # made above
            except self._errors as error:
                # What ails the call ails the next one: nobody waits ten times for a queue that does not answer.
                rest = entries[entries.index(batch[0]) :]
                return refused | {int(entry["Id"]): _words(error) for entry in rest}
            refused |= _failed(answer.get("Failed", []))
        return refused

    def shorten(self, queue_arn: str, receipts: Sequence[str], *, seconds: int) -> Refused:
        """Lets these messages come back sooner than their queue would; which of them will not, and why."""
        refused: Refused = {}
        for first in range(0, len(receipts), ENTRIES):
            entries: Any = [
                {"Id": str(place), "ReceiptHandle": receipt, "VisibilityTimeout": seconds}
                for place, receipt in enumerate(receipts[first : first + ENTRIES], first)
            ]
            try:
                url = self._url(queue_arn)
                answer = self._client.change_message_visibility_batch(QueueUrl=url, Entries=entries)
            except self._errors as error:
                return refused | {place: _words(error) for place in range(first, len(receipts))}
            refused |= _failed(answer.get("Failed", []))
        return refused

    def _url(self, queue_arn: str) -> str:
        account, name = queue_arn.split(":")[-2:]
        known = (url for url in self.queues.values() if url.endswith(f"/{account}/{name}"))
        return (
            next(known, None) or self._client.get_queue_url(QueueName=name, QueueOwnerAWSAccountId=account)["QueueUrl"]
        )

    @cached_property
    def _client(self) -> "SQSClient":
        import boto3  # noqa: PLC0415 - a third of a cold start, and most invocations ring nothing
        from botocore.config import Config  # noqa: PLC0415 - as above

        patience = Config(connect_timeout=2, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 2})
        return boto3.client("sqs", config=patience)

    @property
    def _errors(self) -> tuple[type[Exception], ...]:
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - as boto3

        return BotoCoreError, ClientError


def batches(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    """As few calls as SQS allows: ten entries, and a mebibyte with all that counts."""
    batch: list[Entry] = []
    size = 0
    for entry in entries:
        if batch and (len(batch) == ENTRIES or size + _size(entry) > BYTES):
            yield batch
            batch, size = [], 0
        batch.append(entry)
        size += _size(entry)
    if batch:
        yield batch


def _entry(place: int, message: Message) -> Entry:
    entry: Entry = {"Id": str(place), "MessageBody": message.body}
    if message.traceparent is None:
        return entry
    try:
        amazon = trace.as_amazon(message.traceparent)
    except InvalidInput:
        return entry
    return {
        **entry,
        "MessageAttributes": {"traceparent": {"DataType": "String", "StringValue": message.traceparent}},
        "MessageSystemAttributes": {"AWSTraceHeader": {"DataType": "String", "StringValue": amazon}},
    }


def _size(entry: Entry) -> int:
    """What SQS counts: the body, and names, types and values of attributes. Its own attributes are free."""
    attributes = entry.get("MessageAttributes", {})
    counted = [entry["MessageBody"], *attributes]
    counted += [text for attribute in attributes.values() for text in attribute.values()]
    return sum(len(text.encode()) for text in counted)


def _failed(entries: Iterable[Mapping[str, Any]]) -> Refused:
    return {int(entry["Id"]): f"{entry['Code']}: {entry.get('Message', '')}".rstrip(": ") for entry in entries}


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
