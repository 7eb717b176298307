"""What wakes functions besides HTTP: queues, as Lambda's event source mappings do, and schedules, as EventBridge does."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from threading import Event
from typing import Any
from uuid import uuid4

from penstock import world
from penstock.local import queues, schedules
from penstock.local.intrinsics import ACCOUNT, REGION
from penstock.local.queues import Queue
from penstock.local.runtime import Answer
from penstock.local.template import Source, Tick, arn

WAIT_SECONDS = 20.0

Invoke = Callable[[str, Any], Answer]


@dataclass(frozen=True)
class Waking:
    """Invokes functions until `stopped` is set."""

    invoke: Invoke
    stopped: Event

    def work_through(self, source: Source, queue: Queue) -> None:
        """One batch after another. What was not handled comes back when its time is over."""
        while not self.stopped.is_set():
            if batch := queue.receive(source.batch, wait=WAIT_SECONDS):
                self.hand_over(source, queue, batch)

    def hand_over(self, source: Source, queue: Queue, batch: list[queues.Message]) -> None:
        """A batch to its function; what that has handled is deleted."""
        answer = self.invoke(source.function, {"Records": [queues.record(queue, message) for message in batch]})
        failed = failures(answer)
        for message in batch:
            if failed is not None and message.id not in failed and message.receipt:
                queue.delete(message.receipt)

    def tick(self, tick: Tick) -> None:
        """At once, if it is a rate, and then whenever it is due; what was missed in the meantime stays so."""
        due = schedules.moments(tick.expression, world.now(), tick.timezone)
        if tick.expression.startswith("rate"):
            self.call(tick, world.now())
        for moment in due:
            if moment < world.now():
                continue
            if self.stopped.wait(max(0.0, (moment - world.now()).total_seconds())):
                return
            self.call(tick, moment)

    def call(self, tick: Tick, moment: datetime) -> None:
        """Once."""
        self.invoke(tick.function, json.loads(tick.input) if tick.input else scheduled(tick, moment))


def scheduled(tick: Tick, moment: datetime) -> dict[str, Any]:
    """What EventBridge Scheduler sends where a schedule has no input of its own."""
    return {
        "version": "0",
        "id": str(uuid4()),
        "detail-type": "Scheduled Event",
        "source": "aws.scheduler",
        "account": ACCOUNT,
        "time": f"{moment:%Y-%m-%dT%H:%M:%SZ}",
        "region": REGION,
        "resources": [arn("scheduler", f"schedule/default/{tick.name}")],
        "detail": "{}",
    }


def failures(answer: Answer) -> set[str] | None:
    """Which messages were not handled; None stands for all, as where the answer makes no sense."""
    if answer.error is not None:
        return None
    try:
        failed = {each["itemIdentifier"] for each in (answer.payload or {}).get("batchItemFailures") or []}
    except (TypeError, KeyError, AttributeError):
        return None
    return failed if all(isinstance(each, str) and each for each in failed) else None
