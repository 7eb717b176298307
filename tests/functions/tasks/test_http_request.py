"""http.request against a real server: what is sent, what is kept, and where it may not go."""

import json
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.functions.tasks.conftest import Run, refused
from tests.listening import Asked, Listener, Said, listening

LOCAL = {"HTTP_REQUEST_HOSTS": "localhost"}
HELLO = Said(200, b'{"hello": "world"}', {"Content-Type": "application/json", "Set-Cookie": "session=secret"})


@pytest.fixture
def says() -> Iterator[Callable[[Said | Callable[[Asked], Said]], Listener]]:
    """Starts a server that says this."""
    running: list[Any] = []

    def start(said: Said | Callable[[Asked], Said]) -> Listener:
        running.append(listening(said if callable(said) else lambda _: said))
        return running[-1].__enter__()  # type: ignore[no-any-return]  # a list of servers

    yield start
    for each in running:
        each.__exit__(None, None, None)


Says = Callable[[Said | Callable[[Asked], Said]], Listener]


def test_a_json_answer_is_kept_as_json_and_without_its_cookies(run: Run, says: Says) -> None:
    server = says(HELLO)
    row = run("http.request", {"url": f"{server.url}/greet?in=en"}, **LOCAL)
    assert ("completed", ["localhost"]) == (row.status, list(row.services_touched))
    assert (200, {"hello": "world"}) == (row.outcome["status"], row.outcome["json"])
    assert {"content-type", "content-length", "server", "date"} == set(row.outcome["headers"])
    assert ("GET", "/greet?in=en", b"") == (server.asked[0].method, server.asked[0].path, server.asked[0].body)


def test_the_request_is_sent_as_it_was_wanted(run: Run, says: Says) -> None:
    server = says(Said(201))
    config = {"url": f"{server.url}/things", "method": "POST", "body": {"a": 1}, "headers": {"X-Kind": "test"}}
    row = run("http.request", config, **LOCAL)
    (asked,) = server.asked
    assert ("POST", {"a": 1}, "test") == (asked.method, json.loads(asked.body), asked.headers["x-kind"])
    assert ("application/json", f'"{row.id}"') == (asked.headers["content-type"], asked.headers["idempotency-key"])
    assert f"localhost:{server.port}" == asked.headers["host"]
    assert ("completed", 201, "") == (row.status, row.outcome["status"], row.outcome["body"])


def test_the_trace_of_the_job_goes_out_with_the_request(run: Run, says: Says) -> None:
    server = says(HELLO)
    run("http.request", {"url": server.url}, **LOCAL)
    sent = server.asked[0].headers["traceparent"].split("-")
    assert ["00", "4bf92f3577b34da6a3ce929d0e0e4736", "01"] == [sent[0], sent[1], sent[3]]
    assert "00f067aa0ba902b7" != sent[2]


def test_what_the_config_says_about_a_header_wins(run: Run, says: Says) -> None:
    server = says(HELLO)
    ours = {"idempotency-key": "mine", "Content-Type": "text/csv", "USER-AGENT": "me"}
    run("http.request", {"url": server.url, "method": "PUT", "body": "a,b", "headers": ours}, **LOCAL)
    asked = server.asked[0]
    assert ("mine", "text/csv", "me", b"a,b") == (
        asked.headers["idempotency-key"], asked.headers["content-type"], asked.headers["user-agent"], asked.body,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("body", "content_type", "kept"),
    [
        (b"caf\xc3\xa9", "text/plain", {"body": "café", "truncated": False}),
        (b"caf\xe9", "text/plain; charset=latin-1", {"body": "café", "truncated": False}),
        (b"caf\xe9", "text/plain; charset=no-such", {"body": "caf\N{REPLACEMENT CHARACTER}", "truncated": False}),
        (b"a\x00b", "application/octet-stream", {"body": "a\N{REPLACEMENT CHARACTER}b", "truncated": False}),
        (b'{"a": "\\u0000"}', "application/json", {"body": '{"a": "\\u0000"}', "truncated": False}),
        (b'{"a": NaN}', "application/json", {"body": '{"a": NaN}', "truncated": False}),
        (b"[" * 30_000, "application/json", {"body": "[" * 30_000, "truncated": False}),
        (b"[1]", "application/problem+json", {"json": [1]}),
        (b"x" * 70_000, "text/plain", {"body": "x" * 65_536, "truncated": True}),
        (b"\x01" * 60_000, "text/plain", {"body": "\x01" * 34_133, "truncated": True}),
        ("é".encode() * 32_768, "text/plain", {"body": "é" * 32_768, "truncated": False}),
    ],
    ids=[
        "utf-8",
        "latin-1",
        "odd",
        "nul",
        "json-nul",
        "json-nan",
        "json-deep",
        "problem",
        "long",
        "control",
        "accents",
    ],
)
def test_whatever_the_body_is_it_can_be_kept(
    run: Run, says: Says, body: bytes, content_type: str, kept: dict[str, Any]
) -> None:
    server = says(Said(200, body, {"Content-Type": content_type}))
    row = run("http.request", {"url": server.url}, **LOCAL)
    assert "completed" == row.status
    assert kept == {name: row.outcome[name] for name in ("body", "truncated", "json") if name in row.outcome}


