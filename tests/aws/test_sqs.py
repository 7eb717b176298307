"""Doorbells over SQS: in as few calls as it allows, each entry looked at, nothing lost by a call that fails."""

import json
from collections.abc import Iterator
from uuid import UUID

import pytest
from botocore.stub import ANY, Stubber

from penstock.aws.sqs import BYTES, Doorbells, batches
from penstock.domain.doorbells import Message
from tests.amazon import ACCOUNT, REGION, Amazon

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def message(number: int, queue: str = "default", **options: str) -> Message:
    return Message(UUID(int=number), queue, **options)


def numbers(amazon: Amazon, queue: str) -> list[int]:
    return sorted(UUID(said["task_execution_id"]).int for said in amazon.said(queue))


@pytest.fixture
def doorbells(amazon: Amazon) -> Doorbells:
    return Doorbells({"default": amazon.queue("default"), "slow": amazon.queue("slow")})


@pytest.fixture
def stubbed(doorbells: Doorbells) -> Iterator[Stubber]:
    """SQS, as far as a test says what it answers."""
    with Stubber(doorbells._client) as stubber:  # noqa: SLF001 - the client that is used, not another
        yield stubber
        stubber.assert_no_pending_responses()


def test_messages_arrive_at_their_queues_however_many_they_are(doorbells: Doorbells, amazon: Amazon) -> None:
    sent = [message(number, "slow" if number % 3 == 0 else "default") for number in range(37)]
    assert {} == doorbells.send(sent)
    assert [number for number in range(37) if number % 3 == 0] == numbers(amazon, "slow")
    assert [number for number in range(37) if number % 3] == numbers(amazon, "default")


def test_the_trace_context_goes_with_a_message(doorbells: Doorbells, amazon: Amazon) -> None:
    doorbells.send([message(1, traceparent=PARENT)])
    (received,) = amazon.messages("default")
    assert {"DataType": "String", "StringValue": PARENT} == received["MessageAttributes"]["traceparent"]


def test_the_header_of_amazon_is_an_attribute_of_the_system(doorbells: Doorbells, stubbed: Stubber) -> None:
    header = "Root=1-0af76519-16cd43dd8448eb211c80319c;Parent=b7ad6b7169203331;Sampled=1"
    entry = {
        "Id": "0",
        "MessageBody": message(1, traceparent=PARENT).body,
        "MessageAttributes": {"traceparent": {"DataType": "String", "StringValue": PARENT}},
        "MessageSystemAttributes": {"AWSTraceHeader": {"DataType": "String", "StringValue": header}},
    }
    stubbed.add_response("send_message_batch", {"Successful": [], "Failed": []}, {"QueueUrl": ANY, "Entries": [entry]})
    assert {} == doorbells.send([message(1, traceparent=PARENT)])


def test_a_trace_context_that_sqs_would_refuse_stays_behind_and_the_message_goes(
    doorbells: Doorbells, amazon: Amazon
) -> None:
    assert {} == doorbells.send([message(1, traceparent="00-\x01")])
    assert [1] == numbers(amazon, "default")


def test_entries_that_were_refused_are_told_by_their_place_and_the_rest_is_sent(
    doorbells: Doorbells, stubbed: Stubber
) -> None:
    """The call itself answers 200."""
    failed = [
        {"Id": "1", "SenderFault": True, "Code": "InvalidMessageContents", "Message": "no such character"},
        {"Id": "3", "SenderFault": False, "Code": "InternalError"},
    ]
    answer = {"Successful": [{"Id": "0", "MessageId": "m", "MD5OfMessageBody": "0"}], "Failed": failed}
    stubbed.add_response("send_message_batch", answer, {"QueueUrl": ANY, "Entries": ANY})
    refused = doorbells.send([message(number) for number in range(4)])
    assert {1: "InvalidMessageContents: no such character", 3: "InternalError"} == refused


