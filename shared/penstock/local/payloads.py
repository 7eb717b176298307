"""HTTP as API Gateway hands it to a function (payload version 2.0), and what the function's answer says in HTTP."""

import base64
import json
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.message import Message
from typing import Any
from urllib.parse import parse_qsl, unquote

from penstock.local.intrinsics import ACCOUNT

TEXT = ("application/json", "application/javascript", "application/xml")
COOKIE = "cookie"


@dataclass(frozen=True)
class Request:
    """A request as it came in."""

    method: str
    target: str
    headers: Sequence[tuple[str, str]]
    body: bytes
    source: str
    protocol: str = "HTTP/1.1"

    @property
    def path(self) -> str:
        """Decoded, as API Gateway's HTTP APIs have it, also under the name of `rawPath`."""
        return unquote(self.target.partition("?")[0])

    @property
    def query(self) -> str:
        """As it was written."""
        return self.target.partition("?")[2]


@dataclass(frozen=True)
class Reply:
    """What goes out."""

    status: int
    headers: Sequence[tuple[str, str]]
    body: bytes


class Unusable(Exception):
    """What a function answered is no answer to a request."""


def payload(request: Request, route: str, parameters: Mapping[str, str], now: datetime) -> dict[str, Any]:
    """The event for the function of a route."""
    headers = _joined(
        [
            *request.headers,
            ("x-amzn-trace-id", f"Root=1-{int(now.timestamp()):08x}-{secrets.token_hex(12)}"),
            ("x-forwarded-for", request.source),
            ("x-forwarded-proto", "http"),
        ]
    )
    cookies = [each.strip() for each in headers.pop(COOKIE, "").split(";") if each.strip()]
    asked = _joined(parse_qsl(request.query, keep_blank_values=True), fold=False)
    return {
        "version": "2.0",
        "routeKey": route,
        "rawPath": request.path,
        "rawQueryString": request.query,
        **({"cookies": cookies} if cookies else {}),
        "headers": headers,
        **({"queryStringParameters": asked} if asked else {}),
        "requestContext": _context(request, route, headers, now),
        **({"pathParameters": dict(parameters)} if parameters else {}),
        **_body(request.body, headers.get("content-type", "")),
    }


def reply(answer: Any) -> Reply:
    """What a function's answer says; one without a status is itself the body."""
    if not isinstance(answer, Mapping) or "statusCode" not in answer:
        return said(200, answer)
    try:
        body = answer.get("body") or ""
        text = body if isinstance(body, str) else json.dumps(body)
        content = base64.b64decode(text, validate=True) if answer.get("isBase64Encoded") else text.encode()
        headers = [(str(name), _spelled(value)) for name, value in (answer.get("headers") or {}).items()]
        cookies = [("set-cookie", str(cookie)) for cookie in answer.get("cookies") or []]
        if not any(name.lower() == "content-type" for name, _ in headers) and content:
            headers.append(("content-type", "text/plain;charset=UTF-8"))
        return Reply(int(answer["statusCode"]), [*headers, *cookies], content)
    except (TypeError, ValueError, AttributeError) as error:
        raise Unusable(str(error)) from error


def said(status: int, document: Any) -> Reply:
    """A JSON document."""
    return Reply(status, [("content-type", "application/json")], json.dumps(document).encode())


def _context(request: Request, route: str, headers: Mapping[str, str], now: datetime) -> dict[str, Any]:
    return {
        "accountId": ACCOUNT,
        "apiId": "local",
        "domainName": headers.get("host", "localhost"),
        "domainPrefix": headers.get("host", "localhost").partition(".")[0],
        "http": {
            "method": request.method,
            "path": request.path,
            "protocol": request.protocol,
            "sourceIp": request.source,
            "userAgent": headers.get("user-agent", ""),
        },
        "requestId": base64.urlsafe_b64encode(secrets.token_bytes(11)).decode(),
        "routeKey": route,
        "stage": "$default",
        "time": now.strftime("%d/%b/%Y:%H:%M:%S +0000"),
        "timeEpoch": int(now.timestamp() * 1000),
    }


def _joined(pairs: Iterable[tuple[str, str]], *, fold: bool = True) -> dict[str, str]:
    """What came more than once, with commas in between; cookies with semicolons."""
    found: dict[str, str] = {}
    for pair in pairs:
        name = pair[0].lower() if fold else pair[0]
        between = "; " if fold and name == COOKIE else ","
        found[name] = f"{found[name]}{between}{pair[1]}" if name in found else pair[1]
    return found


def _body(body: bytes, content_type: str) -> dict[str, Any]:
    if not body:
        return {"isBase64Encoded": False}
    kind = Message()
    kind["content-type"] = content_type or "application/json"
    if kind.get_content_maintype() == "text" or kind.get_content_type() in TEXT:
        try:
            return {"body": body.decode(), "isBase64Encoded": False}
        except UnicodeDecodeError:
            pass
    return {"body": base64.b64encode(body).decode(), "isBase64Encoded": True}


def _spelled(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
