"""A list of ids as one parameter of a read: an array on PostgreSQL, JSON on SQLite."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import functions
from sqlalchemy.types import TypeDecorator, TypeEngine

from penstock.dal.dialect.calls import as_json


class Ids(TypeDecorator[Sequence[UUID]]):
    """Any number of UUIDs."""

    impl = sa.Text
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> TypeEngine[Any]:
        native = postgresql.ARRAY(postgresql.UUID())
        return dialect.type_descriptor(native if dialect.name == "postgresql" else sa.Text())

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> Any:
        return value if dialect.name == "postgresql" else as_json(value)


class is_one_of(functions.GenericFunction[Any]):
    """Whether a column is one of the ids. Not of type Boolean: SQLite would be asked whether it `= 1`, and use no index."""

    inherit_cache = True


@compiles(is_one_of, "postgresql")
def _any(element: Any, compiler: Any, **kw: Any) -> str:
    column, ids = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"{column} = ANY ({ids})"


@compiles(is_one_of, "sqlite")
def _each(element: Any, compiler: Any, **kw: Any) -> str:
    column, ids = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"{column} IN (SELECT value FROM json_each({ids}))"
