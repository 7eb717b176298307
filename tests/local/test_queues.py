"""The queues do what SQS does, where Penstock leans on it; and the real client of Penstock talks to them unchanged."""

from collections.abc import Iterator
from uuid import UUID

import pytest

from penstock.aws.sqs import Doorbells
from penstock.domain import doorbells
from penstock.local import queues, sqs, template
from penstock.local.queues import Message, NoSuchReceipt, Queue
from tests.amazon import CREDENTIALS

ID = UUID("0190a000-0000-7000-8000-000000000001")
TRACEPARENT = "00-67891233abcdef012345678912345678-2345678912345678-01"


class Passing:
    """Time that passes when the test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def passing() -> Passing:
    return Passing()


@pytest.fixture
def lying(passing: Passing) -> dict[str, Queue]:
    said = {"Jobs": template.Queue("Jobs", 60, 2, "Dead"), "Dead": template.Queue("Dead", 30, None, None)}
    return queues.all_of(said, passing)


def bodies(messages: list[Message]) -> list[str]:
    return [message.body for message in messages]


def receipt(message: Message) -> str:
    assert message.receipt
    return message.receipt


# --- as a queue ------------------------------------------------------------------------------------------------


def test_what_is_taken_is_hidden_until_its_time_is_over(lying: dict[str, Queue], passing: Passing) -> None:
    jobs = lying["Jobs"]
    jobs.send(Message("a"))
    assert ["a"] == bodies(jobs.receive(10))
    passing.now = 59.9
    assert [] == jobs.receive(10)
    passing.now = 60
    (again,) = jobs.receive(10)
    assert ("a", 2) == (again.body, again.receives)


def test_no_more_are_taken_than_are_asked_for(lying: dict[str, Queue]) -> None:
    for number in range(12):
        lying["Jobs"].send(Message(str(number)))
    assert [10, 2] == [len(lying["Jobs"].receive(10)) for _ in range(2)]


def test_what_is_deleted_does_not_come_back(lying: dict[str, Queue], passing: Passing) -> None:
    lying["Jobs"].send(Message("a"))
    (taken,) = lying["Jobs"].receive(1)
    lying["Jobs"].delete(receipt(taken))
    passing.now = 600
    assert ([], 0) == (lying["Jobs"].receive(1), len(lying["Jobs"]))


def test_the_receipt_of_an_earlier_receiver_is_worth_nothing(lying: dict[str, Queue], passing: Passing) -> None:
    jobs = lying["Jobs"]
    jobs.send(Message("a"))
    old = receipt(jobs.receive(1)[0])
    passing.now = 60
    jobs.receive(1)
    jobs.delete(old)
    assert 1 == len(jobs)
    with pytest.raises(NoSuchReceipt):
        jobs.hide(old, 0)


def test_what_was_received_too_often_lies_with_the_dead_letters(lying: dict[str, Queue], passing: Passing) -> None:
    lying["Jobs"].send(Message("poison"))
    for _ in range(2):
        assert ["poison"] == bodies(lying["Jobs"].receive(1))
        passing.now += 60
    assert [] == lying["Jobs"].receive(1)
    assert (0, ["poison"]) == (len(lying["Jobs"]), bodies(lying["Dead"].receive(1)))


def test_a_message_may_come_back_sooner(lying: dict[str, Queue], passing: Passing) -> None:
    lying["Jobs"].send(Message("a"))
    lying["Jobs"].hide(receipt(lying["Jobs"].receive(1)[0]), 5)
    passing.now = 5
    assert ["a"] == bodies(lying["Jobs"].receive(1))


def test_a_delayed_message_is_not_there_yet(lying: dict[str, Queue], passing: Passing) -> None:
    lying["Jobs"].send(Message("a"), delay=3)
    assert [] == lying["Jobs"].receive(1)
    passing.now = 3
    assert ["a"] == bodies(lying["Jobs"].receive(1))


# --- over HTTP -------------------------------------------------------------------------------------------------


@pytest.fixture
def server(lying: dict[str, Queue], monkeypatch: pytest.MonkeyPatch) -> Iterator[sqs.Server]:
    with sqs.Server() as made:
        for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL_SQS": made.url}.items():
            monkeypatch.setenv(name, value)
        made.start(lying)
        yield made
        made.shutdown()


def test_the_client_of_penstock_rings_here_as_it_does_there(server: sqs.Server, lying: dict[str, Queue]) -> None:
    message = doorbells.Message(ID, "default", "noop", TRACEPARENT)
    assert {} == Doorbells({"default": server.url_of("Jobs")}).send([message] * 12)
    (first, *_) = taken = lying["Jobs"].receive(20)
    said = queues.record(lying["Jobs"], first)
    assert (12, message) == (len(taken), doorbells.Message.read(said["body"]))
    assert "1" == said["attributes"]["ApproximateReceiveCount"]
    assert said["attributes"]["AWSTraceHeader"].startswith("Root=1-67891233-abcdef012345678912345678")
    assert TRACEPARENT == said["messageAttributes"]["traceparent"]["stringValue"]
    assert "arn:aws:sqs:eu-west-1:012345678901:Jobs" == said["eventSourceARN"]


def test_a_queue_that_is_not_there_refuses(server: sqs.Server) -> None:
    refused = Doorbells({"default": server.url_of("Nobody")}).send([doorbells.Message(ID, "default")])
    assert "QueueDoesNotExist" in refused[0]


def test_the_client_of_penstock_shortens_and_hears_of_each_that_cannot_be(
    server: sqs.Server, lying: dict[str, Queue], passing: Passing
) -> None:
    lying["Jobs"].send(Message("a"))
    known = receipt(lying["Jobs"].receive(1)[0])
    refused = Doorbells({}).shorten(lying["Jobs"].arn, [known, "unknown"], seconds=7)
    assert {1: "MessageNotInflight: The specified message isn't in flight."} == refused
    passing.now = 7
    assert ["a"] == bodies(lying["Jobs"].receive(1))
