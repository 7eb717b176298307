"""How a verb of the ledger is called: a function of the schema `penstock` on PostgreSQL, a file of steps on SQLite.

Both answer rows of the same columns. The SQL of a verb is `ledger/postgresql/<name>.sql` and `ledger/sqlite/<name>.sql`.
"""

import json
import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

import psycopg

from penstock.dal.dialect.types import spelled
from penstock.domain.errors import InvalidInput

LEDGER = Path(__file__).parents[1] / "ledger"
MARK = re.compile(r"^-- (step|then) (.*)$", re.MULTILINE)
Rows = list[Sequence[Any]]
# What a function raises about its arguments: not valid, or the name or id of nothing.
REFUSED = ("PS001", "PS002")


class Cursor(Protocol):
    """As much of a driver's cursor as is needed here."""

    def execute(self, query: Any, params: Any = ..., /) -> Any: ...
    def fetchall(self) -> list[Any]: ...


def as_json(value: Any) -> str:
    """JSON in which identifiers and moments are texts."""
    return _ENCODE(value)


def _text_of(value: Any) -> str:
    return spelled(value) if isinstance(value, datetime) else str(value)


_ENCODE = json.JSONEncoder(default=_text_of, separators=(",", ":")).encode

# --- PostgreSQL --------------------------------------------------------------------------------------------------


def call_function(cursor: Cursor, name: str, arguments: Mapping[str, Any], columns: str) -> Rows:
    """The rows of a function of the schema: one round trip."""
    try:
        cursor.execute(_call(name, tuple(arguments), columns), list(arguments.values()))
    except psycopg.DatabaseError as error:
        if error.sqlstate not in REFUSED:
            raise
        field, _, problem = str(error.diag.message_primary).partition(": ")
        raise InvalidInput(field, f"{problem}. {error.diag.message_hint}") from None
    return cursor.fetchall()


@cache
def _call(name: str, arguments: tuple[str, ...], columns: str) -> bytes:
    listed = ", ".join(f"{argument} => ${place}" for place, argument in enumerate(arguments, 1))
    return f"SELECT {columns} FROM penstock.{name}({listed})".encode()


# --- SQLite ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Step:
    """One statement of a file, by the name under which later statements find its rows as JSON."""

    name: str
    sql: str


@dataclass(frozen=True, slots=True)
class Then:
    """Another file to run, for the rows of a step; not at all where that has none."""

    verb: str
    rows: str


def run_steps(
    cursor: Cursor, name: str, arguments: Mapping[str, Any], now: datetime, new_id: Callable[[], UUID]
) -> Rows:
    """The rows of the steps called `answer`. All steps happen or none, also where the caller catches the error."""
    known: dict[str, Any] = {"now": spelled(now)}
    if any(isinstance(step, Step) and ":token" in step.sql for step in steps_of(name)):
        known["token"] = str(new_id())
    for argument, value in arguments.items():
        if isinstance(value, timedelta):
            known[f"{argument}_ends"] = spelled(now + value)
        else:
            known[argument] = _bound(value)
    cursor.execute("SAVEPOINT verb")
    try:
        rows = list(_answers(cursor, name, known))
    except BaseException:
        with suppress(sqlite3.Error):  # what failed may have ended the whole transaction
            cursor.execute("ROLLBACK TO verb")
            cursor.execute("RELEASE verb")
        raise
    cursor.execute("RELEASE verb")
    return rows


def _answers(cursor: Cursor, name: str, known: dict[str, Any]) -> Iterator[Sequence[Any]]:
    for step in steps_of(name):
        if isinstance(step, Then):
            if known[step.rows] != "[]":
                yield from _answers(cursor, step.verb, {**known, "rows": known[step.rows]})
            continue
        done = cursor.execute(step.sql, known)
        rows = done.fetchall()
        if step.name == "answer":
            yield from rows
        else:
            columns = [column[0] for column in done.description or ()]
            known[step.name] = as_json([dict(zip(columns, row, strict=True)) for row in rows])


@cache
def steps_of(name: str) -> tuple[Step | Then, ...]:
    """The steps of a file, in order. `-- step NAME: why` begins a statement, `-- then VERB for NAME` is a call."""
    pieces = MARK.split((LEDGER / "sqlite" / f"{name}.sql").read_text())[1:]
    return tuple(
        Step(title.partition(":")[0].strip(), sql.strip()) if kind == "step" else Then(*title.split(" for "))
        for kind, title, sql in zip(pieces[::3], pieces[1::3], pieces[2::3], strict=True)
    )


def _bound(value: Any) -> Any:
    """A value as SQLite takes it."""
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, datetime):
        return spelled(value)
    return as_json(value) if isinstance(value, list | dict) else value


# --- rows --------------------------------------------------------------------------------------------------------


def utc(value: datetime | str) -> datetime:
    """A moment of either engine, in UTC."""
    return (datetime.fromisoformat(value) if isinstance(value, str) else value).astimezone(UTC)


def uuid(value: UUID | str) -> UUID:
    """A UUID of either engine."""
    return UUID(value) if isinstance(value, str) else value


def names(value: list[str] | str) -> list[str]:
    """A list of texts of either engine."""
    return list(json.loads(value)) if isinstance(value, str) else value


def document(value: Any) -> Any:
    """A JSON document of either engine; none that is a text by itself."""
    return json.loads(value) if isinstance(value, str) else value
