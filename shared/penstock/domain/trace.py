"""W3C trace context: one thread from a request, through the outbox and a message, into the logs of a worker.

Also in the words of Amazon: `Root=1-67891233-abcdef012345678912345678;Parent=53995c3f42cd8ad8;Sampled=1`.
"""

import re

from penstock.domain.errors import InvalidInput

FORM = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?")
ROOT = re.compile(r"1-([0-9a-f]{8})-([0-9a-f]{24})")
RESERVED_VERSION = "ff"
SAMPLED = 0x01


def traceparent(field: str, value: str) -> str:
    """A trace context, as version 00 writes it."""
    matched = FORM.fullmatch(value) if isinstance(value, str) else None
    if not matched or matched[1] == RESERVED_VERSION or (matched[1] == "00" and len(value) != matched.end(4)):
        raise InvalidInput(field, "is not a W3C traceparent, such as 00-<32 hex digits>-<16 hex digits>-01")
    if not int(matched[2], 16) or not int(matched[3], 16):
        raise InvalidInput(field, "has a trace or parent id of zeros, which stands for none; leave it out instead")
    if matched[1] == "00":
        return value
    # Of a later version nothing more is known than where these fields are, and what their first flag means.
    return _written(matched[2], matched[3], sampled=_is_sampled(matched[4]))


def new(*, trace_id: bytes, span_id: bytes, sampled: bool = True) -> str:
    """A trace that begins here."""
    return traceparent("traceparent", _written(trace_id.hex(), span_id.hex(), sampled=sampled))


def child(parent: str, span_id: bytes) -> str:
    """The same trace, one span further."""
    _, trace, _, flags = traceparent("traceparent", parent).split("-")
    return traceparent("traceparent", f"00-{trace}-{span_id.hex()}-{flags}")


def trace_id(parent: str) -> str:
    """What all spans of a trace have in common: what one looks for in logs."""
    return traceparent("traceparent", parent).split("-")[1]


def from_amazon(header: str) -> str | None:
    """The trace context of an X-Amzn-Trace-Id, if there is one in it."""
    fields = dict(part.strip().partition("=")[::2] for part in header.split(";"))
    root = ROOT.fullmatch(fields.get("Root", ""))
    if not root:
        return None
    trace = root[1] + root[2]
    # A gateway that begins a trace names no parent: the request itself is its first span.
    span = fields.get("Parent") or trace[-16:]
    try:
        return traceparent("header", _written(trace, span, sampled=fields.get("Sampled") == "1"))
    except InvalidInput:
        return None


def as_amazon(parent: str) -> str:
    """The same as an X-Amzn-Trace-Id."""
    _, trace, span, flags = traceparent("traceparent", parent).split("-")
    return f"Root=1-{trace[:8]}-{trace[8:]};Parent={span};Sampled={int(_is_sampled(flags))}"


def _is_sampled(flags: str) -> bool:
    return bool(int(flags, 16) & SAMPLED)


def _written(trace: str, span: str, *, sampled: bool) -> str:
    return f"00-{trace}-{span}-{int(sampled):02}"