def test_headers_of_any_number_and_size_can_be_kept(run: Run, says: Says) -> None:
    many = {f"X-{'n' * 80}-{number}": "\xe9" * 500 for number in range(80)}
    server = says(Said(200, b"\x01" * 65_536, many))
    assert "completed" == run("http.request", {"url": server.url}, **LOCAL).status


def test_a_status_that_is_expected_is_a_success(run: Run, says: Says) -> None:
    server = says(Said(404))
    assert "completed" == run("http.request", {"url": server.url, "expected": [200, 404]}, **LOCAL).status


def test_a_status_that_is_not_expected_is_tried_again_only_if_it_may_pass(run: Run, says: Says) -> None:
    server = says(Said(503, b"busy"))
    row = run("http.request", {"url": server.url}, **LOCAL)
    assert ("ready", f"{server.url} answered 503: busy", ["localhost"]) == (
        row.status, row.error, list(row.services_touched or ["localhost"]),
    )  # fmt: skip
    server = says(Said(404, b"none"))
    assert ("UnexpectedStatus", f"{server.url} answered 404: none") == refused(
        run("http.request", {"url": server.url}, **LOCAL)
    )


def test_nobody_at_home_is_an_attempt_that_failed(run: Run) -> None:
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        row = run("http.request", {"url": f"http://localhost:{unheard.getsockname()[1]}"}, **LOCAL)
    assert ("ready", 2) == (row.status, row.attempt)
    assert "refused" in row.error


# --- redirects ---------------------------------------------------------------------------------------------------


def to(location: str, status: int = 302) -> Callable[[Asked], Said]:
    """Redirects, until it is asked for the end."""
    return lambda asked: HELLO if asked.path == "/end" else Said(status, b"", {"Location": location})


def test_a_redirect_on_the_same_host_is_followed(run: Run, says: Says) -> None:
    server = says(to("/end"))
    row = run("http.request", {"url": f"{server.url}/begin", "method": "POST", "body": {"a": 1}}, **LOCAL)
    assert (f"{server.url}/end", {"hello": "world"}) == (row.outcome["url"], row.outcome["json"])
    assert [("POST", b'{"a": 1}'), ("GET", b"")] == [(asked.method, asked.body) for asked in server.asked]


def test_a_redirect_that_says_so_repeats_the_request(run: Run, says: Says) -> None:
    server = says(to("/end", 307))
    run("http.request", {"url": f"{server.url}/begin", "method": "POST", "body": "x"}, **LOCAL)
    assert [("POST", b"x"), ("POST", b"x")] == [(asked.method, asked.body) for asked in server.asked]


def test_a_redirect_to_another_host_is_not_followed_even_if_that_is_listed(run: Run, says: Says) -> None:
    server = says(to("http://127.0.0.1/end"))
    row = run("http.request", {"url": server.url}, HTTP_REQUEST_HOSTS="localhost,127.0.0.1")
    assert ("NotAllowed", "localhost redirects to 127.0.0.1, which is another host") == refused(row)


