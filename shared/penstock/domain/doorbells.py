"""What a message says: this execution is ready. It carries no truth; the row of the execution does."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from penstock.domain import limits, trace
from penstock.domain.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Message:
    """A doorbell on its way. Its body is ASCII and a few kilobytes at most: there is no queue that would refuse it."""

    task_execution_id: UUID
    queue: str
    task_type: str | None = None
    traceparent: str | None = None

    @property
    def body(self) -> str:
        """The message as text."""
        said = {name: value for name, value in asdict(self).items() if value is not None}
        return json.dumps(said, default=str, separators=(",", ":"))

    @classmethod
    def read(cls, body: str) -> "Message":
        """The message out of its text."""
        said = _object(body)
        return cls(
            _id(said.get("task_execution_id")),
            limits.name("queue", said.get("queue", ""), limits.QUEUE),
            _optional("task_type", said.get("task_type")),
            _known_trace(said.get("traceparent")),
        )


def _object(body: str) -> Mapping[str, Any]:
    try:
        said = json.loads(body)
    except (TypeError, ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        raise InvalidInput("body", "is not a JSON object; it is not a doorbell of Penstock")
    return said


def _id(value: Any) -> UUID:
    try:
        return UUID(value)
    except (TypeError, ValueError, AttributeError):
        raise InvalidInput("task_execution_id", "is not a UUID; it is not a doorbell of Penstock") from None


def _optional(field: str, value: Any) -> str | None:
    return None if value is None else limits.name(field, value)


def _known_trace(value: Any) -> str | None:
    """A doorbell whose trace context is damaged still rings."""
    try:
        return trace.traceparent("traceparent", value)
    except InvalidInput:
        return None
