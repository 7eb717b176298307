"""How Alembic reaches a database, and what makes each migration happen entirely or not at all.

The database is `config.attributes["connection"]` (open, outside a transaction), else `config.attributes["url"]`,
else the environment variable DATABASE_URL. Each migration is a transaction of its own, the number of the revision
in it, on both engines. Of two runs at once the second waits, and leaves out what the first has done: on PostgreSQL
a run takes its turn as a whole, for at most `config.attributes["patience_seconds"]` it waits for it; on SQLite each
migration takes the write lock and asks again where the database stands.

On PostgreSQL everything of ours is in the schema `penstock`, Alembic's own table included. What is there under a name
that a revision needs, and was not made by an earlier one, belongs to somebody else: the run is refused before it has
changed anything.
"""

import logging
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from textwrap import dedent
from typing import Any

import sqlalchemy as sa
from alembic import context
from alembic.runtime.migration import MigrationContext
from alembic.script import Script
from alembic.util import CommandError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import ExecutableDDLElement

NO_DATABASE = (
    "no database to migrate: set DATABASE_URL (sqlite:///penstock.db, postgresql://user@host/name), "
    'or give config.attributes a "connection" or a "url"'
)
NOT_FREE = "the connection is inside a transaction; each migration has to begin and end its own"
BUSY = "another migration ran at the same time; see where the database stands (alembic current) and try again"

WAITED = (
    "another migration has been running for more than {patience} seconds; see who holds the lock of migrations "
    "(migrations/README.md), or try again later"
)

FOREIGN = {
    "sqlite": (
        "this database has what another application made, under names that Penstock needs: {names}; "
        "let Penstock have a file of its own, or rename them"
    ),
    "postgresql": (
        "the schema penstock has in it what Penstock has not made: {names}; "
        "move that to another schema (ALTER ... SET SCHEMA), or use another database"
    ),
}

LOCK = int.from_bytes(b"penstock", "big")
PATIENCE_SECONDS = 300
POLL_SECONDS = 0.2
BEGIN: Mapping[str, Sequence[str]] = {
    "sqlite": ["BEGIN IMMEDIATE"],
    "postgresql": [
        # Whatever the default of this login: live traffic must not make a migration fail.
        "SET TRANSACTION ISOLATION LEVEL READ COMMITTED",
        # Behind DDL that waits for a table, everybody waits. Better to fail, and to be run again.
        "SET LOCAL lock_timeout = '2s'",
    ],
}

Statements = Mapping[str, Sequence[str]]
Plan = Callable[..., Any]

VERSIONS: Mapping[str, Mapping[str, str]] = {
    "sqlite": {"version_table": "penstock_alembic_version"},
    "postgresql": {"version_table": "alembic_version", "version_table_schema": "penstock"},
}
# Not CREATE SCHEMA IF NOT EXISTS: that asks for the right to make one even where it is there.
ARRIVE: Statements = {
    "sqlite": (),
    "postgresql": (
        """
        DO $penstock$
        BEGIN
            IF NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = 'penstock') THEN
                CREATE SCHEMA penstock;
            END IF;
        END
        $penstock$
        """,
    ),
}
LEAVE: Statements = {
    "sqlite": ("DROP TABLE IF EXISTS penstock_alembic_version",),
    "postgresql": (
        "DROP TABLE IF EXISTS penstock.alembic_version",
        """
        DO $penstock$
        BEGIN
            DROP SCHEMA IF EXISTS penstock RESTRICT;
        EXCEPTION
            WHEN dependent_objects_still_exist OR insufficient_privilege THEN NULL;
        END
        $penstock$
        """,
    ),
}

# The names that a statement takes. An index that is built CONCURRENTLY may be there in part, and be ours.
MAKES = {
    "sqlite": re.compile(r"CREATE (?:UNIQUE )?(?:TABLE|INDEX|VIEW|TRIGGER) (?:IF NOT EXISTS )?(\w+)"),
    "postgresql": re.compile(
        r"CREATE (?:OR REPLACE )?(?:UNIQUE )?(?:TABLE|INDEX|VIEW|SEQUENCE|TYPE|DOMAIN|FUNCTION|PROCEDURE) "
        r"(?!CONCURRENTLY)(?:IF NOT EXISTS )?(?:penstock\.)?(\w+)"
    ),
}
TAKEN = {
    "sqlite": "SELECT name FROM sqlite_master",
    "postgresql": """
        SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace('penstock')
        UNION SELECT proname FROM pg_proc WHERE pronamespace = to_regnamespace('penstock')
        UNION SELECT typname FROM pg_type WHERE typnamespace = to_regnamespace('penstock') AND typtype IN ('d', 'e', 'r')
    """,
}


