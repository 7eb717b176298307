"""What functions log, as a person reads it: JSON lines become short ones, metrics are left out."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TextIO

from penstock import world

TOLD = ("task", "task_type", "attempt", "queue", "error_type", "problem", "seconds")


@dataclass(frozen=True)
class Lines:
    """Where lines go. *raw* leaves them as they are."""

    out: TextIO
    raw: bool = False

    def __call__(self, function: str, line: str) -> None:
        """One line of a function."""
        text = f"{function}: {line}" if self.raw and not line.startswith("{") else line
        short = text if self.raw else shortened(line)
        if short is not None:
            self.say(short if self.raw else f"{world.now().astimezone():%H:%M:%S} {_called(function):<9} {short}")

    def quietly(self, function: str, line: str) -> None:
        """One line of a function, if it is more than information."""
        if self.raw or not _informs(line):
            self(function, line)

    def say(self, text: str) -> None:
        """Something of the service's own."""
        try:
            self.out.write(text + "\n")
            self.out.flush()
        except (OSError, ValueError):
            """Whoever read it is gone; the service is not for that."""


def _informs(line: str) -> bool:
    return _read(line).get("level") in ("INFO", "DEBUG")


def _read(line: str) -> Mapping[str, Any]:
    try:
        said = json.loads(line)
    except ValueError:
        said = None
    return said if isinstance(said, Mapping) else {}


def shortened(line: str) -> str | None:
    """A line without what a machine needs; None if there is nothing for a person in it."""
    said = _read(line)
    if not said:
        return line or None
    return None if "_aws" in said else _words(said)


def _words(said: Mapping[str, Any]) -> str:
    level = "" if said.get("level") in ("INFO", "DEBUG", None) else f"{said['level']}: "
    told = "  ".join(f"{name}={said[name]}" for name in TOLD if said.get(name) is not None)
    wrong = f": {said['exception_name']}: {_last(said.get('exception', ''))}" if said.get("exception_name") else ""
    return f"{level}{said.get('message', '')}{wrong}{'  ' if told else ''}{told}"


def _last(trace: str) -> str:
    """The line of a traceback that says what it is about."""
    lines = trace.strip().splitlines()
    return lines[-1].partition(": ")[2] if lines else ""


def _called(function: str) -> str:
    return function.removesuffix("Function").lower()
