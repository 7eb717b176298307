"""One execution environment, as a process: a handler, imported once, that serves one event at a time.

It is talked to over a socket whose number is its first argument. When the other end is gone, in whatever way, so is
this process, even in the midst of a handler: nothing that outlives its service works on.
"""

import importlib
import json
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from queue import SimpleQueue
from threading import Thread
from time import monotonic
from typing import Any

LARGEST_ANSWER = 6 * 1024 * 1024
Handler = Callable[[Any, "Context"], Any]


@dataclass(frozen=True)
class Context:
    """What Lambda tells a handler about its invocation."""

    aws_request_id: str
    function_name: str
    invoked_function_arn: str
    memory_limit_in_mb: int
    deadline: float
    function_version: str = "$LATEST"
    client_context: None = None
    identity: None = None

    @property
    def log_group_name(self) -> str:
        """Where its lines would go."""
        return f"/aws/lambda/{self.function_name}"

    @property
    def log_stream_name(self) -> str:
        """As above."""
        return f"local/[{self.function_version}]{os.getpid()}"

    def get_remaining_time_in_millis(self) -> int:
        """How long until this process is killed."""
        return max(0, int((self.deadline - monotonic()) * 1000))


class Failed(Exception):
    """The runtime itself has something to complain of; named as Lambda names it."""

    def __init__(self, error_type: str, message: str) -> None:
        super().__init__(message)
        self.error_type = error_type


def main() -> None:
    """Imports the handler, then serves until nobody is there."""
    number, handler_name, *also = sys.argv[1:]
    line = Connection(int(number))
    requests: SimpleQueue[bytes] = SimpleQueue()
    Thread(target=listen, args=(line, requests), daemon=True).start()
    try:
        for module in also:
            importlib.import_module(module)
        handler = find(handler_name)
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is why this function cannot begin
        line.send_bytes(json.dumps({"error": described(error)}).encode())
        return
    line.send_bytes(b'{"ready": true}')
    while True:
        line.send_bytes(serve(handler, json.loads(requests.get())))


def listen(line: Connection, requests: "SimpleQueue[bytes]") -> None:
    """Hears requests, and at any time that there is nobody left who would make one."""
    while True:
        try:
            requests.put(line.recv_bytes())
        except (EOFError, OSError):
            os._exit(0)


def find(name: str) -> Handler:
    """A handler by its name in a template."""
    module, _, function = name.rpartition(".")
    try:
        found: Handler = getattr(importlib.import_module(module), function)
    except ImportError as error:
        message = f"Unable to import module '{module}': {error}"
        raise Failed("Runtime.ImportModuleError", message) from error
    except AttributeError:
        message = f"Handler '{function}' missing on module '{module}'"
        raise Failed("Runtime.HandlerNotFound", message) from None
    return found


def serve(handler: Handler, request: Mapping[str, Any]) -> bytes:
    """What a handler makes of an event, or why it makes nothing of it."""
    context = Context(deadline=monotonic() + request["seconds"], **request["context"])
    os.environ["_X_AMZN_TRACE_ID"] = request["trace"]
    try:
        return b'{"answer": ' + spelled(handler(request["event"], context)) + b"}"
    except BaseException as error:  # noqa: BLE001 - whatever it is, the caller is told
        return json.dumps({"error": described(error)}).encode()


def spelled(answer: Any) -> bytes:
    """An answer as JSON."""
    try:
        text = json.dumps(answer).encode()
    except (TypeError, ValueError) as error:
        raise Failed("Runtime.MarshalError", f"Unable to marshal response: {error}") from error
    if len(text) > LARGEST_ANSWER:
        message = f"Response payload size exceeded maximum allowed payload size ({LARGEST_ANSWER} bytes)."
        raise Failed("Function.ResponseSizeTooLarge", message)
    return text


def described(error: BaseException) -> dict[str, Any]:
    """An error as Lambda answers it."""
    return {
        "errorMessage": str(error),
        "errorType": error.error_type if isinstance(error, Failed) else type(error).__name__,
        "stackTrace": traceback.format_tb(error.__traceback__),
    }


if __name__ == "__main__":
    main()
