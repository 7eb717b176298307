"""What wakes functions besides HTTP: batches of messages, of which some come back, and schedules."""

import json
from datetime import UTC, datetime
from threading import Event
from typing import Any

import pytest

from penstock.local import template
from penstock.local.queues import Message, Queue
from penstock.local.runtime import Answer, failure
from penstock.local.template import HERE, Source, Tick
from penstock.local.waking import Waking, scheduled

AT = datetime(2100, 1, 1, 10, 15, tzinfo=UTC)
SOURCE = Source("Worker", "Jobs", 10, None)


@pytest.fixture
def jobs() -> Queue:
    made = Queue(template.Queue("Jobs", 60, None, None), lambda: 0.0)
    for name in "abc":
        made.send(Message(name, id=name))
    return made


def hand_over(jobs: Queue, answer: Answer) -> list[Any]:
    """What the function was asked, once it has answered so."""
    asked: list[Any] = []

    def invoke(_name: str, event: Any) -> Answer:
        asked.append(event)
        return answer

    Waking(invoke, Event()).hand_over(SOURCE, jobs, jobs.receive(10))
    return asked


def test_a_batch_is_an_event_with_a_record_for_each_message(jobs: Queue) -> None:
    ((event),) = hand_over(jobs, Answer(None))
    assert ["a", "b", "c"] == [record["body"] for record in event["Records"]]
    example = json.loads((HERE / "events" / "worker.doorbell.json").read_text())["Records"][0]
    assert set(example) == set(event["Records"][0])


@pytest.mark.parametrize(
    ("answer", "left"),
    [
        (Answer(None), 0),
        (Answer({}), 0),
        (Answer({"batchItemFailures": []}), 0),
        (Answer({"batchItemFailures": [{"itemIdentifier": "b"}]}), 1),
        (Answer({"batchItemFailures": [{"itemIdentifier": ""}]}), 3),
        (Answer({"batchItemFailures": [{"id": "b"}]}), 3),
        (Answer("nonsense"), 3),
        (failure("Sandbox.Timedout", "Task timed out", timed_out=True), 3),
    ],
)
def test_what_was_not_handled_stays(jobs: Queue, answer: Answer, left: int) -> None:
    hand_over(jobs, answer)
    assert left == len(jobs)


def test_a_schedule_sends_what_eventbridge_would() -> None:
    example = json.loads((HERE / "events" / "drain.scheduled.json").read_text())
    sent = scheduled(Tick("penstock-drain", "Drain", "rate(1 minute)", "UTC", None), AT)
    assert {**example, "id": sent["id"]} == sent


def test_a_schedule_with_an_input_of_its_own_sends_that() -> None:
    asked: list[Any] = []

    def invoke(name: str, event: Any) -> Answer:
        asked.append((name, event))
        return Answer(None)

    Waking(invoke, Event()).call(Tick("t", "Retention", "rate(1 day)", "UTC", '{"dry_run": true}'), AT)
    assert [("Retention", {"dry_run": True})] == asked


def test_a_rate_ticks_at_once_and_then_until_it_is_to_end() -> None:
    stopped, asked = Event(), []

    def invoke(name: str, _event: Any) -> Answer:
        asked.append(name)
        stopped.set()
        return Answer(None)

    Waking(invoke, stopped).tick(Tick("t", "Drain", "rate(1 minute)", "UTC", None))
    assert ["Drain"] == asked
