"""What is looked at before a request may go any further: who sends it, and whether its body is one that can be read."""

import json
from typing import Any, NoReturn

from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEventV2

from penstock.domain import limits, trace
from penstock.domain.errors import InvalidInput
from penstock.http import problems
from penstock.http.problems import Refused
from penstock.settings import Settings

LOCAL = "local"
LARGEST_BODY = 1024 * 1024
CHALLENGES = "AWS4-HMAC-SHA256, Bearer"


def actor(event: APIGatewayProxyEventV2, settings: Settings) -> str:
    """Who sends it: an IAM principal, or the subject of a token that has the scope; `local` only on one machine."""
    authorizer = event.request_context.authorizer
    if arn := authorizer.iam.user_arn:
        return _nameable(arn)
    if subject := authorizer.jwt_claim.get("sub"):
        _must_have(settings.required_scope, _scopes(authorizer.jwt_claim))
        return _nameable(subject)
    if settings.local:
        return LOCAL
    raise _unknown("sign the request with IAM credentials, or send a token of the issuer that this API trusts")


def traceparent(event: APIGatewayProxyEventV2) -> str | None:
    """The trace that it is part of: the caller's own, else the gateway's. One that is damaged is none."""
    try:
        return trace.traceparent("traceparent", event.headers.get("traceparent", ""))
    except InvalidInput:
        return trace.from_amazon(event.headers.get("x-amzn-trace-id", ""))


def readable(event: APIGatewayProxyEventV2) -> dict[str, Any]:
    """The payload, if its body is JSON of at most 1 MiB; the media type in the one spelling that Powertools knows."""
    if not event.body:
        return event.raw_event
    if (size := len(_decoded(event).encode(errors="surrogatepass"))) > LARGEST_BODY:
        detail = f"the body has {size:,} bytes; at most {LARGEST_BODY:,} are allowed"
        raise Refused(problems.TOO_LARGE, detail)
    media_type = event.headers.get("content-type", problems.JSON).partition(";")[0].strip().lower()
    if media_type != problems.JSON:
        raise Refused(problems.MEDIA, f"the body is {media_type or 'of no known type'}; send {problems.JSON}")
    return {**event.raw_event, "headers": {**event.headers, "content-type": problems.JSON}}


def document(body: str) -> dict[str, Any]:
    """The JSON object that a body is."""
    try:
        read = json.loads(body, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise Refused(problems.MALFORMED, f"the body is not JSON: {error}") from None
    if not isinstance(read, dict):
        raise problems.body((), "must be a JSON object")
    return read


def _decoded(event: APIGatewayProxyEventV2) -> str:
    try:
        return event.decoded_body or ""
    except ValueError:
        raise Refused(problems.MALFORMED, "the body is not UTF-8") from None


def _no_number(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number of JSON")


def _nameable(name: str) -> str:
    try:
        return limits.name("actor", name)
    except InvalidInput as error:
        raise _unknown(f"the name of the caller cannot go on record: it {error.problem}") from None


def _scopes(claims: dict[str, Any]) -> set[str]:
    return set(str(claims.get("scope", "")).split())


def _must_have(scope: str | None, scopes: set[str]) -> None:
    if scope is not None and scope not in scopes:
        challenge = f'Bearer error="insufficient_scope", scope="{scope}"'
        detail = f"the token has not the scope {scope}; ask for one that has"
        raise Refused(problems.FORBIDDEN, detail, {}, {"WWW-Authenticate": challenge})


def _unknown(advice: str) -> Refused:
    return Refused(problems.UNAUTHENTICATED, advice, {}, {"WWW-Authenticate": CHALLENGES})
