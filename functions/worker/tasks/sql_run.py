"""sql.run: maintenance statements over a connection that the deployment names in SQL_RUN_CONNECTIONS.

Never with Penstock's own login: that may write what only moves may write, and the history of a job would no longer
be what happened. Whether it is the same login, both connections are asked: a server has many names.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from penstock import wiring
from penstock.domain import limits
from penstock.domain.errors import InvalidInput
from penstock.work import ConfigField, Context, Fail, Outcome, read_config, task_type
from penstock.work.run import clean

STATEMENTS = 100
ROWS = (0, 1_000)
MOST_JSON = 128 * 1024
ARN = "arn:"
# So that the server ends a statement before the run is interrupted, and does not go on with it unheard.
HEAD_START = timedelta(seconds=2)
# Behind a pooler a session is somebody else's after each transaction: nothing is prepared in it.
WIRE = {"connect_timeout": 5, "prepare_threshold": None}
STEPS_BETWEEN_LOOKS = 1_000

WHO = {
    "postgresql": "SELECT current_database(), session_user, pg_postmaster_start_time()",
    "sqlite": "SELECT file FROM pragma_database_list WHERE name = 'main'",
}


@dataclass(frozen=True, slots=True)
class SqlRun:
    """The config. All statements are one transaction, or with *autocommit* each its own, as VACUUM must be."""

    connection: str
    statements: Sequence[str]
    autocommit: bool = False
    max_rows: int = 20

    def __post_init__(self) -> None:
        limits.name("connection", self.connection)
        if not isinstance(self.statements, list | tuple) or not self.statements:
            raise ConfigField("statements", "must be a list of at least one statement")
        limits.few("statements", self.statements, STATEMENTS)
        for place, statement in enumerate(self.statements):
            limits.name(f"statements[{place}]", statement, limits.PAYLOAD)
        if not isinstance(self.autocommit, bool):
            raise ConfigField("autocommit", f"is {self.autocommit!r}; it must be true or false")
        limits.within("max_rows", self.max_rows, ROWS)


@task_type("sql.run")
def sql_run(context: Context) -> Outcome:
    """Runs the statements; how many rows each touched, and the first rows of what it returned."""
    wanted = read_config(SqlRun, context.config)
    context.touch(f"sql:{wanted.connection}")
    with _connection(_engine(wanted.connection), autocommit=wanted.autocommit) as connection:
        _refuse_own_login(context, connection, wanted.connection)
        return Outcome({"statements": list(_run(connection, wanted, lambda: context.remaining - HEAD_START))})


def _engine(name: str) -> sa.Engine:
    named = wiring.settings().reach.sql_connections
    if name not in named:
        raise Fail(f"the connection {name} is not listed in SQL_RUN_CONNECTIONS", error_type="NotAllowed")
    try:
        url = sa.make_url(named[name]) if not named[name].startswith(ARN) else _by_secret(named[name])
    except (sa.exc.ArgumentError, KeyError, ValueError):
        raise Fail(f"SQL_RUN_CONNECTIONS names no database for {name}", error_type="InvalidSetting") from None
    if url.get_backend_name() not in WHO:
        raise Fail(f"{name} is no database of a kind that sql.run knows: {', '.join(WHO)}", error_type="NotAllowed")
    if url.get_backend_name() == "postgresql":
        return sa.create_engine(url.set(drivername="postgresql+psycopg"), poolclass=sa.NullPool, connect_args=WIRE)
    return sa.create_engine(url, poolclass=sa.NullPool)


def _by_secret(arn: str) -> sa.URL:
    secret = wiring.secrets().secret(arn)
    port = int(secret.get("port", 5432))
    return sa.URL.create("postgresql", secret["username"], secret["password"], secret["host"], port, secret["dbname"])


@contextmanager
def _connection(engine: sa.Engine, *, autocommit: bool) -> Iterator[sa.Connection]:
    """Committed as a whole when all went well, DDL too; what the driver says is said in its words."""
    try:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT", no_parameters=True) as connection:
            if autocommit:
                yield connection
                return
            connection.exec_driver_sql("BEGIN")
            yield connection
            connection.exec_driver_sql("COMMIT")
    except sa.exc.DBAPIError as error:
        raise (error.orig or error) from None


def _refuse_own_login(context: Context, connection: sa.Connection, name: str) -> None:
    kind = connection.dialect.name
    if kind == context.store.database.engine.dialect.name and _who(connection) == _penstock(context, WHO[kind]):
        raise Fail(f"the connection {name} is Penstock's own login; give it one of its own", error_type="NotAllowed")


def _who(connection: sa.Connection) -> list[Any]:
    return list(connection.exec_driver_sql(WHO[connection.dialect.name]).one())


def _penstock(context: Context, question: str) -> list[Any]:
    with context.deadline.held_back(), context.store.read() as tx:
        tx.session.cursor.execute(question)
        return list(tx.session.cursor.fetchall()[0])


def _run(connection: sa.Connection, wanted: SqlRun, left: Callable[[], timedelta]) -> Iterator[Mapping[str, Any]]:
    room = MOST_JSON
    for statement in wanted.statements:
        _limit_time(connection, left(), for_session=wanted.autocommit)
        result = connection.exec_driver_sql(statement)
        done: dict[str, Any] = {"rowcount": result.rowcount}
        if result.returns_rows:
            done["columns"] = [clean(column, limits.NAME) for column in result.keys()]  # noqa: SIM118 - the result itself is its rows
            done["rows"], done["truncated"], room = _first_rows(result, wanted.max_rows, room)
        yield done


def _limit_time(connection: sa.Connection, left: timedelta, *, for_session: bool) -> None:
    """The server ends what takes too long; where there is no server, the engine looks at the time now and then.

    Where there is a transaction the limit ends with it: behind a pooler, the session has another user then.
    """
    if connection.dialect.name == "postgresql":
        milliseconds = max(1, int(left.total_seconds() * 1000))
        connection.exec_driver_sql(f"SET {'SESSION' if for_session else 'LOCAL'} statement_timeout = {milliseconds}")
        return
    ends = time.monotonic() + left.total_seconds()
    raw: Any = connection.connection.driver_connection
    raw.set_progress_handler(lambda: time.monotonic() > ends, STEPS_BETWEEN_LOOKS)


def _first_rows(result: sa.CursorResult[Any], most: int, room: int) -> tuple[list[list[Any]], bool, int]:
    """The first rows as JSON, whether that is not all of them, and how much room is left for further ones."""
    rows: list[list[Any]] = []
    for row in result.fetchmany(most + 1):
        values = [_plain(value) for value in row]
        room -= len(json.dumps(values))
        if len(rows) == most or room < 0:
            return rows, True, max(room, 0)
        rows.append(values)
    return rows, False, room


def _plain(value: Any) -> Any:
    """A value as JSON can hold it: as itself, or as a text."""
    if value is None or isinstance(value, bool | int):
        return value
    try:
        limits.payload("value", {"value": value})
    except InvalidInput:
        return clean(value.hex() if isinstance(value, bytes) else str(value), limits.PATH)
    return value
