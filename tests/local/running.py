"""`penstock run` as a process, as somebody at a terminal has it."""

import json
import os
import re
import shlex
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SHARED = Path(__file__).parents[2] / "shared"
SERVES = re.compile(r"^Penstock serves (http://127\.0\.0\.1:\d+) ")
PATIENCE_SECONDS = 240


def environ(**more: str) -> dict[str, str]:
    """Of somebody who has set nothing."""
    ours = ("DB", "PORT", "LOG", "DATABASE_", "PENSTOCK_", "AWS_", "QUEUES")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return {**kept, "PYTHONPATH": str(SHARED), **more}


def command(*args: str) -> list[str]:
    return [sys.executable, "-m", "penstock.cli", *args]


class Running:
    """A service that runs, and what it has said so far."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self.lines: list[str] = []
        self.url = self.until(SERVES)[1]

    def until(self, wanted: "re.Pattern[str]") -> "re.Match[str]":
        """Reads on until it says so."""
        assert self.process.stdout
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))
            if match := wanted.search(self.lines[-1]):
                return match
        raise AssertionError("\n".join(["it ended, and had said:", *self.lines]))

    def ask(self, path: str, document: Any = None) -> Any:
        body = None if document is None else json.dumps(document).encode()
        request = urllib.request.Request(f"{self.url}{path}", body, {"content-type": "application/json"})  # noqa: S310 - ours
        with urllib.request.urlopen(request) as answer:  # noqa: S310 - as above
            return json.load(answer)

    def end(self, by: int) -> int:
        """Its exit code, once it has ended."""
        self.process.send_signal(by)
        said, _ = self.process.communicate(timeout=PATIENCE_SECONDS)
        self.lines += said.splitlines()
        return self.process.returncode


@contextmanager
def running(directory: Path, *args: str, **more: str) -> Iterator[Running]:
    """A service on a free port, in this directory."""
    with subprocess.Popen(
        command("run", "--port", "0", *args),
        cwd=directory,
        env=environ(**more),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield Running(process)
        finally:
            process.terminate()


def request_of(curl: str) -> tuple[str, dict[str, str], bytes | None]:
    """What a printed curl command would send."""
    words = shlex.split(curl)
    assert words[:2] == ["curl", "-s"]
    headers = {
        words[n + 1].partition(": ")[0]: words[n + 1].partition(": ")[2] for n, w in enumerate(words) if w == "-H"
    }
    bodies = [words[n + 1].encode() for n, word in enumerate(words) if word == "-d"]
    return words[2], headers, bodies[0] if bodies else None
