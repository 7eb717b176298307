"""Expand, then contract: whether the code that still runs would survive a revision.

While a migration runs, and after a deployment that was rolled back, the release before serves. A revision may add
what that release does not know; what it takes away, renames or forbids, that release may need. Looked at is the SQL
that Alembic would print for each engine, however the revision was written. What the revision itself has made is free.

A function of the ledger is compared with the one before it, because its text says nothing about its callers: it stays,
its parameters stay as they are and in their order, new ones come last and have defaults, it answers the same, and whoever
may call it still may. PostgreSQL takes a function with another list of parameters for another function. So a revision
that adds one drops the function and creates it again.
"""

import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from alembic import command
from alembic.config import Config
from alembic.script import Script

from tests.deploy import signatures
from tests.deploy.signatures import Functions

ENGINES = ("postgresql", "sqlite")
NAME = r'(?:IF (?:NOT )?EXISTS )?(?:ONLY )?(?:\w+\.)?"?(?P<name>\w+)"?'
ALTERS = rf"ALTER TABLE {NAME}.*"
NOTHING_NEEDED = r"(?:DEFAULT|GENERATED|SERIAL|BIGSERIAL)"

# What a statement does, why that breaks running code, and the pattern of its text, in capitals and single spaces.
BREAKS: Sequence[tuple[str, str]] = (
    ("takes a table away", rf"DROP TABLE {NAME}"),
    ("takes a view away", rf"DROP (?:MATERIALIZED )?VIEW {NAME}"),
    ("takes a column away", rf"{ALTERS}DROP (?:COLUMN )?(?!CONSTRAINT|DEFAULT|NOT NULL|IDENTITY|EXPRESSION)"),
    ("takes a default away", rf"{ALTERS}DROP (?:DEFAULT|IDENTITY)"),
    ("takes a constraint away that ON CONFLICT may name", rf"{ALTERS}DROP CONSTRAINT"),
    ("renames", rf"{ALTERS}RENAME"),
    ("renames", rf"ALTER (?:VIEW|TYPE|SEQUENCE|FUNCTION|INDEX|SCHEMA|ROLE) {NAME}.*RENAME"),
    ("changes a type", rf"{ALTERS}(?:SET DATA )?TYPE"),
    ("forbids NULL", rf"{ALTERS}SET NOT NULL"),
    ("asks for a value in a new column", rf"{ALTERS}ADD (?:COLUMN )?(?!CONSTRAINT)(?!.*{NOTHING_NEEDED}).*NOT NULL"),
    ("adds a constraint", rf"{ALTERS}ADD (?:CONSTRAINT|CHECK|UNIQUE|FOREIGN KEY|PRIMARY KEY|EXCLUDE)"),
    ("adds a constraint", rf"{ALTERS}ADD (?:COLUMN )?(?!CONSTRAINT).*(?:CHECK \(|UNIQUE|REFERENCES)"),
    ("hides rows", rf"{ALTERS}ROW LEVEL SECURITY"),
    ("adds a constraint", rf"CREATE UNIQUE INDEX (?:CONCURRENTLY )?(?:IF NOT EXISTS )?\w+ ON {NAME}"),
    ("adds a trigger", rf"CREATE (?:OR REPLACE )?(?:CONSTRAINT )?TRIGGER .* ON {NAME}"),
    ("changes a function that refuses", rf"CREATE (?:OR REPLACE )?FUNCTION {NAME}.*RAISE EXCEPTION"),
    ("changes an answer", rf"ALTER TYPE {NAME}.*ATTRIBUTE"),
    ("takes a function away", rf"DROP (?:FUNCTION|PROCEDURE) {NAME}"),
    ("takes a type away", rf"DROP (?:TYPE|DOMAIN|SCHEMA|SEQUENCE|ROLE) {NAME}"),
    ("takes a right away", r"REVOKE "),
    ("deletes rows", rf"(?:DELETE FROM|TRUNCATE(?: TABLE)?) {NAME}"),
)
MAKES = re.compile(rf"CREATE (?:OR REPLACE )?(?:UNLOGGED )?(?:TABLE|VIEW|FUNCTION) {NAME}")

# A statement ends at a semicolon that is in no text, and in no body between dollars.
STATEMENT = re.compile(r"(?:--[^\n]*|'(?:[^']|'')*'|\$(\w*)\$.*?\$\1\$|[^;])+", re.DOTALL)


@dataclass(frozen=True)
class Break:
    """One statement that the release before might not survive."""

    what: str
    statement: str

    def __str__(self) -> str:
        return f"{self.what}: {self.statement[:120]}"


def refused(config: Config, revision: Script) -> list[Break]:
    """What speaks against a revision; nothing, if it says why it may: `contract = "reason"`."""
    reason = getattr(revision.module, "contract", None)
    if isinstance(reason, str) and reason.strip():
        return []
    return [
        each
        for engine in ENGINES
        for each in breaks(printed(config, revision, engine), _functions_before(config, revision, engine))
    ]


def breaks(script: str, functions: Functions) -> Iterator[Break]:
    """What in this SQL breaks code that knows the schema before it, which has these functions."""
    statements = [each for each in _statements(script) if not each.upper().startswith("COMMENT ON ")]
    made = {match["name"].upper() for each in statements for match in MAKES.finditer(each.upper())}
    now = signatures.after(statements, functions)
    for statement in statements:
        if signatures.is_about_functions(statement, {**functions, **now}):
            continue
        for what, pattern in BREAKS:
            found = re.search(pattern, statement.upper())
            if found and (found.groupdict().get("name") or "") not in made - _replaced(statement):
                yield Break(what, statement)
                break
    for what, name in signatures.breaks(functions, now):
        yield Break(what, name)


def printed(config: Config, revision: Script, engine: str) -> str:
    """The SQL of one revision."""
    return _printed(config, f"{revision.down_revision or 'base'}:{revision.revision}", engine)


def _functions_before(config: Config, revision: Script, engine: str) -> Functions:
    """The functions that the revisions before this one have made."""
    if engine == "sqlite" or revision.down_revision is None:
        return {}
    return signatures.after(_statements(_printed(config, f"base:{revision.down_revision}", engine)), {})


def _statements(script: str) -> list[str]:
    return [" ".join(match.group().split()) for match in STATEMENT.finditer(script)]


def _printed(config: Config, span: str, engine: str) -> str:
    config.attributes["url"] = f"{engine}://"
    config.output_buffer = text = io.StringIO()
    command.upgrade(config, span, sql=True)
    lines = text.getvalue().splitlines()
    return "\n".join(line for line in lines if "alembic_version" not in line and not line.startswith("--"))


def _replaced(statement: str) -> set[str]:
    """A function that is replaced may be one that was there before."""
    match = re.match(rf"CREATE OR REPLACE FUNCTION {NAME}", statement.upper())
    return {match["name"]} if match else set()
