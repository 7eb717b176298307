"""Expressions, constraints and options of tables that each engine writes in its own way."""

from collections.abc import Iterator
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import functions

from penstock.dal.dialect.queries import SCHEMA
from penstock.dal.dialect.types import Id, Instant, Json, Names, Xid


class has_name(functions.GenericFunction[Any]):
    """Whether a list of names has this very name in it."""

    type = sa.Boolean()
    inherit_cache = True


class clock_now(functions.GenericFunction[Any]):
    """The server's clock, for rows that somebody writes past the ledger."""

    type = Instant()
    inherit_cache = True


class id_of_number(functions.GenericFunction[Any]):
    """A UUID (version 8) that ends in a number."""

    type = Id()
    inherit_cache = True


class transaction_number(functions.GenericFunction[Any]):
    """The number of this transaction, or nothing where the engine has none."""

    type = Xid
    inherit_cache = True


class login_name(functions.GenericFunction[Any]):
    """Who has logged in, or nothing where the engine has no logins."""

    type = sa.Text()
    inherit_cache = True


class engine_name(functions.GenericFunction[Any]):
    """Which engine this is."""

    type = sa.Text()
    inherit_cache = True


class has_table(functions.GenericFunction[Any]):
    """Whether there is a table of this name."""

    type = sa.Boolean()
    inherit_cache = True


class version_table(functions.GenericFunction[Any]):
    """What the table is called in which Alembic notes the revision."""

    type = sa.Text()
    inherit_cache = True


class noted_revision(functions.GenericFunction[Any]):
    """The revision in that table; an error where there is no such table."""

    type = sa.Text()
    inherit_cache = True


class armed_triggers(functions.GenericFunction[Any]):
    """The names of all triggers that fire for this login."""

    type = Names
    inherit_cache = True


class may_alter(functions.GenericFunction[Any]):
    """Whether this login could change a table's definition or disarm its triggers: as owner, or as superuser."""

    type = sa.Boolean()
    inherit_cache = True


class writers(functions.GenericFunction[Any]):
    """Who may write a table, a column or a sequence, or make objects in the schema, besides the owner; in words."""

    type = Names
    inherit_cache = True


class installed_functions(functions.GenericFunction[Any]):
    """Each function of the schema: the digest of its text, whether it runs as its owner, whether its path is pinned; nothing
    where the engine has no functions."""

    type = Json
    inherit_cache = True


SQLITE_CLOCK = "strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')"
# The login, not the role that it acts as just now: it can always be itself again.
POSTGRESQL_MAY_ALTER = (
    "(SELECT pg_has_role(session_user, relowner, 'MEMBER') FROM pg_class"
    f" WHERE relnamespace = to_regnamespace('{SCHEMA}') AND relname = {{0}})"
)
POSTGRESQL_TRIGGERS = (
    "(SELECT array_agg(tgname::text) FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid"
    f" WHERE NOT tgisinternal AND relnamespace = to_regnamespace('{SCHEMA}')"
    " AND tgenabled IN ('A', CASE current_setting('session_replication_role') WHEN 'replica' THEN 'R' ELSE 'O' END))"
)
POSTGRESQL_WRITERS = f"""(
    SELECT array_agg(format('%s may %s %s', coalesce(g.grantee::regrole::text, 'everybody'), g.privilege_type, g.object))
    FROM (
        SELECT c.relname AS object, nullif(a.grantee, 0) AS grantee, a.privilege_type
        FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) a
        WHERE c.relnamespace = to_regnamespace('{SCHEMA}') AND a.grantee <> c.relowner AND a.privilege_type <> 'SELECT'
        UNION ALL
        SELECT c.relname || '.' || t.attname, nullif(a.grantee, 0), a.privilege_type
        FROM pg_class c JOIN pg_attribute t ON t.attrelid = c.oid CROSS JOIN LATERAL aclexplode(t.attacl) a
        WHERE c.relnamespace = to_regnamespace('{SCHEMA}') AND a.grantee <> c.relowner AND a.privilege_type <> 'SELECT'
        UNION ALL
        SELECT 'the schema', nullif(a.grantee, 0), a.privilege_type
        FROM pg_namespace n CROSS JOIN LATERAL aclexplode(n.nspacl) a
        WHERE n.nspname = '{SCHEMA}' AND a.grantee <> n.nspowner AND a.privilege_type = 'CREATE'
    ) AS g
)"""
POSTGRESQL_FUNCTIONS = f"""(
    SELECT coalesce(jsonb_object_agg(p.proname, jsonb_build_array(md5(regexp_replace(p.prosrc, '\\s+', ' ', 'g')),
        p.prosecdef, coalesce(p.proconfig @> ARRAY['search_path=pg_catalog, pg_temp'], false))), '{{{{}}}}')
    FROM pg_proc p WHERE p.pronamespace = to_regnamespace('{SCHEMA}')
)"""
WRITTEN: tuple[tuple[type[functions.GenericFunction[Any]], str, str], ...] = (
    (
        has_name,
        "({0} @> ARRAY[CAST({1} AS TEXT)])",
        "(EXISTS (SELECT 1 FROM json_each({0}) WHERE json_each.value = {1}))",
    ),
    (clock_now, "clock_timestamp()", f"({SQLITE_CLOCK})"),
    (
        id_of_number,
        "(('00000000-0000-8000-8000-'::text || lpad(to_hex({0}), 12, '0'::text)))::uuid",
        "printf('00000000-0000-8000-8000-%012x', {0})",
    ),
    (transaction_number, "pg_current_xact_id()", "NULL"),
    (login_name, "session_user", "NULL"),
    (engine_name, "'postgresql'", "'sqlite'"),
    (
        has_table,
        f"(to_regclass('{SCHEMA}.' || {{0}}) IS NOT NULL)",
        "(EXISTS (SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = {0}))",
    ),
    (version_table, "'alembic_version'", "'penstock_alembic_version'"),
    (
        noted_revision,
        f"(SELECT version_num FROM {SCHEMA}.alembic_version)",
        "(SELECT version_num FROM penstock_alembic_version)",
    ),
    (armed_triggers, POSTGRESQL_TRIGGERS, "(SELECT json_group_array(name) FROM sqlite_master WHERE type = 'trigger')"),
    (writers, POSTGRESQL_WRITERS, "NULL"),
    (installed_functions, POSTGRESQL_FUNCTIONS, "NULL"),
    (may_alter, POSTGRESQL_MAY_ALTER, "0"),  # Whoever has the file may do anything: there are no logins.
)


