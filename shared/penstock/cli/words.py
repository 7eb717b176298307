"""How commands read their arguments, and the options that several of them have."""

import argparse
import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Protocol

from penstock.cli.session import Session
from penstock.local.databases import EXAMPLES


class Commands(Protocol):
    """Where a command is added."""

    def add_parser(self, name: str, *, help: str, description: str) -> argparse.ArgumentParser:  # noqa: A002 - argparse's
        """A command."""


Run = Callable[[Session], int | None]

AGE = re.compile(r"^([1-9]\d{0,5})([hdw])$")
UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}


def command(commands: Commands, name: str, run: Run, says: str, *, remote: bool = False) -> argparse.ArgumentParser:
    """A command that works on a database, or also, if it is *remote*, by way of a service."""
    made = commands.add_parser(name, help=says, description=says)
    made.set_defaults(run=run)
    made.add_argument("--json", action="store_true", help="answer with a JSON document instead of lines")
    where = made.add_mutually_exclusive_group()
    where.add_argument("--database", metavar="URL", help=f"the database (DATABASE_URL): {EXAMPLES}")
    if remote:
        where.add_argument("--url", help="the service to ask instead, such as http://127.0.0.1:8000")
    return made


def age(said: str) -> timedelta:
    """A time that has passed: 12h, 90d, 4w."""
    read = AGE.match(said)
    if read is None:
        raise argparse.ArgumentTypeError(f"{said!r} is no age; write 12h, 90d or 4w")
    return int(read[1]) * UNITS[read[2]]


def document(said: str) -> Mapping[str, Any]:
    """A JSON object."""
    try:
        read = json.loads(said)
    except ValueError:
        read = None
    if not isinstance(read, dict):
        raise argparse.ArgumentTypeError(f"{said!r} is no JSON object")
    return read


def moment(said: str) -> datetime:
    """A moment, with its offset from UTC."""
    try:
        read = datetime.fromisoformat(said)
    except ValueError:
        read = None
    if read is None or read.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{said!r} is no moment; write 2100-01-01T03:00:00Z")
    return read


def port(said: str) -> int:
    """A port to listen on; 0 takes a free one."""
    if not said.isascii() or not said.isdigit() or int(said) > 65_535:  # noqa: PLR2004 - the last port
        raise argparse.ArgumentTypeError(f"{said!r} is no port; write a number from 0 to 65535")
    return int(said)
