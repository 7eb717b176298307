"""A verb is written once, as a script of pieces that refer to each other.

On PostgreSQL the pieces are the CTEs of one statement. SQLite has no writing CTEs: there they run one after the
other inside a write transaction, and each reads the rows of the earlier ones out of a JSON parameter. Either way
a script is built and compiled once, and then runs on the driver's own cursor, whoever opened the connection.
"""

import json
import sqlite3
from collections import namedtuple
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from functools import cached_property
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import psycopg as psycopg_dialect
from sqlalchemy.dialects.sqlite import pysqlite
from sqlalchemy.sql.expression import ColumnElement, FromClause
from sqlalchemy.types import TypeDecorator, TypeEngine

from penstock.dal.dialect.types import spelled


class Cursor(Protocol):
    """As much of a driver's cursor as a script needs."""

    def execute(self, query: Any, params: Any = ..., /) -> Any: ...
    def fetchall(self) -> list[Any]: ...


Rows = list[Any]
Piece = Any


class Script(Protocol):
    """What a verb is written with: pieces that refer to each other, and a last one that is the answer."""

    def given(self, name: str, columns: Mapping[str, Any]) -> FromClause:
        """Rows that the caller brings, as a relation."""

    def step(self, name: str, piece: Piece) -> FromClause:
        """One write or one locking read; what it returns, as a relation."""

    def few(self, name: str, query: sa.Select[Any], **constants: ColumnElement[Any]) -> FromClause:
        """A locking read of one column, with constants beside it, whose number of rows is a parameter."""

    def in_turn(self, values: Sequence[int], query: Callable[[ColumnElement[Any]], sa.Select[Any]]) -> FromClause:
        """What a query finds for one value after the other; it stops where its reader does."""

    def answer(self, piece: Any) -> None:
        """The rows that the script returns."""


