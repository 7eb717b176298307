"""How a column and a type hint are compared: what holds the value, and whether it may be missing."""

from datetime import datetime
from types import UnionType
from typing import Annotated, Any, Literal, get_args, get_origin
from uuid import UUID

import sqlalchemy as sa

from penstock.dal.dialect import Id, Instant

Shape = tuple[str, bool]


def of_column(column: sa.ColumnElement[Any]) -> Shape:
    """Such as ("UUID", False): a UUID that may not be missing. What the database computes never is."""
    missing = getattr(column, "nullable", True) and not getattr(column, "computed", None)
    return _kind(column.type), bool(missing)


def of_hint(hint: Any) -> Shape:
    """The same of a type hint; JSON is whatever a JSON column may hold."""
    if get_origin(hint) is Annotated:
        return of_hint(get_args(hint)[0])
    if get_origin(hint) is UnionType:
        (inner,) = (part for part in get_args(hint) if part is not type(None))
        return of_hint(inner)[0], True
    if get_origin(hint) is Literal:
        return of_hint(type(get_args(hint)[0]))
    plain = get_origin(hint) or hint
    if plain is Any:
        return "JSON", True
    if plain in (dict, list):
        return "JSON", False
    return next(kind.__name__ for kind in (UUID, datetime, bool, int, str) if issubclass(plain, kind)), False


def _kind(of: Any) -> str:
    if isinstance(of, Id):
        return "UUID"
    if isinstance(of, Instant):
        return "datetime"
    return "JSON" if isinstance(of, sa.JSON) else str(of.python_type.__name__)