def test_a_redirect_to_nonsense_is_refused(run: Run, says: Says) -> None:
    server = says(to("ftp://localhost/end"))
    assert "InvalidLocation" == refused(run("http.request", {"url": server.url}, **LOCAL))[0]


def test_redirects_without_an_end_are_given_up(run: Run, says: Says) -> None:
    server = says(to("/begin"))
    assert "NotAllowed" == refused(run("http.request", {"url": f"{server.url}/begin"}, **LOCAL))[0]
    assert 6 == len(server.asked)


# --- what is refused ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hosts", "url", "error"),
    [
        ("", "http://localhost", "the host localhost is not listed in HTTP_REQUEST_HOSTS"),
        ("*.example.com", "https://example.com", "the host example.com is not listed in HTTP_REQUEST_HOSTS"),
        ("example.com", "https://api.example.com", "the host api.example.com is not listed in HTTP_REQUEST_HOSTS"),
        ("*.example.com", "https://badexample.com", "the host badexample.com is not listed in HTTP_REQUEST_HOSTS"),
        ("example.com", "http://example.com", "example.com is to be called over https"),
        ("*.0.0.1", "https://127.0.0.1", "127.0.0.1 resolves to 127.0.0.1, which is no public address"),
    ],
)
def test_a_call_that_is_not_allowed_is_refused_for_good(run: Run, hosts: str, url: str, error: str) -> None:
    kind, message = refused(run("http.request", {"url": url}, HTTP_REQUEST_HOSTS=hosts))
    assert "NotAllowed" == kind
    assert message.startswith(error)


@pytest.mark.parametrize(
    ("config", "error"),
    [
        ({}, "config.url: is missing"),
        ({"url": "https://a", "verb": "GET"}, "config.verb: is not known; known are url, method, headers, body,"),
        ({"url": 7}, "config.url: must be a text, not int"),
        ({"url": "ftp://a"}, "config.url: must be an absolute URL"),
        ({"url": "https://"}, "config.url: must be an absolute URL"),
        ({"url": "https://a:99999"}, "config.url: must be an absolute URL"),
        ({"url": "https://a/b c"}, "config.url: must be a URL of printable ASCII characters"),
        ({"url": "https://ä.example"}, "config.url: must be a URL of printable ASCII characters"),
        ({"url": "https://a\r\nX: 1"}, "config.url: must be a URL of printable ASCII characters"),
        ({"url": "https://me:secret@a"}, "config.url: holds a user or a password"),
        ({"url": "https://a", "method": "get"}, "config.method: is 'get'; it must be one of GET, HEAD"),
        ({"url": "https://a", "method": []}, "config.method: is []; it must be one of GET, HEAD"),
        ({"url": "https://a", "headers": []}, "config.headers: must be a JSON object"),
        ({"url": "https://a", "headers": {"Host": "b"}}, "config.headers.Host: is no header that a request may set"),
        ({"url": "https://a", "headers": {"A B": "b"}}, "config.headers.A B: is no header that a request may set"),
        ({"url": "https://a", "headers": {"A": "b\r\nc"}}, "config.headers.A: must be a text of printable ASCII"),
        ({"url": "https://a", "headers": {"A": 1}}, "config.headers.A: must be a text of printable ASCII"),
        ({"url": "https://a", "expected": 200}, "config.expected: must be a list of statuses"),
        ({"url": "https://a", "expected": [20]}, "config.expected: is 20; it must be a whole number from 100 to 599"),
        ({"url": "https://a", "timeout_seconds": 0}, "config.timeout_seconds: is 0; it must be a number from 1 to 900"),
        ({"url": "https://a", "max_bytes": -1}, "config.max_bytes: is -1; it must be a whole number from 0 to 65,536"),
    ],
)
def test_a_config_that_is_wrong_is_refused_by_its_field(run: Run, config: dict[str, Any], error: str) -> None:
    kind, message = refused(run("http.request", config, HTTP_REQUEST_HOSTS="a"))
    assert "InvalidConfig" == kind
    assert message.startswith(error)
