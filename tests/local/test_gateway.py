"""HTTP in and out as API Gateway's HTTP APIs do it, over real sockets."""

import http.client
import json
from collections.abc import Iterator
from typing import Any

import pytest

from penstock.local.gateway import Gateway
from penstock.local.runtime import Answer, failure
from penstock.local.template import Route

ROUTES = [
    Route("ANY", "/v1/{proxy+}", "Api"),
    Route("GET", "/v1/things/{id}", "Things"),
    Route("POST", "/only-post", "Api"),
]


class Functions:
    """Answers as it is told, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Any]] = []
        self.answer = Answer({"statusCode": 204})

    def __call__(self, name: str, event: Any) -> Answer:
        self.asked.append((name, event))
        return self.answer


@pytest.fixture
def functions() -> Functions:
    return Functions()


@pytest.fixture
def port(functions: Functions) -> Iterator[int]:
    with Gateway(0) as gateway:
        gateway.start(ROUTES, functions)
        yield gateway.server_port
        gateway.shutdown()


def ask(
    port: int, method: str, target: str, body: bytes | None = None, headers: list[tuple[str, str]] | None = None
) -> tuple[int, http.client.HTTPMessage, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.putrequest(method, target)
        for name, value in headers or []:
            connection.putheader(name, value)
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


# --- in ----------------------------------------------------------------------------------------------------------


def test_a_request_becomes_the_payload_of_api_gateway(port: int, functions: Functions) -> None:
    headers = [
        ("Header1", "value1"),
        ("header1", "value2"),
        ("Cookie", "cookie1=a; cookie2=b"),
        ("User-Agent", "agent"),
        ("Content-Type", "application/json; charset=utf-8"),
    ]
    ask(port, "POST", "/v1/my%20path/x?parameter1=value1&parameter1=value2&parameter2=a%20b&c=", b'{"a": 1}', headers)
    ((name, event),) = functions.asked
    sent, context = event["headers"], event["requestContext"]
    assert ("Api", "2.0", "ANY /v1/{proxy+}") == (name, event["version"], event["routeKey"])
    assert ("/v1/my path/x", {"proxy": "my path/x"}) == (event["rawPath"], event["pathParameters"])
    assert "parameter1=value1&parameter1=value2&parameter2=a%20b&c=" == event["rawQueryString"]
    assert {"parameter1": "value1,value2", "parameter2": "a b", "c": ""} == event["queryStringParameters"]
    assert ["cookie1=a", "cookie2=b"] == event["cookies"]
    assert ("value1,value2", "127.0.0.1", True) == (sent["header1"], sent["x-forwarded-for"], "cookie" not in sent)
    assert sent["x-amzn-trace-id"].startswith("Root=1-")
    assert ('{"a": 1}', False) == (event["body"], event["isBase64Encoded"])
    assert {
        "method": "POST",
        "path": "/v1/my path/x",
        "protocol": "HTTP/1.1",
        "sourceIp": "127.0.0.1",
        "userAgent": "agent",
    } == context["http"]
    assert ("$default", "012345678901", False) == (context["stage"], context["accountId"], "authorizer" in context)


def test_a_request_without_anything_has_no_empty_fields(port: int, functions: Functions) -> None:
    ask(port, "GET", "/v1/x")
    ((_, event),) = functions.asked
    assert [] == [name for name in ("cookies", "queryStringParameters", "body") if name in event]


def test_a_body_that_is_no_text_arrives_in_base64(port: int, functions: Functions) -> None:
    ask(port, "POST", "/v1/x", b"\xff", [("Content-Type", "application/json")])
    ask(port, "POST", "/v1/x", b"a=1", [("Content-Type", "application/x-www-form-urlencoded")])
    assert [("/w==", True), ("YT0x", True)] == [
        (event["body"], event["isBase64Encoded"]) for _, event in functions.asked
    ]


def test_the_route_that_says_most_is_taken(port: int, functions: Functions) -> None:
    ask(port, "GET", "/v1/things/7")
    ask(port, "DELETE", "/v1/things/7")
    assert [("Things", {"id": "7"}), ("Api", {"proxy": "things/7"})] == [
        (name, event["pathParameters"]) for name, event in functions.asked
    ]


@pytest.mark.parametrize(("method", "path"), [("GET", "/"), ("GET", "/v1/"), ("GET", "/only-post"), ("PUT", "/v2/x")])
def test_what_has_no_route_is_not_found(port: int, functions: Functions, method: str, path: str) -> None:
    status, _, body = ask(port, method, path)
    assert (404, {"message": "Not Found"}, []) == (status, json.loads(body), functions.asked)


def test_a_body_that_lambda_would_not_take_is_too_large(port: int, functions: Functions) -> None:
    status, _, _ = ask(port, "POST", "/v1/x", b"a" * (6 * 1024 * 1024), [("Content-Type", "text/plain")])
    assert (413, []) == (status, functions.asked)
    status, headers, _ = ask(port, "POST", "/v1/x", headers=[("Content-Length", str(10 * 1024 * 1024 + 1))])
    assert (413, "keep-alive") != (status, headers.get("connection"))
    assert 413 == status


def test_a_body_of_unknown_length_is_refused(port: int) -> None:
    assert 411 == ask(port, "POST", "/v1/x", headers=[("Transfer-Encoding", "chunked")])[0]


# --- out ---------------------------------------------------------------------------------------------------------


def test_an_answer_goes_out_with_its_headers_cookies_and_decoded_body(port: int, functions: Functions) -> None:
    functions.answer = Answer(
        {
            "statusCode": 201,
            "headers": {"content-type": "application/problem+json", "Location": "/v1/x/1", "content-length": "999"},
            "cookies": ["a=1; Secure", "b=2"],
            "body": "/w==",
            "isBase64Encoded": True,
        }
    )
    status, headers, body = ask(port, "GET", "/v1/x")
    assert (201, b"\xff", "/v1/x/1") == (status, body, headers["location"])
    assert (["a=1; Secure", "b=2"], True) == (headers.get_all("set-cookie"), "apigw-requestid" in headers)
    assert (["application/problem+json"], ["1"]) == (headers.get_all("content-type"), headers.get_all("content-length"))


def test_an_answer_without_a_status_is_the_body_itself(port: int, functions: Functions) -> None:
    functions.answer = Answer({"hello": "there"})
    status, headers, body = ask(port, "GET", "/v1/x")
    assert (200, {"hello": "there"}, "application/json") == (status, json.loads(body), headers["content-type"])


@pytest.mark.parametrize(
    ("answer", "status", "message"),
    [
        (failure("ZeroDivisionError", "division by zero"), 500, "Internal Server Error"),
        (failure("Sandbox.Timedout", "Task timed out", timed_out=True), 503, "Service Unavailable"),
        (Answer({"statusCode": "no number"}), 500, "Internal Server Error"),
        (Answer({"statusCode": 200, "body": "!", "isBase64Encoded": True}), 500, "Internal Server Error"),
    ],
)
def test_a_function_that_fails_says_no_more_than_that(
    port: int, functions: Functions, answer: Answer, status: int, message: str
) -> None:
    functions.answer = answer
    found, _, body = ask(port, "GET", "/v1/x")
    assert (status, {"message": message}) == (found, json.loads(body))


def test_the_body_of_an_answer_to_head_stays_here(port: int, functions: Functions) -> None:
    functions.answer = Answer({"statusCode": 200, "body": "abc"})
    status, headers, body = ask(port, "HEAD", "/v1/x")
    assert (200, "3", b"") == (status, headers["content-length"], body)
