"""What all mapped classes have in common, and the one column whose name the mapper keeps for itself."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, column_property, relationship

from penstock.dal import schema

Document = dict[str, Any]


class Row(DeclarativeBase):
    """A row of a table of `dal.schema`, which stays the only description of the tables."""

    metadata = schema.metadata


def column(table: sa.FromClause, name: str) -> Mapped[Any]:
    """A column that is an attribute of another name."""
    return column_property(table.c[name])


def seen(target: str, **options: Any) -> Mapped[Any]:
    """Rows of another table, to be looked at: what a session does with them is never written."""
    return relationship(target, viewonly=True, **options)
