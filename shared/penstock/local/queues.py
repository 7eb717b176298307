"""SQS as far as Penstock leans on it: what is taken is hidden for a while, and what is taken too often is a dead letter.

Messages live in memory. They carry no truth: what is lost with them is rung for again.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import md5
from threading import Condition
from time import monotonic
from typing import Any
from uuid import uuid4

from penstock import world
from penstock.local import template
from penstock.local.intrinsics import ACCOUNT, REGION


@dataclass
class Message:
    """A message as it lies in a queue."""

    body: str
    attributes: Mapping[str, Any] = field(default_factory=dict)
    system: Mapping[str, Any] = field(default_factory=dict)
    id: str = field(default_factory=lambda: str(uuid4()))
    sent_at: datetime = field(default_factory=world.now)
    visible_at: float = 0.0
    receives: int = 0
    receipt: str | None = None
    first_received_at: datetime | None = None

    @property
    def md5(self) -> str:
        """The digest of its body, by which a sender sees that it arrived."""
        return md5(self.body.encode(), usedforsecurity=False).hexdigest()


class NoSuchReceipt(Exception):
    """The message was deleted, or has been received by somebody else since."""


class Queue:
    """A queue. *clock* tells how time passes, not what time it is."""

    def __init__(self, said: template.Queue, clock: Callable[[], float] = monotonic) -> None:
        self.said = said
        self.name = said.name
        self.arn = said.arn
        self.dead_letters: Queue | None = None
        self._clock = clock
        self._messages: dict[str, Message] = {}
        self._changed = Condition()
        self._is_closed = False

    def send(self, message: Message, *, delay: float = 0.0) -> None:
        """Puts a message in."""
        with self._changed:
            message.visible_at = self._clock() + delay
            self._messages[message.id] = message
            self._changed.notify_all()

    def receive(self, limit: int, *, wait: float = 0.0, visibility: float | None = None) -> list[Message]:
        """Takes up to so many, waiting for the first one; they are hidden until they are deleted or time is over."""
        until = self._clock() + wait
        with self._changed:
            while not (taken := self._take(limit, visibility)) and not self._is_closed:
                now = self._clock()
                if now >= until:
                    break
                self._changed.wait(min([until, *self._appearances()]) - now)
            return taken

    def delete(self, receipt: str) -> None:
        """It has been handled."""
        with self._changed:
            message = self._messages.get(receipt.partition("#")[0])
            if message and message.receipt == receipt:
                del self._messages[message.id]

    def hide(self, receipt: str, seconds: float) -> None:
        """Hides a message that was received for so long from now on."""
        with self._changed:
            message = self._messages.get(receipt.partition("#")[0])
            if message is None or message.receipt != receipt:
                raise NoSuchReceipt(receipt)
            message.visible_at = self._clock() + seconds
            self._changed.notify_all()

    def close(self) -> None:
        """Nobody waits any longer."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def __len__(self) -> int:
        with self._changed:
            return len(self._messages)

    def _take(self, limit: int, visibility: float | None) -> list[Message]:
        now = self._clock()
        taken: list[Message] = []
        for message in list(self._messages.values()):
            if len(taken) == limit:
                break
            if message.visible_at > now or self._is_dead(message):
                continue
            message.receives += 1
            message.receipt = f"{message.id}#{uuid4()}"
            message.visible_at = now + (self.said.visibility if visibility is None else visibility)
            message.first_received_at = message.first_received_at or world.now()
            taken.append(message)
        return taken

    def _is_dead(self, message: Message) -> bool:
        """Whether it has been received too often; it then lies with the dead letters, and no longer here."""
        if self.dead_letters is None or self.said.max_receives is None or message.receives < self.said.max_receives:
            return False
        del self._messages[message.id]
        self.dead_letters.send(message)
        return True

    def _appearances(self) -> Iterable[float]:
        return (message.visible_at for message in self._messages.values())


def all_of(said: Mapping[str, template.Queue], clock: Callable[[], float] = monotonic) -> dict[str, Queue]:
    """The queues of a template, each with its dead letters."""
    queues = {name: Queue(queue, clock) for name, queue in said.items()}
    for queue in queues.values():
        queue.dead_letters = queues.get(queue.said.dead_letters or "")
    return queues


def record(queue: Queue, message: Message) -> dict[str, Any]:
    """A message as an event for a function has it."""
    attributes = {
        "ApproximateReceiveCount": str(message.receives),
        "SentTimestamp": _milliseconds(message.sent_at),
        "SenderId": "AIDALOCAL",
        "ApproximateFirstReceiveTimestamp": _milliseconds(message.first_received_at or message.sent_at),
        **{name: said["StringValue"] for name, said in message.system.items()},
    }
    return {
        "messageId": message.id,
        "receiptHandle": message.receipt,
        "body": message.body,
        "attributes": attributes,
        "messageAttributes": {name: _attribute(said) for name, said in message.attributes.items()},
        "md5OfBody": message.md5,
        "eventSource": "aws:sqs",
        "eventSourceARN": queue.arn,
        "awsRegion": REGION,
    }


def path(name: str) -> str:
    """Where in its URL a queue is named."""
    return f"/{ACCOUNT}/{name}"


def _attribute(said: Mapping[str, Any]) -> dict[str, Any]:
    text = {"stringValue": said["StringValue"]} if "StringValue" in said else {}
    return {**text, "stringListValues": [], "binaryListValues": [], "dataType": said["DataType"]}


def _milliseconds(moment: datetime) -> str:
    return str(int(moment.timestamp() * 1000))
