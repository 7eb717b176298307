"""http.request: calls somebody over HTTP. Where to, HTTP_REQUEST_HOSTS allows."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from penstock import wiring
from penstock.domain import limits
from penstock.domain.errors import InvalidInput
from penstock.work import ConfigField, Context, Fail, Outcome, read_config, task_type
from penstock.work.egress import Answer, NotAllowed, Request, send, split
from penstock.work.run import clean

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
REPEATABLE = ("GET", "HEAD", "OPTIONS")
OURS = ("host", "content-length", "transfer-encoding", "connection")
# Answers that may be another one next time.
PASSING = frozenset({408, 425, 429, *range(500, 600)})
TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz")
MOST_BYTES = 64 * 1024
LONGEST_URL = 2_000
# With these the answer fits into what may be kept, whatever is in it.
MOST_JSON, MOST_HEADERS, LONGEST_HEADER = 200 * 1024, 30, 100
QUOTED = 500


class UnexpectedStatus(Exception):
    """The answer has a status that was not expected, and may be another one next time."""


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """The config. A body that is no text is sent as JSON; without *expected*, every 2xx will do."""

    url: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    expected: tuple[int, ...] = ()
    timeout_seconds: float = 30
    max_bytes: int = MOST_BYTES

    def __post_init__(self) -> None:
        split("url", limits.text("url", self.url, LONGEST_URL))
        if self.method not in METHODS:
            raise ConfigField("method", f"is {self.method!r}; it must be one of {', '.join(METHODS)}")
        limits.payload("headers", self.headers)
        for name, value in self.headers.items():
            _check_header(name, value)
        if not isinstance(self.expected, list | tuple):
            raise ConfigField("expected", "must be a list of statuses, such as [200, 404]")
        for status in self.expected:
            limits.within("expected", status, (100, 599))
        limits.between("timeout_seconds", self.timeout_seconds, (1, 900))
        limits.within("max_bytes", self.max_bytes, (0, MOST_BYTES))

    def expects(self, status: int) -> bool:
        """Whether this status is a success."""
        return status in self.expected if self.expected else 200 <= status < 300  # noqa: PLR2004 - what 2xx means


@task_type("http.request")
def http_request(context: Context) -> Outcome:
    """Sends the request; the status, headers and body of the answer."""
    wanted = read_config(HttpRequest, context.config)
    host = split("url", wanted.url).hostname or ""
    context.touch(host)
    timeout = min(float(wanted.timeout_seconds), max(context.remaining.total_seconds(), 1.0))
    request = Request(wanted.method, wanted.url, _headers(context, wanted), _body(wanted.body), timeout)
    try:
        answer = send(request, wiring.settings().reach.http_hosts, most_bytes=wanted.max_bytes)
    except NotAllowed as error:
        raise Fail(str(error), error_type="NotAllowed") from None
    except InvalidInput as error:
        raise Fail(str(error), error_type="InvalidLocation") from None
    if not wanted.expects(answer.status):
        raise _unexpected(answer)
    return Outcome(_kept(answer))


def _check_header(name: str, value: Any) -> None:
    if not name or not set(name.lower()) <= TOKEN or name.lower() in OURS:
        raise ConfigField(f"headers.{name}", "is no header that a request may set")
    if not isinstance(value, str) or not value.isascii() or not value.isprintable():
        raise ConfigField(f"headers.{name}", "must be a text of printable ASCII characters")


def _headers(context: Context, wanted: HttpRequest) -> dict[str, str]:
    """What the config says wins. The key is the same in every attempt, so that the other side can tell."""
    headers = {"User-Agent": "penstock"}
    if context.traceparent is not None:
        headers["traceparent"] = context.traceparent
    if wanted.method not in REPEATABLE:
        headers["Idempotency-Key"] = f'"{context.job.id}"'
    if wanted.body is not None and not isinstance(wanted.body, str):
        headers["Content-Type"] = "application/json"
    said = {name.lower() for name in wanted.headers}
    return {name: value for name, value in headers.items() if name.lower() not in said} | dict(wanted.headers)


def _body(body: Any) -> bytes | None:
    return None if body is None else (body if isinstance(body, str) else json.dumps(body)).encode()


def _unexpected(answer: Answer) -> Exception:
    message = f"{answer.url} answered {answer.status}: {clean(_text(answer), QUOTED)}"
    return UnexpectedStatus(message) if answer.status in PASSING else Fail(message, error_type="UnexpectedStatus")


def _kept(answer: Answer) -> dict[str, Any]:
    """What is kept of an answer. Cookies are secrets, and what is kept is kept for ever."""
    shown = [name for name in answer.headers if name != "set-cookie" and len(name) <= LONGEST_HEADER][:MOST_HEADERS]
    headers = {name: clean(answer.headers[name], limits.NAME) for name in shown}
    return {"status": answer.status, "url": answer.url, "headers": headers} | (_json(answer) or _body_text(answer))


def _json(answer: Answer) -> dict[str, Any] | None:
    """The body as JSON, if it is that, and a database can hold it."""
    if not answer.is_whole or "json" not in answer.headers.get("content-type", ""):
        return None
    try:
        found = {"json": json.loads(answer.body)}
        limits.payload("json", found)
    except (ValueError, RecursionError):
        return None
    return found if len(json.dumps(found)) <= MOST_JSON else None


def _body_text(answer: Answer) -> dict[str, Any]:
    text = clean(_text(answer), MOST_BYTES)
    # A control character takes six times its size.
    fits = len(json.dumps(text)) <= MOST_JSON
    return {"body": text if fits else text[: MOST_JSON // 6], "truncated": not (fits and answer.is_whole)}


def _text(answer: Answer) -> str:
    charset = answer.headers.get("content-type", "").partition("charset=")[2].partition(";")[0].strip(' "')
    try:
        return answer.body.decode(charset or "utf-8", errors="replace")
    except LookupError:
        return answer.body.decode(errors="replace")
