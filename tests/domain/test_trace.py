"""Trace contexts in the words of W3C and in those of Amazon."""

import pytest

from penstock.dal import pipelines
from penstock.domain import trace
from penstock.domain.errors import InvalidInput
from tests.acting import job, step

ID, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = f"00-{ID}-{SPAN}-01"
ROOT = "Root=1-0af76519-16cd43dd8448eb211c80319c"


@pytest.mark.parametrize("value", [PARENT, f"00-{ID}-{SPAN}-00", f"00-{ID}-{SPAN}-ff"])
def test_what_is_well_formed_stays_as_it_is(value: str) -> None:
    assert value == trace.traceparent("traceparent", value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [(f"01-{ID}-{SPAN}-03", PARENT), (f"cc-{ID}-{SPAN}-00-what-the-future-brings", f"00-{ID}-{SPAN}-00")],
)
def test_a_later_version_is_taken_for_what_is_known_of_it(value: str, expected: str) -> None:
    assert expected == trace.traceparent("traceparent", value)


@pytest.mark.parametrize(
    "value",
    [
        "", "00", PARENT.upper(), f" {PARENT}", f"{PARENT}\n", f"{PARENT}-00", f"ff-{ID}-{SPAN}-01", f"00-{ID[1:]}-{SPAN}-01",
        f"00-{ID}-{SPAN}-1", f"00-{'0' * 32}-{SPAN}-01", f"00-{ID}-{'0' * 16}-01", f"01-{ID}-{SPAN}-01x", None, 7,
    ],
)  # fmt: skip
def test_what_is_not_is_refused_in_its_field(value: str) -> None:
    with pytest.raises(InvalidInput, match=r"^traceparent: "):
        trace.traceparent("traceparent", value)


def test_a_trace_begins_and_goes_on_from_span_to_span() -> None:
    begun = trace.new(trace_id=bytes.fromhex(ID), span_id=bytes.fromhex(SPAN))
    assert PARENT == begun
    assert f"00-{ID}-0000000000000001-01" == trace.child(begun, (1).to_bytes(8, "big"))
    assert f"00-{ID}-{SPAN}-00" == trace.new(trace_id=bytes.fromhex(ID), span_id=bytes.fromhex(SPAN), sampled=False)
    assert ID == trace.trace_id(begun)


def test_what_amazon_says_is_said_back() -> None:
    header = f"{ROOT};Parent={SPAN};Sampled=1"
    assert PARENT == trace.from_amazon(header)
    assert header == trace.as_amazon(PARENT)
    assert f"{ROOT};Parent={SPAN};Sampled=0" == trace.as_amazon(f"00-{ID}-{SPAN}-02")


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (ROOT, f"00-{ID}-{ID[-16:]}-00"),
        (f"Self=1-67891234-12456789abcdef012345678;{ROOT}", f"00-{ID}-{ID[-16:]}-00"),
        (f"{ROOT};Parent={SPAN};Sampled=0;Lineage=a87bd80c:1|68fd508a:5", f"00-{ID}-{SPAN}-00"),
        (f"{ROOT}; Parent={SPAN}; Sampled=1", PARENT),
        ("", None),
        ("Root=1-0af76519", None),
        (f"Root=1-{'0' * 8}-{'0' * 24};Parent={SPAN}", None),
        (f"{ROOT};Parent=xyz", None),
    ],
)
def test_of_a_header_of_amazon_what_is_there_is_used(header: str, expected: str | None) -> None:
    assert expected == trace.from_amazon(header)


def test_a_trace_context_that_no_queue_would_take_gets_no_further_than_the_request() -> None:
    for wrong in ("00-1", f"{PARENT}\x01"):
        with pytest.raises(InvalidInput, match=r"^traceparent: "):
            job(traceparent=wrong)
        with pytest.raises(InvalidInput, match=r"^traceparent: "):
            pipelines.NewPipeline("nightly", [step("a")], traceparent=wrong)
    assert PARENT == job(traceparent=PARENT).traceparent
