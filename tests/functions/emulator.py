"""The runtime of Lambda on this machine: Amazon's runtime interface emulator, and in it awslambdaric with a function.

The emulator is a program inside the SAM CLI; `make test` fetches it. One invocation at a time: two at once end it.
"""

import json
import os
import platform
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
ARCHITECTURE = {"aarch64": "arm64"}.get(platform.machine(), platform.machine())
PROGRAM = Path(sys.prefix) / "emulator" / "samcli" / "local" / "rapid" / f"aws-lambda-rie-{ARCHITECTURE}"
# A cold start counts, and takes seconds where others are at work too.
SECONDS = 60


@dataclass(frozen=True)
class Code:
    """Which Python runs what: where the function is, and where else it imports from."""

    python: str
    task_root: Path
    besides: tuple[Path, ...]

    @property
    def path(self) -> str:
        return os.pathsep.join(str(room) for room in (self.task_root, *self.besides))


SOURCES = Code(sys.executable, ROOT / "functions", (ROOT / "shared", ROOT))


@dataclass(frozen=True)
class Answer:
    """What came back: JSON, or the words of the emulator."""

    status: int
    said: Any


@dataclass(frozen=True)
class Emulator:
    """One execution environment of a function."""

    port: int

    def invoke(self, event: Any) -> Answer:
        url = f"http://127.0.0.1:{self.port}/2015-03-31/functions/function/invocations"
        request = urllib.request.Request(url, json.dumps(event).encode())
        try:
            with urllib.request.urlopen(request) as response:  # noqa: S310 - as above
                return Answer(response.status, _read(response.read()))
        except urllib.error.HTTPError as error:
            return Answer(error.code, _read(error.read()))


def _read(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body.decode()


@contextmanager
def emulated(
    handler: str, environ: Mapping[str, str], *, seconds: int = SECONDS, code: Code = SOURCES
) -> Iterator[Emulator]:
    """A function by the name of its handler, with these variables in its environment."""
    assert PROGRAM.exists(), f"{PROGRAM} is missing; `make test` fetches it, and so does `make {sys.prefix}/emulator`"
    port, runtime_port = free_ports(2)
    command = [
        *(str(PROGRAM), "--log-level", "error", "--runtime-interface-emulator-address", f"127.0.0.1:{port}"),
        *("--runtime-api-address", f"127.0.0.1:{runtime_port}", code.python, "-m", "awslambdaric", handler),
    ]
    with subprocess.Popen(
        command,
        cwd=code.task_root,
        env={**lambda_environ(handler, seconds, code), **environ},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        try:
            until_it_listens(process, port)
            yield Emulator(port)
        finally:
            os.killpg(process.pid, signal.SIGKILL)


def lambda_environ(handler: str, seconds: int, code: Code = SOURCES) -> dict[str, str]:
    """The environment that Lambda makes."""
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": code.path,
        "LAMBDA_TASK_ROOT": str(code.task_root),
        "AWS_LAMBDA_FUNCTION_NAME": handler.partition(".")[0],
        "AWS_LAMBDA_FUNCTION_TIMEOUT": str(seconds),
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1024",
    }


def free_ports(number: int) -> list[int]:
    """Ports that nobody listens on, all different."""
    with ExitStack() as bound:
        sockets = [bound.enter_context(closing(socket.socket())) for _ in range(number)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def until_it_listens(process: subprocess.Popen[bytes], port: int) -> None:
    while process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            continue
        return
    raise AssertionError(f"the emulator ended with {process.returncode}")
