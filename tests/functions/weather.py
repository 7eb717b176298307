"""A queue on its worst day: of its messages one in five is lost, one in five comes twice, out of turn, or much later.

It stands where the client of SQS would, so that all of ours is real, the batches and the handlers included. What befalls
which message is drawn from a seed.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from heapq import heappop, heappush
from random import Random
from typing import Any
from uuid import UUID

from penstock.domain.doorbells import Message
from tests.acting import Clock
from tests.functions.shifts import record

ONE_IN_FIVE = 0.2
LATEST = timedelta(minutes=30)
BATCH = 10


@dataclass(order=True)
class Underway:
    """A message, when it comes, and before which others."""

    due: datetime
    turn: float
    body: str = field(compare=False)


@dataclass
class Weather:
    """What is sent through it, and what arrives."""

    clock: Clock
    chance: Random
    underway: list[Underway] = field(default_factory=list)
    befell: Counter[str] = field(default_factory=Counter)
    arrivals: dict[UUID, list[datetime]] = field(default_factory=lambda: defaultdict(list))

    def send_message_batch(self, **call: Any) -> dict[str, Any]:
        """Accepted is every message, whatever becomes of it."""
        for entry in call["Entries"]:
            self.befell["sent"] += 1
            if not self._befalls("lost"):
                self._carry(entry["MessageBody"])
                if self._befalls("doubled"):
                    self._carry(entry["MessageBody"])
        return {"Successful": [{"Id": entry["Id"]} for entry in call["Entries"]], "Failed": []}

    def arriving(self) -> Iterator[dict[str, Any]]:
        """What is due by now, in batches, as the worker gets it; what is sent meanwhile too."""
        while ready := [self._next() for _ in range(BATCH) if self.underway and self.underway[0].due <= self.clock.now]:
            for message in ready:
                self.arrivals[message.task_execution_id].append(self.clock.now)
            yield {"Records": [record(message.body) for message in ready]}

    def _next(self) -> Message:
        return Message.read(heappop(self.underway).body)

    def _carry(self, body: str) -> None:
        self.befell["carried"] += 1
        turn = self.befell["carried"] * (self.chance.random() if self._befalls("out of turn") else 1.0)
        delay = LATEST * self.chance.random() if self._befalls("late") else timedelta(0)
        heappush(self.underway, Underway(self.clock.now + delay, turn, body))

    def _befalls(self, what: str) -> bool:
        happens = self.chance.random() < ONE_IN_FIVE
        self.befell[what] += happens
        return happens
