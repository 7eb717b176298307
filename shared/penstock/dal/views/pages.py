"""Lists in pages: the order of a list, the cursor that is a place in it, and the query that reads from there."""

import base64
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import ColumnElement, FromClause

from penstock.dal.dialect import Query
from penstock.dal.store import Tx
from penstock.domain import limits
from penstock.domain.errors import InvalidInput

LIMIT = sa.bindparam("limit", type_=sa.Integer())
LARGEST = 2**63 - 1
# Shapes of a question that stay compiled. There are more combinations of states than anybody asks for.
SHAPES = 256


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows of a list, and the cursor to those that follow; None after the last."""

    rows: list[Any]
    cursor: str | None


@dataclass(frozen=True)
class Order:
    """How a list is ordered: by which columns, and how each is read out of a cursor."""

    name: str
    keys: Mapping[str, Callable[[Any], Any]]
    newest_first: bool = True

    def of(self, rows: sa.Select[Any]) -> list[ColumnElement[Any]]:
        """The columns of a selection as an ORDER BY."""
        columns = [rows.selected_columns[key] for key in self.keys]
        return [column.desc() for column in columns] if self.newest_first else [column.asc() for column in columns]

    def beyond(self, rows: sa.Select[Any]) -> ColumnElement[bool]:
        """What of a selection comes after the place of a cursor."""
        columns = rows.selected_columns
        here = sa.tuple_(*(columns[key] for key in self.keys))
        place = sa.tuple_(*(sa.bindparam(f"after_{key}", type_=columns[key].type) for key in self.keys))
        return here < place if self.newest_first else here > place

    def cursor(self, row: Any) -> str:
        """The place of a row, to be handed out and back again."""
        place = [self.name, *(getattr(row, key) for key in self.keys)]
        text = json.dumps(place, default=_spelled, separators=(",", ":"))
        return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()

    def place(self, cursor: str | None) -> dict[str, Any]:
        """The place that a cursor names, as parameters; none at the beginning of the list."""
        if cursor is None:
            return {}
        name, *values = _decoded(cursor)
        if name != self.name or len(values) != len(self.keys):
            raise InvalidInput("cursor", f"belongs to another list than {self.name}; begin again without it")
        return {f"after_{key}": _read(value, self.keys[key]) for key, value in zip(self.keys, values, strict=True)}


def turn(
    tx: Tx, order: Order, question: Callable[[bool], Query], *, cursor: str | None, limit: int, **params: Any
) -> Page:
    """The page after a cursor; *question* answers the query that begins there, or at the beginning."""
    limits.within("limit", limit, (1, limits.PAGE))
    place = order.place(cursor)
    rows = tx.run(question(bool(place)), {**params, **place, "limit": limit + 1})
    return Page(rows[:limit], order.cursor(rows[limit - 1]) if len(rows) > limit else None)


def listing(order: Order, branches: Sequence[sa.Select[Any]], *, after: bool) -> Query:
    """The first rows of some selections. Each is read in order and no further than the page needs."""

    first = [_first(order, branch, after=after) for branch in branches]
    return Query(first[0] if len(first) == 1 else _merged(order, first))


def _first(order: Order, branch: sa.Select[Any], *, after: bool) -> sa.Select[Any]:
    beyond = [order.beyond(branch)] if after else []
    return branch.where(*beyond).order_by(*order.of(branch)).limit(LIMIT)


def _merged(order: Order, branches: Sequence[sa.Select[Any]]) -> sa.Select[Any]:
    parts = [branch.subquery(f"branch_{place}") for place, branch in enumerate(branches)]
    rows = sa.select(*sa.union_all(*(sa.select(*part.c) for part in parts)).subquery("branches").c)
    return rows.order_by(*order.of(rows)).limit(LIMIT)


def one(columns: Sequence[Any], *where: Any) -> Query:
    """The single row that there is, or none."""
    return Query(sa.select(*columns).where(*where))


def first(rows: Sequence[Any]) -> Any | None:
    """The first row, or None."""
    return rows[0] if rows else None


def fenced(rows: sa.Select[Any], name: str) -> sa.Subquery:
    """A selection that is made before it is put in order.

    OFFSET keeps the planner from walking through the whole table by the order of the list instead: it cannot know how
    far it would have to go before it met what is selected.
    """
    return rows.offset(sa.literal_column("0")).subquery(name)


# --- filters -----------------------------------------------------------------------------------------------------


def literal(text: str) -> ColumnElement[str]:
    """A text that is part of the statement: a bound one would keep a generic plan from a partial index."""
    return sa.literal_column(f"'{text}'", sa.Text())


def is_one_of(column: Any, texts: Iterable[str]) -> ColumnElement[bool]:
    """Whether a column is one of these literal texts."""
    return column.in_([literal(text) for text in texts])  # type: ignore[no-any-return]  # columns of a table are Any


def equal(table: FromClause, names: Iterable[str]) -> list[ColumnElement[bool]]:
    """That each of these columns has the value of the parameter of its name."""
    return [table.c[name] == sa.bindparam(name, type_=table.c[name].type) for name in sorted(names)]


def given(**filters: Any) -> dict[str, Any]:
    """The filters that somebody has set, checked."""
    return {name: _checked(name, value) for name, value in filters.items() if value is not None}


def identity(field: str, value: UUID) -> UUID:
    """An id as a UUID, not as its text."""
    if not isinstance(value, UUID):
        raise InvalidInput(field, f"is {value!r}; it must be a UUID")
    return value


def chosen(field: str, wanted: str | Iterable[str] | None, known: Sequence[str]) -> tuple[str, ...]:
    """Those of the *known* names that somebody wants, in their usual order; none where nothing was said."""
    if wanted is None:
        return ()
    names = {wanted} if isinstance(wanted, str) else set(wanted)
    if unknown := sorted(str(name) for name in names.difference(known)):
        raise InvalidInput(field, f"is {', '.join(unknown)}; it must be one of {', '.join(known)}")
    if not names:
        raise InvalidInput(field, f"is empty; leave it out, or choose from {', '.join(known)}")
    return tuple(name for name in known if name in names)


def _checked(name: str, value: Any) -> Any:
    return identity(name, value) if name.endswith("_id") else limits.name(name, value)


# --- what is inside a cursor -------------------------------------------------------------------------------------


def moment(value: Any) -> datetime:
    """A moment out of a cursor."""
    return limits.instant("cursor", datetime.fromisoformat(value)).astimezone(UTC)


def number(value: Any) -> int:
    """A number out of a cursor, as large as a database can hold."""
    return limits.within("cursor", value, (0, LARGEST))


def name(value: Any) -> str:
    """A name out of a cursor."""
    return limits.name("cursor", value)


def _spelled(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _decoded(cursor: str) -> list[Any]:
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        place = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (ValueError, AttributeError, RecursionError):
        raise _malformed() from None
    if not isinstance(place, list) or not place:
        raise _malformed()
    return place


def _read(value: Any, reader: Callable[[Any], Any]) -> Any:
    try:
        return reader(value)
    except (ValueError, TypeError, AttributeError, OverflowError):
        raise _malformed() from None


def _malformed() -> InvalidInput:
    return InvalidInput("cursor", "is not one that a list has answered; begin again without it")
