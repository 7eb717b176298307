"""The functions that a PostgreSQL database has where its ledger is what this code says: the verbs and the guards."""

import hashlib
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

from penstock.dal import guards

FILES = Path(__file__).parent / "postgresql"
FUNCTION = re.compile(
    r"CREATE OR REPLACE FUNCTION penstock\.(?P<name>\w+)\((?P<head>.*?)AS \$penstock\$(?P<body>.*?)\$penstock\$",
    re.DOTALL,
)
PINNED = "SET search_path = pg_catalog, pg_temp"


class Function(NamedTuple):
    """What a function is: a digest of its text, whether it runs as its owner, whether its search path is pinned."""

    digest: str
    runs_as_owner: bool
    is_pinned: bool


@cache
def expected() -> Mapping[str, Function]:
    """Every function, by name."""
    return {found["name"]: _function(found) for found in _found()}


def _found() -> Iterator[re.Match[str]]:
    for text in (*(path.read_text() for path in sorted(FILES.glob("*.sql"))), *_guards()):
        if found := FUNCTION.search(text):
            yield found


def _guards() -> list[str]:
    return [guard.create for guard in guards.postgresql()]


def _function(found: re.Match[str]) -> Function:
    text = re.sub(r"\s+", " ", found["body"])  # where lines break does not matter
    digest = hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
    return Function(digest, "SECURITY DEFINER" in found["head"], PINNED in found["head"])
