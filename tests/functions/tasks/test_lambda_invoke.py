"""lambda.invoke: against a server for Lambda that runs nothing, and against one that says what a failing function says."""

import json
import urllib.request
from typing import Any

import pytest

from tests.amazon import Amazon
from tests.functions.tasks.conftest import Run, refused
from tests.listening import Asked, Said, listening

ARN = "arn:aws:lambda:eu-west-1:123456789012:function:reports"
REACH = {"LAMBDA_INVOKE_ARNS": f"{ARN},{ARN}:live"}
TRUST = {"Version": "2012-10-17", "Statement": []}


@pytest.fixture
def function(amazon: Amazon) -> None:
    """A function that answers with what it was sent."""
    body = json.dumps({"lambda": {"use_docker": False}}).encode()
    urllib.request.urlopen(f"{amazon.endpoint}/moto-api/config", body).close()  # noqa: S310 - our own server
    role = amazon.client("iam").create_role(RoleName="role", AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
    amazon.client("lambda").create_function(
        FunctionName="reports", Runtime="python3.13", Role=role, Handler="app.handler", Code={"ZipFile": b"none"}
    )


def test_a_function_is_invoked_and_its_answer_kept(run: Run, function: None) -> None:
    row = run("lambda.invoke", {"function_arn": ARN, "payload": {"month": 3}}, **REACH)
    assert ("completed", [ARN]) == (row.status, list(row.services_touched))
    assert (200, {"month": 3}) == (row.outcome["status"], row.outcome["payload"])


def test_an_async_invocation_is_done_when_it_is_accepted(run: Run, function: None) -> None:
    row = run("lambda.invoke", {"function_arn": ARN, "mode": "async"}, **REACH)
    assert ("completed", 202) == (row.status, row.outcome["status"])
    assert not {"payload", "payload_text"} & set(row.outcome)


def answered(run: Run, monkeypatch: pytest.MonkeyPatch, said: Said, **config: Any) -> tuple[Any, list[Asked]]:
    """The execution, where Lambda answers so, and what Lambda was asked."""
    with listening(lambda _: said) as listener:
        monkeypatch.setenv("AWS_ENDPOINT_URL", listener.url)
        row = run("lambda.invoke", {"function_arn": ARN, **config}, **REACH)
    return row, listener.asked


def test_a_function_that_is_not_there_is_an_attempt_that_failed(
    run: Run, amazon: Amazon, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = Said(404, b'{"Message": "no such function"}', {"X-Amzn-ErrorType": "ResourceNotFoundException"})
    row, _ = answered(run, monkeypatch, missing)
    assert ("ready", 2) == (row.status, row.attempt)
    assert row.error.endswith("no such function")


def test_an_error_of_the_function_is_a_failure_in_its_words(
    run: Run, amazon: Amazon, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = json.dumps({"errorType": "ValueError", "errorMessage": "no such month", "stackTrace": []}).encode()
    row, asked = answered(run, monkeypatch, Said(200, error, {"X-Amz-Function-Error": "Unhandled"}))
    assert ("ready", "ValueError: no such month", 1) == (row.status, row.error, len(asked))


def test_an_error_without_words_is_kept_as_it_came(run: Run, amazon: Amazon, monkeypatch: pytest.MonkeyPatch) -> None:
    row, _ = answered(run, monkeypatch, Said(200, b"Task timed out", {"X-Amz-Function-Error": "Unhandled"}))
    assert ("ready", "Task timed out") == (row.status, row.error)


def test_a_call_that_fails_is_not_repeated_behind_the_back_of_the_retry_policy(
    run: Run, amazon: Amazon, monkeypatch: pytest.MonkeyPatch
) -> None:
    row, asked = answered(run, monkeypatch, Said(500, b"{}"))
    assert ("ready", 1) == (row.status, len(asked))


@pytest.mark.parametrize(
    ("returned", "kept"),
    [
        (b"", {"payload": None}),
        (b"not JSON", {"payload_text": "not JSON", "truncated": False}),
        (b'"\\u0000"', {"payload_text": '"\\u0000"', "truncated": False}),
        (b'"' + b"x" * 300_000 + b'"', {"payload_text": '"' + "x" * 34_126 + " [...]", "truncated": True}),
        (b"[" + b"1e15," * 30_000 + b"1]", None),
    ],
    ids=["nothing", "text", "nul", "large", "growing"],
)
def test_whatever_a_function_returns_it_can_be_kept(
    run: Run, amazon: Amazon, monkeypatch: pytest.MonkeyPatch, returned: bytes, kept: dict[str, Any] | None
) -> None:
    row, _ = answered(run, monkeypatch, Said(200, returned))
    assert "completed" == row.status
    found = {name: row.outcome[name] for name in ("payload", "payload_text", "truncated") if name in row.outcome}
    assert (kept or {"truncated": True}) == (found if kept else {"truncated": found["truncated"]})


def test_a_function_that_is_not_listed_is_refused_for_good(run: Run) -> None:
    config = {"function_arn": f"{ARN}:other"}
    assert ("NotAllowed", f"{ARN}:other is not listed in LAMBDA_INVOKE_ARNS") == refused(
        run("lambda.invoke", config, **REACH)
    )
    assert "NotAllowed" == refused(run("lambda.invoke", {"function_arn": ARN}))[0]


@pytest.mark.parametrize(
    ("config", "error"),
    [
        ({}, "config.function_arn: is missing"),
        ({"function_arn": " "}, "config.function_arn: must be a text that is not blank"),
        ({"function_arn": ARN, "payload": [1]}, "config.payload: must be a JSON object, not list"),
        ({"function_arn": ARN, "mode": "later"}, "config.mode: is 'later'; it must be sync or async"),
        ({"function_arn": ARN, "mode": {}}, "config.mode: is {}; it must be sync or async"),
    ],
)
def test_a_config_that_is_wrong_is_refused_by_its_field(run: Run, config: dict[str, Any], error: str) -> None:
    assert ("InvalidConfig", error) == refused(run("lambda.invoke", config, **REACH))