def _teach(function: type[functions.GenericFunction[Any]], engine: str, pattern: str) -> None:
    def write(element: Any, compiler: Any, **kw: Any) -> str:
        return pattern.format(*(compiler.process(clause, **kw) for clause in element.clauses))

    compiles(function, engine)(write)


for _function, _postgresql, _sqlite in WRITTEN:
    _teach(_function, "postgresql", _postgresql)
    _teach(_function, "sqlite", _sqlite)


Constraint = TypeVar("Constraint", bound=sa.Constraint)


def only_on(engine: str, constraint: Constraint) -> Constraint:
    """A constraint that one engine alone needs."""
    constraint.ddl_if(dialect=engine)
    constraint.info["engine"] = engine
    return constraint


def only_on_files(constraint: Constraint) -> Constraint:
    """A constraint that a database in a file needs. A server does without: only functions write the table there."""
    return only_on("sqlite", constraint)


def kept_elsewhere(table: sa.Table) -> dict[str, str]:
    """The CHECKs that a table would have on a server, by name. From now on it has them in a file alone."""
    checks = [check for check in table.constraints if isinstance(check, sa.CheckConstraint)]
    kept = [check for check in checks if check.info.get("engine") != "sqlite"]
    for check in kept:
        if check.info.get("engine") == "postgresql":
            table.constraints.discard(check)
        else:
            only_on_files(check)
    return dict(sorted((str(check.name), str(check.sqltext)) for check in kept))


def json_checks(name: str, column: str, *, of_objects: bool) -> tuple[sa.CheckConstraint, ...]:
    """What keeps a JSON column JSON, and an object where it must be one."""
    valid = f"json_valid({column})" + (f" AND json_type({column}) = 'object'" if of_objects else "")
    checks = [only_on("sqlite", sa.CheckConstraint(f"{column} IS NULL OR ({valid})", name=f"ck_{name}_{column}"))]
    if of_objects:
        native = f"{column} IS NULL OR jsonb_typeof({column}) = 'object'"
        checks.append(only_on("postgresql", sa.CheckConstraint(native, name=f"ck_{name}_{column}")))
    return tuple(checks)


def boolean_checks(name: str, *columns: str) -> Iterator[sa.CheckConstraint]:
    """What keeps a column true or false on the engine that has no type for it."""
    for column in columns:
        yield only_on("sqlite", sa.CheckConstraint(f"{column} IN (0, 1)", name=f"ck_{name}_{column}"))


# Numbers as JSON has them.
INTEGER = "^-?(0|[1-9][0-9]*)$"
FLOAT = r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?$"
# Not by AND, which asks in any order: json_type fails where the text is no JSON.
SQLITE_NUMBER = "iif(json_valid({0}), json_type({0}) IN ({1}) AND {0} NOT GLOB '{2}', false)"


def fitting_checks(name: str, value: str, kind: str) -> Iterator[sa.CheckConstraint]:
    """What keeps a text a value of the kind that another column names. In PostgreSQL, JSON is left to a guard: no
    expression can ask for it before 16."""
    boolean = f"{value} IN ('true', 'false')"
    native = {"integer": f"{value} ~ '{INTEGER}'", "float": f"{value} ~ '{FLOAT}'", "boolean": boolean}
    lite = {
        "integer": SQLITE_NUMBER.format(value, "'integer'", "*[^-0-9]*"),
        "float": SQLITE_NUMBER.format(value, "'integer', 'real'", "*[^-+.0-9eE]*"),
        "boolean": boolean,
        "json": f"json_valid({value})",
    }
    for engine, fits in (("sqlite", lite), ("postgresql", native)):
        cases = " ".join(f"WHEN '{each}' THEN {condition}" for each, condition in fits.items())
        yield only_on(engine, sa.CheckConstraint(f"CASE {kind} {cases} ELSE true END", name=f"ck_{name}_{value}"))


BY_RANGE: dict[str, Any] = {"postgresql_using": "brin"}
CONTAINMENT: dict[str, Any] = {"postgresql_using": "gin"}
NEVER_REUSED: dict[str, Any] = {"sqlite_autoincrement": True}
# Half of each page is left free, so that a new version of a row finds its place beside the old one.
ROOM_FOR_UPDATES: dict[str, Any] = {"postgresql_with": {"fillfactor": 50}}


def partial_index(name: str, *columns: Any, where: str, unique: bool = False, **options: Any) -> sa.Index:
    """An index over some of the rows."""
    predicate = sa.text(where)
    return sa.Index(name, *columns, unique=unique, postgresql_where=predicate, sqlite_where=predicate, **options)
