"""Column types, each with one storage form an engine."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeDecorator, TypeEngine, UserDefinedType


class Id(TypeDecorator[UUID]):
    """A UUID: native, or its 36 characters."""

    impl = sa.Text
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(postgresql.UUID() if dialect.name == "postgresql" else sa.Text())

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> Any:
        return value if value is None or dialect.name == "postgresql" else str(value)

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> UUID | None:
        return UUID(value) if isinstance(value, str) else value

    def result_processor(self, dialect: sa.Dialect, coltype: object) -> Callable[[Any], UUID | None] | None:
        """None where the driver hands out a UUID as it is."""
        return None if dialect.name == "postgresql" else super().result_processor(dialect, coltype)


class Instant(TypeDecorator[datetime]):
    """A moment: timestamptz, or UTC text of a fixed width that sorts as time does."""

    impl = sa.Text
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> TypeEngine[Any]:
        native = dialect.name == "postgresql"
        return dialect.type_descriptor(sa.TIMESTAMP(timezone=True) if native else sa.Text())

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> Any:
        return value if value is None or dialect.name == "postgresql" else spelled(value)

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> datetime | None:
        if value is None:
            return None
        return (datetime.fromisoformat(value) if isinstance(value, str) else value).astimezone(UTC)


class Transaction(UserDefinedType[int]):
    """The number of the writing transaction, where the engine has one."""

    cache_ok = True

    def get_col_spec(self, **_kw: Any) -> str:
        return "xid8"

    def result_processor(self, _dialect: sa.Dialect, _coltype: Any) -> Callable[[Any], int | None]:
        return lambda value: None if value is None else int(value)  # The driver knows no xid8 and hands out its text.


Json = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")
Names = sa.JSON(none_as_null=True).with_variant(postgresql.ARRAY(sa.Text), "postgresql")
Xid = sa.Integer().with_variant(Transaction(), "postgresql")
Serial = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def spelled(value: datetime) -> str:
    """A moment as the fixed-width text that sorts as time does."""
    # Not strftime, which writes the year 999 with three digits.
    return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