def test_a_call_that_fails_refuses_its_entries_and_those_that_would_follow_to_the_same_queue(
    doorbells: Doorbells, stubbed: Stubber
) -> None:
    stubbed.add_response("send_message_batch", {"Successful": [], "Failed": []}, {"QueueUrl": ANY, "Entries": ANY})
    stubbed.add_client_error("send_message_batch", "AccessDenied", "not yours", http_status_code=403)
    refused = doorbells.send([message(number) for number in range(35)])
    assert list(range(10, 35)) == sorted(refused)
    assert all("AccessDenied" in reason and "not yours" in reason for reason in refused.values())


def test_a_queue_that_fails_keeps_no_other_queue_from_its_messages(amazon: Amazon) -> None:
    doorbells = Doorbells({"gone": f"{amazon.endpoint}/{ACCOUNT}/gone", "slow": amazon.queue("slow")})
    refused = doorbells.send([message(0, "gone"), message(1, "slow"), message(2, "gone")])
    assert [0, 2] == sorted(refused)
    assert [1] == numbers(amazon, "slow")


def test_when_sqs_cannot_be_reached_every_message_is_refused_with_the_reason(
    doorbells: Doorbells, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    refused = doorbells.send([message(number) for number in range(12)])
    assert list(range(12)) == sorted(refused)
    assert {True} == {"Could not connect" in reason for reason in refused.values()}


def test_a_message_for_a_queue_that_is_not_mapped_is_refused(doorbells: Doorbells) -> None:
    assert {0: "the queue other is mapped to no SQS queue"} == doorbells.send([message(1, "other")])
    assert (True, False) == (doorbells.serves("slow"), doorbells.serves("other"))


def test_a_batch_has_ten_entries_and_a_mebibyte_at_most() -> None:
    small = [{"Id": str(number), "MessageBody": "x"} for number in range(25)]
    assert [10, 10, 5] == [len(batch) for batch in batches(small)]
    third = [{"Id": str(number), "MessageBody": "x" * (BYTES // 3)} for number in range(7)]
    assert [3, 3, 1] == [len(batch) for batch in batches(third)]
    assert [] == list(batches([]))


def test_attributes_and_bytes_count_not_characters() -> None:
    half = {"Id": "0", "MessageBody": "ü" * (BYTES // 4)}
    assert [2] == [len(batch) for batch in batches([half, half])]
    attribute = {"MessageAttributes": {"traceparent": {"DataType": "String", "StringValue": PARENT}}}
    assert [1, 1] == [len(batch) for batch in batches([half, half | attribute])]


def test_messages_come_back_sooner_when_they_are_told_to(doorbells: Doorbells, amazon: Amazon) -> None:
    doorbells.send([message(number) for number in range(12)])
    receipts = [received["ReceiptHandle"] for received in amazon.messages("default")]
    assert 12 == len(receipts)
    assert {} == doorbells.shorten(f"arn:aws:sqs:{REGION}:{ACCOUNT}:default", receipts, seconds=0)
    assert list(range(12)) == numbers(amazon, "default")


def test_a_queue_that_is_in_no_map_is_found_by_its_arn(amazon: Amazon) -> None:
    amazon.client("sqs").send_message(QueueUrl=amazon.queue("default"), MessageBody=message(1).body)
    (received,) = amazon.messages("default")
    arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:default"
    assert {} == Doorbells({}).shorten(arn, [received["ReceiptHandle"]], seconds=0)
    assert [1] == numbers(amazon, "default")


def test_messages_that_will_not_come_back_sooner_are_told(doorbells: Doorbells, stubbed: Stubber) -> None:
    failed = {"Id": "11", "SenderFault": True, "Code": "ReceiptHandleIsInvalid"}
    for refused in ([], [failed]):
        answer = {"Successful": [], "Failed": refused}
        stubbed.add_response("change_message_visibility_batch", answer, {"QueueUrl": ANY, "Entries": ANY})
    arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:default"
    assert {11: "ReceiptHandleIsInvalid"} == doorbells.shorten(arn, [str(n) for n in range(12)], seconds=30)


def test_the_body_is_what_a_worker_reads(doorbells: Doorbells, amazon: Amazon) -> None:
    sent = message(7, task_type="http.request", traceparent=PARENT)
    doorbells.send([sent])
    (received,) = amazon.messages("default")
    assert sent == Message.read(received["Body"])
    assert "http.request" == json.loads(received["Body"])["task_type"]