class Compiled:
    """One statement as text, with what its parameters and its rows go through."""

    def __init__(self, statement: Any, dialect: sa.Dialect) -> None:
        compiled = statement.compile(dialect=dialect)
        self.text = str(compiled)
        self.names: Sequence[str] = list(compiled.positiontup or compiled.binds)
        self.defaults = {name: bind.value for name, bind in compiled.binds.items() if not bind.required}
        self.encode = {
            name: process
            for name, bind in compiled.binds.items()
            if (process := bind.type.dialect_impl(dialect).bind_processor(dialect)) is not None
        }
        returned = list(statement.exported_columns)
        self.columns = [column.name for column in returned]
        self.decode = [
            (place, process)
            for place, column in enumerate(returned)
            if (process := column.type.dialect_impl(dialect).result_processor(dialect, None)) is not None
        ]
        self.row = row_of(self.columns)

    def values(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """The parameters of this statement in the driver's form."""
        bound = {}
        for name in self.names:
            value = params[name] if name in params else self.defaults[name]
            bound[name] = self.encode[name](value) if name in self.encode else value
        return bound

    def rows(self, fetched: Iterable[Sequence[Any]]) -> Rows:
        """What came back, as rows with names."""
        if not self.decode:
            return [self.row._make(values) for values in fetched]
        return [self._decoded(values) for values in fetched]

    def _decoded(self, values: Sequence[Any]) -> Any:
        decoded = list(values)
        for place, process in self.decode:
            decoded[place] = process(decoded[place])
        return self.row._make(decoded)


def row_of(columns: Sequence[str]) -> Any:
    """A tuple type with these names."""
    return namedtuple("Row", columns)  # noqa: PYI024 - the fields are known only at run time


class OneStatement:
    """A script as a single statement of data-modifying CTEs."""

    def __init__(self) -> None:
        self.pieces: list[Any] = []
        self.final: Any = None

    def given(self, name: str, columns: Mapping[str, Any]) -> FromClause:
        """Rows out of one JSON parameter, typed by the engine."""
        shape = [sa.column(column, kind) for column, kind in columns.items()]
        source = sa.func.jsonb_to_recordset(sa.bindparam(name, type_=_given_type()))
        return source.table_valued(*shape, name=name).render_derived(name=name, with_types=True)

    def step(self, name: str, piece: Piece) -> FromClause:
        """A CTE; a reading one is materialised, so that its locks are taken once and in its order."""
        cte: sa.CTE = piece.cte(name)
        if isinstance(piece, sa.SelectBase):
            return cte.prefix_with("MATERIALIZED", dialect="postgresql")
        self.pieces.append(cte)
        return cte

    def few(self, name: str, query: sa.Select[Any], **constants: ColumnElement[Any]) -> FromClause:
        """A CTE that is an array, spread out: of that, a generic plan expects ten rows; of LIMIT $1, a tenth of the table,
        which it would then rather read whole than look those up."""
        (column,) = query.selected_columns
        spread = sa.func.unnest(sa.func.array(query.scalar_subquery()), type_=column.type)
        return self.step(name, sa.select(spread.label(column.name), *_labelled(constants)))

    def in_turn(self, values: Sequence[int], query: Callable[[ColumnElement[Any]], sa.Select[Any]]) -> FromClause:
        """A loop: of one query, however many values, there is one to plan."""
        turn = sa.values(sa.column("turn", sa.Integer()), name="turns", literal_binds=True).data([(v,) for v in values])
        found = query(turn.c.turn).lateral("found")
        return sa.select(*found.c).select_from(turn.join(found, sa.true())).subquery("in_turn")

    def answer(self, piece: Any) -> None:
        """The query at the end of the statement."""
        self.final = piece.add_cte(*self.pieces)

    def compiled(self) -> "OnePlan":
        """The statement as text."""
        return OnePlan(Compiled(self.final, POSTGRESQL))


class OnePlan:
    """A script that is one statement."""

    def __init__(self, statement: Compiled) -> None:
        self.statement = statement
        self.text = statement.text.encode()  # as the driver sends it, and looks it up among what is prepared

    def run(self, cursor: Cursor, params: Mapping[str, Any]) -> Rows:
        """One round trip."""
        cursor.execute(self.text, list(self.statement.values(params).values()))
        return self.statement.rows(cursor.fetchall())


class ManyStatements:
    """A script as statements that run one after the other."""

    def __init__(self) -> None:
        self.pieces: list[tuple[str, Any]] = []

    def given(self, name: str, columns: Mapping[str, Any]) -> FromClause:
        """Rows out of one JSON parameter, by the names of its keys."""
        return _relation(name, columns, [f"$.{column}" for column in columns])

    def step(self, name: str, piece: Piece) -> FromClause:
        """A statement of its own; its rows come back as a JSON parameter of the later ones."""
        self.pieces.append((name, piece))
        columns = {column.name: column.type for column in piece.exported_columns}
        return _relation(name, columns, [f"$[{place}]" for place in range(len(columns))])

    def few(self, name: str, query: sa.Select[Any], **constants: ColumnElement[Any]) -> FromClause:
        """A statement of its own, as every step."""
        return self.step(name, query.add_columns(*_labelled(constants)))

    def in_turn(self, values: Sequence[int], query: Callable[[ColumnElement[Any]], sa.Select[Any]]) -> FromClause:
        """One query a value, end to end: SQLite looks no loop's value up in a query with a limit."""
        found = [query(sa.literal_column(str(value))).subquery(f"turn_{value}") for value in values]
        return sa.union_all(*(sa.select(*each.c) for each in found)).subquery("in_turn")

    def answer(self, piece: Any) -> None:
        """The last statement."""
        self.pieces.append(("", piece))

    def compiled(self) -> "ManyPlan":
        """The statements as text."""
        return ManyPlan([(name, Compiled(piece, SQLITE)) for name, piece in self.pieces])


class ManyPlan:
    """A script that is several statements."""

    def __init__(self, statements: list[tuple[str, Compiled]]) -> None:
        self.statements = statements

    def run(self, cursor: Cursor, params: Mapping[str, Any]) -> Rows:
        """All of them or none, also where the caller catches the error and commits the rest of his transaction."""
        if len(self.statements) == 1:
            return self._run(cursor, params)
        cursor.execute("SAVEPOINT script")
        try:
            rows = self._run(cursor, params)
        except BaseException:
            with suppress(sqlite3.Error):  # what failed may have ended the whole transaction
                cursor.execute("ROLLBACK TO script")
                cursor.execute("RELEASE script")
            raise
        cursor.execute("RELEASE script")
        return rows

    def _run(self, cursor: Cursor, params: Mapping[str, Any]) -> Rows:
        """Each piece in turn, with the rows of the earlier ones at hand."""
        known = dict(params)
        fetched: list[Any] = []
        for name, statement in self.statements:
            cursor.execute(statement.text, statement.values(known))
            fetched = cursor.fetchall()
            known[name] = fetched
        return self.statements[-1][1].rows(fetched)


def _labelled(columns: Mapping[str, ColumnElement[Any]]) -> list[ColumnElement[Any]]:
    return [column.label(name) for name, column in columns.items()]


class _RowsAsText(TypeDecorator[Any]):
    """Rows as one JSON parameter."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> str:
        return as_json(value)


def _given_type() -> TypeEngine[Any]:
    return _RowsAsText().with_variant(_RowsAsDocument(), "postgresql")


class _RowsAsDocument(TypeDecorator[Any]):
    """Rows as one jsonb parameter, sent as text."""

    impl = postgresql.JSONB
    cache_ok = True

    def bind_processor(self, dialect: sa.Dialect) -> Callable[[Any], Any]:
        return as_json


def _spell(value: Any) -> str:
    return spelled(value) if isinstance(value, datetime) else str(value)


# JSON with identifiers and moments spelled out.
as_json = json.JSONEncoder(default=_spell, separators=(",", ":")).encode


def _relation(name: str, columns: Mapping[str, Any], paths: Sequence[str]) -> FromClause:
    each = sa.func.json_each(sa.bindparam(name, type_=_RowsAsText())).table_valued("value", name=f"{name}_json")
    fields = [
        sa.type_coerce(sa.func.json_extract(each.c.value, sa.literal_column(f"'{path}'")), kind).label(column)
        for (column, kind), path in zip(columns.items(), paths, strict=True)
    ]
    return sa.select(*(fields or [sa.literal_column("1").label("one")])).select_from(each).subquery(name)


POSTGRESQL: sa.Dialect = psycopg_dialect.dialect(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]  # SQLAlchemy leaves it untyped
SQLITE = pysqlite.dialect(paramstyle="named")


class Statement:
    """A script that is built and compiled on first use, once for each engine."""

    def __init__(self, build: Callable[[Script], None]) -> None:
        self.build = build

    @cached_property
    def as_one(self) -> OnePlan:
        """For an engine that writes in CTEs."""
        script = OneStatement()
        self.build(script)
        return script.compiled()

    @cached_property
    def as_many(self) -> ManyPlan:
        """For an engine that does not."""
        script = ManyStatements()
        self.build(script)
        return script.compiled()