class OvertakenError(Exception):
    """Between two migrations of this run another run had its turn."""


class Verbatim(ExecutableDDLElement):
    """A statement that reaches the driver as it is written: no parameters, so no meaning in : or %."""

    inherit_cache = False

    def __init__(self, text: str) -> None:
        self.text = dedent(text).strip()


@compiles(Verbatim)
def _spell(element: Verbatim, _compiler: object, **_: object) -> str:
    return element.text


def run(statements: Statements) -> None:
    """What the upgrade and downgrade of a revision are given, to run their frozen text with."""
    migration = context.get_context()
    for statement in statements[migration.dialect.name]:
        migration.execute(Verbatim(statement).execution_options(no_parameters=True))


def offline() -> None:
    """Writes the SQL out. Needs to know the engine, and no database."""
    connection = context.config.attributes.get("connection")
    name = connection.dialect.name if connection is not None else sa.make_url(_url()).get_backend_name()
    context.configure(dialect_name=_known(name), literal_binds=True, **_ways(name))
    plan: Plan = context.get_context().opts["fn"]

    def from_the_schema_on(heads: tuple[str, ...], migration: MigrationContext) -> Iterator[Any]:
        if not heads:
            run(ARRIVE)
        yield from plan(heads, migration)

    context.configure(dialect_name=name, fn=from_the_schema_on, literal_binds=True, **_ways(name))
    context.run_migrations(run=run)


def online() -> None:
    """Migrates a database."""
    connection = context.config.attributes.get("connection")
    if connection is not None:
        _known(connection.dialect.name)
        _migrate(connection)
        return
    url = sa.make_url(_url())
    _known(url.get_backend_name())
    with sa.create_engine(url, poolclass=sa.NullPool).connect() as own:
        _migrate(own)


def _migrate(connection: sa.Connection) -> None:
    if connection.in_transaction():
        raise CommandError(NOT_FREE)
    context.configure(connection=connection, **_ways(connection.dialect.name))
    options = context.get_context().opts
    if options.get("dont_mutate"):
        _overtaken(connection, options["fn"], locked=False)
        return
    with _turn(connection):
        while _overtaken(connection, options["fn"], locked=True):
            if str(options.get("destination_rev"))[0] in "+-":
                raise CommandError(BUSY)


@contextmanager
def _turn(connection: sa.Connection) -> Iterator[None]:
    """The only run, where the engine has a lock that outlives a transaction.

    It belongs to the session that migrates: if this process dies while the server still builds an index, nobody
    else begins before that has ended.
    """
    if connection.dialect.name != "postgresql":
        yield
        return
    with _outside_transactions(connection) as session:
        _wait(session)
        (timeout,) = session.execute("SELECT current_setting('statement_timeout')").fetchone()
        session.execute("SET statement_timeout = 0")
    try:
        yield
    finally:
        if not connection.invalidated:
            with _outside_transactions(connection) as session:
                session.execute("SELECT set_config('statement_timeout', %s, false)", [timeout])
                session.execute(f"SELECT pg_advisory_unlock({LOCK})")


def _wait(session: Any) -> None:
    """Asks for the lock, again and again.

    Who waits for it inside a statement holds a snapshot all the while, and CREATE INDEX CONCURRENTLY waits for
    every snapshot: the two would wait for each other, and no deadlock detector sees it.
    """
    patience = context.config.attributes.get("patience_seconds", PATIENCE_SECONDS)
    deadline = time.monotonic() + patience
    while session.execute(f"SELECT pg_try_advisory_lock({LOCK})").fetchone() != (True,):
        if time.monotonic() > deadline:
            raise CommandError(WAITED.format(patience=patience))
        time.sleep(POLL_SECONDS)  # noqa: TID251 - see above: to wait in the database is what must not be


