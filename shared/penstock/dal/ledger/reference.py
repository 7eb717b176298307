"""The page about the functions of PostgreSQL, from their files: `python -m penstock.dal.ledger.reference` writes it."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from penstock.dal.ledger.functions import FILES

HEAD = FILES.parent / "reference.md"
SIGNATURE = re.compile(r"CREATE OR REPLACE FUNCTION (penstock\.\w+\(.*?\)\s*RETURNS .*?)\nLANGUAGE", re.DOTALL)
COMMENT = re.compile(r"COMMENT ON FUNCTION .*? IS\s*'((?:[^']|'')*)';", re.DOTALL)
ROLES = re.compile(r"GRANT EXECUTE ON FUNCTION .*? TO ([\w, ]+);")


def page() -> str:
    """The whole page."""
    return "\n".join([HEAD.read_text(), *(text for path in sorted(FILES.glob("*.sql")) for text in _function(path))])


def _function(path: Path) -> Iterator[str]:
    """A function that some role may call."""
    text = path.read_text()
    roles, comment, signature = ROLES.search(text), COMMENT.search(text), SIGNATURE.search(text)
    if roles and comment and signature:
        yield f"## {path.stem}\n\n```\n{signature[1]}\n```\n\nFor {roles[1]}.\n\n{_said(comment[1])}\n"


def _said(comment: str) -> str:
    """The comment with a list of its arguments."""
    lines = comment.replace("''", "'").splitlines()
    return "\n".join(re.sub(r"^([\w, ]+): (?=\S)", r"- `\1`: ", line) if _names(line) else line for line in lines)


def _names(line: str) -> bool:
    return re.match(r"^[a-z_]+(, [a-z_]+)*: ", line) is not None


if __name__ == "__main__":
    sys.stdout.write(page())
