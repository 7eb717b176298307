"""What a message says is read as it was written, and what is none of ours is refused."""

import json
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.domain import limits
from penstock.domain.doorbells import Message
from penstock.domain.errors import InvalidInput

ID = UUID("0190a6d4-7b2c-7def-8123-456789abcdef")
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1).filter(str.strip)

# In SQS no message may hold another character, or be longer.
ALLOWED = {"\t", "\n", "\r", *map(chr, range(0x20, 0x7F))}
MEBIBYTE = 1024 * 1024


@given(
    queue=NAMES.filter(lambda text: len(text) <= limits.QUEUE),
    task_type=st.none() | NAMES.filter(lambda text: len(text) <= limits.NAME),
    traceparent=st.sampled_from([None, PARENT]),
)
def test_a_message_is_read_as_it_was_written_and_no_queue_would_refuse_it(
    queue: str, task_type: str | None, traceparent: str | None
) -> None:
    message = Message(ID, queue, task_type, traceparent)
    assert message == Message.read(message.body)
    assert set() == set(message.body) - ALLOWED
    assert len(message.body) < MEBIBYTE / 10


def test_the_body_is_json_that_others_can_read_too() -> None:
    assert {"task_execution_id": str(ID), "queue": "default"} == json.loads(Message(ID, "default").body)


def test_what_a_later_release_adds_does_no_harm() -> None:
    body = json.dumps({"task_execution_id": str(ID), "queue": "default", "urgency": 3})
    assert Message(ID, "default") == Message.read(body)


def test_a_doorbell_whose_trace_context_is_damaged_still_rings() -> None:
    body = json.dumps({"task_execution_id": str(ID), "queue": "default", "traceparent": "00-1"})
    assert Message(ID, "default") == Message.read(body)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ("", "body"),
        ("hello", "body"),
        ("[1]", "body"),
        ("[" * 100_000, "body"),
        ("{}", "task_execution_id"),
        ('{"task_execution_id": 7, "queue": "q"}', "task_execution_id"),
        ('{"task_execution_id": "not-a-uuid", "queue": "q"}', "task_execution_id"),
        (f'{{"task_execution_id": "{ID}"}}', "queue"),
        (f'{{"task_execution_id": "{ID}", "queue": 7}}', "queue"),
        (f'{{"task_execution_id": "{ID}", "queue": "q", "task_type": 7}}', "task_type"),
    ],
)
def test_what_is_none_of_ours_is_refused(body: str, field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        Message.read(body)
    assert field == refused.value.field
