"""Expressions and constraints that each engine spells its own way."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import functions

from penstock.dal.dialect.types import Id, Instant, Json, Names, Xid


class later_of(functions.GenericFunction[Any]):
    """The larger of two values."""

    inherit_cache = True


class seconds_after(functions.GenericFunction[Any]):
    """A moment, so many seconds after another."""

    type = Instant()
    inherit_cache = True


class just_after(functions.GenericFunction[Any]):
    """The next moment after another that a database can tell from it."""

    type = Instant()
    inherit_cache = True


class milliseconds_until(functions.GenericFunction[Any]):
    """How many milliseconds lie between a moment and a later one."""

    type = sa.BigInteger()
    inherit_cache = True


class has_name(functions.GenericFunction[Any]):
    """Whether a list of names has this very name in it."""

    type = sa.Boolean()
    inherit_cache = True


class document_of(functions.GenericFunction[Any]):
    """A JSON document out of its text."""

    type = Json
    inherit_cache = True


class clock_now(functions.GenericFunction[Any]):
    """The server's clock, for rows that somebody writes past the ledger."""

    type = Instant()
    inherit_cache = True


class random_id(functions.GenericFunction[Any]):
    """A random UUID made by the database."""

    type = Id()
    inherit_cache = True


class transaction_number(functions.GenericFunction[Any]):
    """The number of this transaction, or nothing where the engine has none."""

    type = Xid
    inherit_cache = True


class engine_name(functions.GenericFunction[Any]):
    """Which engine this is."""

    type = sa.Text()
    inherit_cache = True


class has_table(functions.GenericFunction[Any]):
    """Whether there is a table of this name."""

    type = sa.Boolean()
    inherit_cache = True


class armed_triggers(functions.GenericFunction[Any]):
    """The names of all triggers that fire for this login."""

    type = Names
    inherit_cache = True


class may_alter(functions.GenericFunction[Any]):
    """Whether this login could change a table's definition or disarm its triggers: as owner, or as superuser."""

    type = sa.Boolean()
    inherit_cache = True


SQLITE_CLOCK = "strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')"
SQLITE_RANDOM_ID = (
    "lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2) || '-' || "
    "substr('89ab', 1 + (abs(random()) % 4), 1) || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6)))"
)
# Its clock knows milliseconds only, so the microseconds are counted as text.
SQLITE_JUST_AFTER = (
    "(CASE WHEN substr({0}, 21, 6) = '999999' THEN strftime('%Y-%m-%dT%H:%M:%S.000000Z', substr({0}, 1, 19), '+1 second') "
    "ELSE substr({0}, 1, 20) || printf('%06d', substr({0}, 21, 6) + 1) || 'Z' END)"
)
# The login, not the role that it acts as just now: it can always be itself again.
POSTGRESQL_MAY_ALTER = (
    "(SELECT pg_has_role(session_user, relowner, 'MEMBER') FROM pg_class WHERE oid = to_regclass({0}))"
)
POSTGRESQL_TRIGGERS = (
    "(SELECT array_agg(tgname::text) FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid"
    " WHERE NOT tgisinternal AND pg_table_is_visible(pg_class.oid)"
    " AND tgenabled IN ('A', CASE current_setting('session_replication_role') WHEN 'replica' THEN 'R' ELSE 'O' END))"
)
SPELLINGS: tuple[tuple[type[functions.GenericFunction[Any]], str, str], ...] = (
    (later_of, "GREATEST({0}, {1})", "max({0}, {1})"),
    (
        seconds_after,
        "({0} + make_interval(secs => {1}))",
        "(strftime('%Y-%m-%dT%H:%M:%f000Z', {0}, ({1}) || ' seconds'))",
    ),
    (just_after, "({0} + interval '1 microsecond')", SQLITE_JUST_AFTER),
    (
        milliseconds_until,
        "(round(extract(epoch FROM {1} - {0}) * 1000)::bigint)",
        "(CAST(round((julianday({1}) - julianday({0})) * 86400000) AS INTEGER))",
    ),
    (
        has_name,
        "({0} @> ARRAY[CAST({1} AS TEXT)])",
        "(EXISTS (SELECT 1 FROM json_each({0}) WHERE json_each.value = {1}))",
    ),
    (document_of, "({0})::jsonb", "{0}"),
    (clock_now, "clock_timestamp()", f"({SQLITE_CLOCK})"),
    (random_id, "gen_random_uuid()", f"({SQLITE_RANDOM_ID})"),
    (transaction_number, "pg_current_xact_id()", "NULL"),
    (engine_name, "'postgresql'", "'sqlite'"),
    (
        has_table,
        "(to_regclass({0}) IS NOT NULL)",
        "(EXISTS (SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = {0}))",
    ),
    (armed_triggers, POSTGRESQL_TRIGGERS, "(SELECT json_group_array(name) FROM sqlite_master WHERE type = 'trigger')"),
    (may_alter, POSTGRESQL_MAY_ALTER, "0"),  # Whoever has the file may do anything: there are no logins.
)


def _teach(function: type[functions.GenericFunction[Any]], engine: str, pattern: str) -> None:
    def spell(element: Any, compiler: Any, **kw: Any) -> str:
        return pattern.format(*(compiler.process(clause, **kw) for clause in element.clauses))

    compiles(function, engine)(spell)


for _function, _postgresql, _sqlite in SPELLINGS:
    _teach(_function, "postgresql", _postgresql)
    _teach(_function, "sqlite", _sqlite)


def only_on(engine: str, constraint: sa.CheckConstraint) -> sa.CheckConstraint:
    """A constraint that one engine alone needs."""
    constraint.ddl_if(dialect=engine)
    return constraint


def json_checks(name: str, column: str, *, of_objects: bool) -> tuple[sa.CheckConstraint, ...]:
    """What keeps a JSON column JSON, and an object where it must be one."""
    valid = f"json_valid({column})" + (f" AND json_type({column}) = 'object'" if of_objects else "")
    checks = [only_on("sqlite", sa.CheckConstraint(f"{column} IS NULL OR ({valid})", name=f"ck_{name}_{column}"))]
    if of_objects:
        native = f"{column} IS NULL OR jsonb_typeof({column}) = 'object'"
        checks.append(only_on("postgresql", sa.CheckConstraint(native, name=f"ck_{name}_{column}")))
    return tuple(checks)


BY_RANGE: dict[str, Any] = {"postgresql_using": "brin"}
CONTAINMENT: dict[str, Any] = {"postgresql_using": "gin"}
NEVER_REUSED: dict[str, Any] = {"sqlite_autoincrement": True}


def partial_index(name: str, *columns: Any, where: str, unique: bool = False, **options: Any) -> sa.Index:
    """An index over some of the rows."""
    predicate = sa.text(where)
    return sa.Index(name, *columns, unique=unique, postgresql_where=predicate, sqlite_where=predicate, **options)
