"""Rings: each minute, the doorbells that are due, of every queue that is mapped to SQS. Two drains at once are harmless.

What is taken and not published, because this process dies between the two, is due again after its patience.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from penstock import telemetry, wiring
from penstock.dal import outbox
from penstock.dal.store import Store
from penstock.dal.views import outbox as doorbells
from penstock.domain.doorbells import Message

# What a crash leaves unrung for five minutes; ten calls of SQS.
BATCH = 100
# A queue that does not answer is found out in less.
MARGIN_MS = 15_000


@telemetry.entry
def handler(_event: Mapping[str, Any], context: LambdaContext) -> dict[str, int]:
    """Rings until nothing is due or time is short."""
    store = wiring.store("drain")
    rung = refused = 0
    waiting = sorted(wiring.settings().queues)
    while waiting and context.get_remaining_time_in_millis() > MARGIN_MS:
        queue = waiting.pop(0)
        taken, not_sent = ring(store, queue)
        rung += taken - not_sent
        refused += not_sent
        if taken == BATCH and not_sent < taken:
            waiting.append(queue)  # behind the others: a long queue keeps nobody waiting
    telemetry.measure(DoorbellsRung=rung, DoorbellsRefused=refused)
    return {"rung": rung, "refused": refused, "due": report(store)}


def ring(store: Store, queue: str) -> tuple[int, int]:
    """Takes a batch, publishes it, and postpones what was refused: how many were taken, how many refused."""
    bells = store.alone(outbox.ring, queue=queue, limit=BATCH)
    refused = wiring.doorbells().send(list(messages(bells)))
    if refused:
        telemetry.logger.warning("doorbells were refused", queue=queue, reasons=sorted(set(refused.values())))
        store.alone(outbox.postpone, {bells[place]: reason for place, reason in refused.items()})
    return len(bells), len(refused)


def messages(bells: Iterable[outbox.Ring]) -> Iterable[Message]:
    """What doorbells say."""
    return (Message(bell.task_execution_id, bell.queue, bell.task_type, bell.traceparent) for bell in bells)


def report(store: Store) -> int:
    """How much work waits for a worker and since when, for each queue and for all that are mapped; how much it is.

    Also when nothing waits: that there is no number at all is how an alarm knows that nobody drains.
    """
    with store.read() as tx:
        lag = {row.queue: row for row in doorbells.lag(tx)}
        ages = {queue: (tx.now - row.oldest).total_seconds() if row.oldest else 0.0 for queue, row in lag.items()}
    mapped = set(wiring.settings().queues)
    due = {queue: row.due for queue, row in lag.items()}
    for queue in sorted(mapped | set(lag)):
        telemetry.measure(queue=queue, OutboxOldestAgeSeconds=ages.get(queue, 0.0), OutboxDue=due.get(queue, 0))
    oldest = max((ages.get(queue, 0.0) for queue in mapped), default=0.0)
    total: int = sum(due.get(queue, 0) for queue in mapped)
    telemetry.measure(OutboxOldestAgeSeconds=oldest, OutboxDue=total)
    return total
