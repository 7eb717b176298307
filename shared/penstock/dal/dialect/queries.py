"""A read: one SELECT, compiled once for each engine, and run on the driver's own cursor, whoever opened the connection."""

from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import psycopg
from sqlalchemy.dialects.sqlite import pysqlite

from penstock.dal.dialect.calls import Cursor

SCHEMA = "penstock"
# On PostgreSQL the tables are in a schema of their own.
TRANSLATED: Mapping[str | None, str] = {None: SCHEMA}
POSTGRESQL: sa.Dialect = psycopg.dialect(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]  # SQLAlchemy leaves it untyped
SQLITE = pysqlite.dialect(paramstyle="named")


class Query:
    """A SELECT over the tables of the schema; its bound parameters are given when it runs."""

    def __init__(self, select: sa.SelectBase | Callable[[], sa.SelectBase]) -> None:
        self._select = select

    def run_postgresql(self, cursor: Cursor, params: Mapping[str, Any]) -> list[Any]:
        """Its rows there."""
        return self._on_postgresql.run(cursor, params)

    def run_sqlite(self, cursor: Cursor, params: Mapping[str, Any]) -> list[Any]:
        """Its rows there."""
        return self._on_sqlite.run(cursor, params)

    def compiled(self, dialect: sa.Dialect, params: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """Its text on an engine, and the parameters as its driver takes them."""
        compiled = self._on_postgresql if dialect is POSTGRESQL else self._on_sqlite
        return compiled.text, compiled.bound(params)

    @cached_property
    def _statement(self) -> sa.SelectBase:
        return self._select() if callable(self._select) else self._select

    @cached_property
    def _on_postgresql(self) -> "_Compiled":
        return _Compiled(self._statement, POSTGRESQL, TRANSLATED)

    @cached_property
    def _on_sqlite(self) -> "_Compiled":
        return _Compiled(self._statement, SQLITE, None)


class _Compiled:
    """The text for one engine, with what its parameters and its rows go through."""

    def __init__(self, select: sa.SelectBase, dialect: sa.Dialect, schemas: Mapping[str | None, str] | None) -> None:
        compiled: Any = select.compile(
            dialect=dialect, schema_translate_map=schemas, render_schema_translate=schemas is not None
        )
        self.text = str(compiled)
        self.in_order = compiled.positional
        self.names: Sequence[str] = list(compiled.positiontup or compiled.binds)
        self.defaults = {name: bind.value for name, bind in compiled.binds.items() if not bind.required}
        self.encoders = {
            name: encode
            for name, bind in compiled.binds.items()
            if (encode := bind.type.dialect_impl(dialect).bind_processor(dialect)) is not None
        }
        columns = list(select.exported_columns)
        self.decoders = [
            (place, decode)
            for place, column in enumerate(columns)
            if (decode := column.type.dialect_impl(dialect).result_processor(dialect, None)) is not None
        ]
        self.row = row_of([column.name for column in columns])

    def run(self, cursor: Cursor, params: Mapping[str, Any]) -> list[Any]:
        bound = self.bound(params)
        cursor.execute(self.text, list(bound.values()) if self.in_order else bound)
        return [self.row._make(self._decoded(values)) for values in cursor.fetchall()]

    def bound(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """The parameters as the driver takes them."""
        return {name: self._bound(name, params) for name in self.names}

    def _bound(self, name: str, params: Mapping[str, Any]) -> Any:
        value = params[name] if name in params else self.defaults[name]
        encode = self.encoders.get(name)
        return value if encode is None else encode(value)

    def _decoded(self, values: Sequence[Any]) -> Sequence[Any]:
        decoded = list(values)
        for place, decode in self.decoders:
            decoded[place] = decode(decoded[place])
        return decoded


def row_of(columns: Sequence[str]) -> Any:
    """A tuple type with these names."""
    return namedtuple("Row", columns)  # noqa: PYI024 - the fields are known only at run time
