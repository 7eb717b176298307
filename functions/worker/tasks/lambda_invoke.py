"""lambda.invoke: invokes another function. Which ones, LAMBDA_INVOKE_ARNS allows."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from penstock import wiring
from penstock.domain import limits
from penstock.work import ConfigField, Context, Fail, Outcome, read_config, task_type
from penstock.work.run import clean

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

MODES = {"sync": "RequestResponse", "async": "Event"}
MOST_JSON = 200 * 1024
CONNECT_SECONDS = 5
SHORTEST_WAIT = 1


class FunctionError(Exception):
    """The invoked function ended with an error of its own."""


@dataclass(frozen=True, slots=True)
class LambdaInvoke:
    """The config. An ARN may name a version or an alias; it must then be listed with it."""

    function_arn: str
    payload: Mapping[str, Any] = field(default_factory=dict)
    mode: str = "sync"

    def __post_init__(self) -> None:
        limits.name("function_arn", self.function_arn)
        limits.payload("payload", self.payload)
        if self.mode not in tuple(MODES):
            raise ConfigField("mode", f"is {self.mode!r}; it must be sync or async")


@task_type("lambda.invoke")
def lambda_invoke(context: Context) -> Outcome:
    """Invokes the function; what it returned, or with async only that it was accepted."""
    wanted = read_config(LambdaInvoke, context.config)
    if wanted.function_arn not in wiring.settings().reach.lambda_arns:
        raise Fail(f"{wanted.function_arn} is not listed in LAMBDA_INVOKE_ARNS", error_type="NotAllowed")
    context.touch(wanted.function_arn)
    answer = _client(context.remaining.total_seconds()).invoke(
        FunctionName=wanted.function_arn,
        InvocationType=MODES[wanted.mode],  # type: ignore[arg-type]  # one of its literals
        Payload=json.dumps(wanted.payload).encode(),
    )
    returned = answer["Payload"].read()
    if answer.get("FunctionError"):
        raise FunctionError(_words(returned))
    status = {"status": answer["StatusCode"], "version": answer.get("ExecutedVersion")}
    return Outcome(status | (_kept(returned) if wanted.mode == "sync" else {}))


def _client(remaining: float) -> "LambdaClient":
    import boto3  # noqa: PLC0415 - a third of a cold start
    from botocore.config import Config  # noqa: PLC0415 - as above

    # No retries of its own: after a time-out they would run the function twice, and an attempt is on record.
    wait = Config(
        connect_timeout=CONNECT_SECONDS, read_timeout=max(remaining, SHORTEST_WAIT), retries={"total_max_attempts": 1}
    )
    return boto3.client("lambda", config=wait)


def _words(returned: bytes) -> str:
    """What a function says of its error, as the runtimes say it."""
    try:
        said = json.loads(returned)
        return f"{said['errorType']}: {said['errorMessage']}"
    except (ValueError, KeyError, TypeError):
        return returned.decode(errors="replace")


def _kept(returned: bytes) -> dict[str, Any]:
    if len(returned) <= MOST_JSON:
        try:
            found = {"payload": json.loads(returned or b"null")}
            limits.payload("payload", found)
        except (ValueError, RecursionError):
            pass
        else:
            if len(json.dumps(found)) <= MOST_JSON:
                return found
    text = returned.decode(errors="replace")
    return {"payload_text": clean(text, MOST_JSON // 6), "truncated": len(text) > MOST_JSON // 6}
