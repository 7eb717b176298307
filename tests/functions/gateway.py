"""API Gateway for tests: the payload that an HTTP API sends to a function, and what its answer says."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl, urlencode

ARN = "arn:aws:iam::012345678901:user/alice"
IAM: Mapping[str, Any] = {
    "iam": {
        "accessKey": "AKIAEXAMPLE",
        "accountId": "012345678901",
        "callerId": "AIDAEXAMPLE",
        "cognitoIdentity": None,
        "principalOrgId": None,
        "userArn": ARN,
        "userId": "AIDAEXAMPLE",
    }
}
NOBODY: Mapping[str, Any] = {}
TRACE = "Root=1-67891233-abcdef012345678912345678"
TRACEPARENT = "00-67891233abcdef012345678912345678-2345678912345678-00"


def token(subject: str, scope: str = "") -> Mapping[str, Any]:
    """What the gateway says of a caller with a token."""
    return {"jwt": {"claims": {"sub": subject, "scope": scope, "iss": "https://issuer.example.com"}, "scopes": None}}


def payload(
    method: str,
    path: str,
    body: Any = None,
    *,
    query: str | Sequence[tuple[str, str]] = "",
    headers: Mapping[str, str] | None = None,
    authorizer: Mapping[str, Any] = IAM,
) -> dict[str, Any]:
    """A request as version 2.0 of the payload has it; a body that is no text goes as JSON."""
    sent = {"host": "api.example.com", "x-amzn-trace-id": TRACE, "user-agent": "curl/8.5.0"}
    if body is not None:
        sent["content-type"] = "application/json"
    sent |= {name.lower(): value for name, value in (headers or {}).items()}
    raw = query if isinstance(query, str) else urlencode(query)
    asked: dict[str, str] = {}
    for name, value in parse_qsl(raw, keep_blank_values=True):
        asked[name] = f"{asked[name]},{value}" if name in asked else value
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": raw,
        "headers": sent,
        **({"queryStringParameters": asked} if asked else {}),
        "requestContext": {
            "accountId": "012345678901",
            "apiId": "api",
            **({"authorizer": dict(authorizer)} if authorizer else {}),
            "domainName": "api.example.com",
            "domainPrefix": "api",
            "http": {
                "method": method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.1",
                "userAgent": "curl/8.5.0",
            },
            "requestId": "JKJaXmPLvHcESHA=",
            "routeKey": "$default",
            "stage": "$default",
            "time": "01/Jan/2100:00:00:00 +0000",
            "timeEpoch": 4102444800000,
        },
        **({} if body is None else {"body": body if isinstance(body, str) else json.dumps(body)}),
        "isBase64Encoded": False,
    }


@dataclass(frozen=True)
class Answer:
    """What the function answered."""

    raw: Mapping[str, Any]

    @property
    def status(self) -> int:
        return int(self.raw["statusCode"])

    @cached_property
    def headers(self) -> Mapping[str, str]:
        return {name.lower(): value for name, value in self.raw["headers"].items()}

    @property
    def body(self) -> str | None:
        text: str | None = self.raw["body"]
        return text

    @cached_property
    def json(self) -> Any:
        return json.loads(self.body or "null")

    @property
    def etag(self) -> str:
        return self.headers["etag"]

    @property
    def kind(self) -> str:
        """Which problem it is."""
        said: str = self.json["type"]
        return said.rpartition("/")[2]


@dataclass
class Client:
    """Sends requests to a handler; each answer is held against the documentation by *judge*."""

    handler: Callable[[Any, Any], Any]
    context: Any
    judge: Callable[[str, str, Answer], None]

    def send(self, event: Mapping[str, Any]) -> Answer:
        """A whole payload."""
        answer = Answer(self.handler(event, self.context))
        http = event["requestContext"]["http"]
        self.judge(http["method"], http["path"], answer)
        return answer

    def __call__(self, method: str, path: str, body: Any = None, **more: Any) -> Answer:
        return self.send(payload(method, path, body, **more))

    def get(self, path: str, **more: Any) -> Answer:
        return self("GET", path, **more)

    def post(self, path: str, body: Any = None, **more: Any) -> Answer:
        return self("POST", path, body, **more)
