"""API Gateway on one machine: finds the route of a request, hands it to the function, and answers what that answers."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from penstock import world
from penstock.local import payloads
from penstock.local.payloads import Reply, Request, Unusable
from penstock.local.runtime import Answer
from penstock.local.template import Route

LARGEST_BODY = 10 * 1024 * 1024
LARGEST_EVENT = 6 * 1024 * 1024
IDLE_SECONDS = 75

NOT_FOUND = payloads.said(404, {"message": "Not Found"})
TOO_LARGE = payloads.said(413, {"message": "Request Entity Too Large"})
BROKEN = payloads.said(500, {"message": "Internal Server Error"})
TOO_SLOW = payloads.said(503, {"message": "Service Unavailable"})

Invoke = Callable[[str, Any], Answer]


class Routes:
    """Which route a request takes: the one that says most about it."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self._routes = sorted(((_pattern(route.path), route) for route in routes), key=lambda each: _rank(each[1]))

    def find(self, method: str, path: str) -> tuple[Route, Mapping[str, str]] | None:
        """The route, and what its path leaves open."""
        for pattern, route in self._routes:
            if route.method in (method, "ANY") and (match := pattern.fullmatch(path)):
                return route, match.groupdict()
        return None


def _pattern(path: str) -> re.Pattern[str]:
    if path == "$default":
        return re.compile(".*", re.DOTALL)
    parts = (part for part in re.split(r"(\{[^}]+\})", path))
    return re.compile("".join(_part(part) for part in parts), re.DOTALL)


def _part(part: str) -> str:
    if not part.startswith("{"):
        return re.escape(part)
    name = part[1:-1]
    return f"(?P<{name[:-1]}>.+)" if name.endswith("+") else f"(?P<{name}>[^/]+)"


def _rank(route: Route) -> tuple[bool, bool, int, bool]:
    return route.path == "$default", "+}" in route.path, -len(route.path), route.method == "ANY"


class Gateway(ThreadingHTTPServer):
    """The HTTP API. It takes its port when it is made, and requests from `start` on."""

    daemon_threads = True
    request_queue_size = 128

    routes: Routes
    invoke: Invoke

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", port), Requests)

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.server_port}"

    def start(self, routes: Sequence[Route], invoke: Invoke) -> None:
        """Takes requests."""
        self.routes, self.invoke = Routes(routes), invoke
        Thread(target=self.serve_forever, daemon=True).start()

    def reply(self, request: Request, now: datetime) -> Reply:
        """What a function answers to a request, or why none does."""
        found = self.routes.find(request.method, request.path)
        if found is None:
            return NOT_FOUND
        route, parameters = found
        key = route.path if route.path == "$default" else f"{route.method} {route.path}"
        event = payloads.payload(request, key, parameters, now)
        if len(json.dumps(event)) > LARGEST_EVENT:
            return TOO_LARGE
        answer = self.invoke(route.function, event)
        if answer.error is not None:
            return TOO_SLOW if answer.timed_out else BROKEN
        try:
            reply = payloads.reply(answer.payload)
        except Unusable:
            return BROKEN
        request_id: str = event["requestContext"]["requestId"]
        return Reply(reply.status, [*reply.headers, ("apigw-requestid", request_id)], reply.body)


class Requests(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    timeout = IDLE_SECONDS
    server: Gateway

    def __getattr__(self, name: str) -> Any:
        """Every method is served the same way; a route that takes ANY takes those that nobody has thought of, too."""
        if name.startswith("do_"):
            return self._serve
        raise AttributeError(name)

    def _serve(self) -> None:
        length = self.headers.get("Content-Length", "0")
        if not length.isdigit() or "chunked" in self.headers.get("Transfer-Encoding", ""):
            self._turn_away(payloads.said(411, {"message": "Length Required"}))
        elif int(length) > LARGEST_BODY:
            self._turn_away(TOO_LARGE)
        else:
            body = self.rfile.read(int(length))
            source = str(self.client_address[0])
            request = Request(self.command, self.path, self.headers.items(), body, source, self.request_version)
            self._answer(self.server.reply(request, world.now()))

    def _turn_away(self, reply: Reply) -> None:
        """Its body is not read, so nothing else can be on this connection."""
        self.close_connection = True
        self._answer(reply)

    def _answer(self, reply: Reply) -> None:
        self.send_response(reply.status)
        for name, value in reply.headers:
            if name.lower() != "content-length":
                self.send_header(name, value)
        self.send_header("content-length", str(len(reply.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply.body)

    def version_string(self) -> str:
        """What it is."""
        return "penstock"

    def log_message(self, *_: Any) -> None:
        """Says nothing: what happens is in the log of the function."""
