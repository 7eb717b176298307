"""Where CloudFormation takes answers, as far as a test plays it: over HTTP, with the status that the test wants."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Desk:
    """What has been handed in; what it says to each is what `says` has next, then 200."""

    url: str = ""
    says: list[int] = field(default_factory=list)
    answers: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    taken: threading.Event = field(default_factory=threading.Event)

    @property
    def only(self) -> dict[str, Any]:
        (answer,) = self.answers
        return answer

    def take(self, body: bytes, headers: dict[str, str]) -> int:
        self.answers.append(json.loads(body))
        self.headers.append(headers)
        status = self.says.pop(0) if self.says else 200
        if status == 200:
            self.taken.set()
        return status


@contextmanager
def desk() -> Iterator[Desk]:
    """Open for as long as the block lasts."""
    opened = Desk()

    class Window(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(opened.take(body, dict(self.headers.items())))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Window) as server:
        opened.url = f"http://127.0.0.1:{server.server_port}/answer?X-Amz-Signature=s3cret"
        serving = threading.Thread(target=server.serve_forever, args=(0.01,))
        serving.start()
        yield opened
        server.shutdown()
        serving.join()