@contextmanager
def _outside_transactions(connection: sa.Connection) -> Iterator[Any]:
    """The driver's connection, each statement on its own."""
    session: Any = connection.connection.dbapi_connection
    before, session.autocommit = session.autocommit, True
    try:
        yield session
    finally:
        if not session.closed:
            session.autocommit = before


def _overtaken(connection: sa.Connection, plan: Plan, *, locked: bool) -> bool:
    """Runs what is to be done from where the database stands now; whether there may be more."""

    def one_by_one(heads: tuple[str, ...], migration: MigrationContext) -> Iterator[Any]:
        steps = list(plan(heads, migration))
        _refuse_what_is_not_ours(connection, migration, heads, steps)
        for step in steps:
            if not connection.in_transaction():
                _begin(connection)
            if set(migration.get_current_heads()) != set(step.info.source_revision_ids):
                raise OvertakenError
            yield step

    context.configure(connection=connection, fn=one_by_one, **_ways(connection.dialect.name))
    try:
        if locked:
            _begin(connection)
            if not context.get_context().get_current_heads():
                run(ARRIVE)
        context.run_migrations(run=run)
        connection.commit()
    except OvertakenError:
        return True
    finally:
        connection.rollback()
    return False


def _refuse_what_is_not_ours(
    connection: sa.Connection, migration: MigrationContext, heads: tuple[str, ...], steps: Sequence[Any]
) -> None:
    """Nothing foreign is adopted, or dropped on the way back. Before the first revision it must be out of the way of all."""
    coming: Iterable[Script] = [step.revision for step in steps if step.is_upgrade and not step.info.is_stamp]
    if not coming or not migration.script:
        return
    engine = connection.dialect.name
    taken = {str(name) for (name,) in connection.exec_driver_sql(TAKEN[engine])}
    if not heads:
        wanted = _names(engine, migration.script.walk_revisions())
        taken -= {VERSIONS[engine]["version_table"], "alembic_version_pkc"}
        foreign = taken if engine == "postgresql" else taken & wanted
    else:
        foreign = taken & _names(engine, coming) - _names(engine, migration.script.iterate_revisions(heads, "base"))
    if foreign:
        raise CommandError(FOREIGN[engine].format(names=", ".join(sorted(foreign))))


def _names(engine: str, revisions: Iterable[Script]) -> set[str]:
    """What these revisions make."""
    said = (getattr(revision.module, "UP", None) for revision in revisions)
    texts = (text for each in said if isinstance(each, Mapping) for text in each[engine])
    return {name for text in texts for name in MAKES[engine].findall(" ".join(text.split()))}


def _begin(connection: sa.Connection) -> None:
    """Opens a transaction, also where the driver would open none, and takes the lock of migrations.

    Python's SQLite driver begins none for DDL, psycopg none in autocommit; both commit one that is open.
    """
    connection.begin()
    driver = connection.connection.dbapi_connection
    if getattr(driver, "in_transaction", False):
        return
    if getattr(driver, "autocommit", False) is True:
        connection.exec_driver_sql("BEGIN")
    for statement in BEGIN[connection.dialect.name]:
        connection.exec_driver_sql(statement)


def _ways(engine: str) -> dict[str, Any]:
    """How migrations go on an engine: each in its own transaction, with the place of the revision's number."""
    return {
        "transaction_per_migration": True,
        "transactional_ddl": True,
        "on_version_apply": _leave_if_nothing_is_left,
        **VERSIONS[engine],
    }


def _leave_if_nothing_is_left(*, heads: set[str], **_: Any) -> None:
    """In the transaction of the last way back."""
    if not heads:
        run(LEAVE)


def _url() -> str:
    url = context.config.attributes.get("url") or os.environ.get("DATABASE_URL")
    if not url:
        raise CommandError(NO_DATABASE)
    return str(url)


def _known(name: str) -> str:
    if name not in BEGIN:
        raise CommandError(f"Penstock runs on {' and '.join(BEGIN)}, not on {name}")
    return name


if context.config.cmd_opts:
    logging.basicConfig(format="%(message)s")
    progress = logging.getLogger("alembic.runtime.migration")
    progress.setLevel(logging.INFO)
    progress.addFilter(lambda record: record.msg.startswith("Running"))

if context.is_offline_mode():
    offline()
else:
    online()
