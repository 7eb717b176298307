"""How each engine opens, begins, commits and is joined, and which of its errors are worth another try."""

import hashlib
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

import psycopg
import sqlalchemy as sa
from psycopg.pq import TransactionStatus
from psycopg.rows import tuple_row
from sqlalchemy import orm, pool

from penstock.dal.dialect.calls import Cursor, Rows, call_function, run_steps
from penstock.dal.dialect.queries import Query
from penstock.domain.errors import CannotJoin, InvalidInput

BUSY_TIMEOUT_SECONDS = 30
BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
AWAY = (*BUSY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY)
IMMEDIATE = "BEGIN IMMEDIATE"
AUTOCOMMIT = "this connection is in autocommit mode; open a transaction first, with {}"


@dataclass(frozen=True, slots=True)
class Session:
    """A cursor of one of the engines, and whether several statements on it are one commit."""

    cursor: Cursor
    has_functions: bool
    spans: bool

    def run(self, query: Query, params: Mapping[str, Any]) -> list[Any]:
        """The rows of a query."""
        if self.has_functions:
            return query.run_postgresql(self.cursor, params)
        return query.run_sqlite(self.cursor, params)

    def call(
        self, name: str, arguments: Mapping[str, Any], columns: str, now: datetime, new_id: Callable[[], UUID]
    ) -> Rows:
        """The rows that a verb of the ledger answers. On PostgreSQL it reads its own clock."""
        if self.has_functions:
            return call_function(self.cursor, name, arguments, columns)
        return run_steps(self.cursor, name, arguments, now, new_id)


class Database(Protocol):
    """An engine that has been opened."""

    engine: sa.Engine
    commits_alone: bool

    def autocommit(self) -> AbstractContextManager[Session]:
        """Each statement on its own."""

    def transaction(self) -> AbstractContextManager[Session]:
        """All statements as one commit."""

    def is_conflict(self, error: BaseException) -> bool:
        """Whether the database gave up this transaction for another one."""


def open_database(url: str, **options: Any) -> Database:
    """The database at a URL; nothing is opened before the first use."""
    try:
        backend = sa.make_url(url).get_backend_name()
    except sa.exc.ArgumentError:
        raise InvalidInput(
            "url", "is not a database URL; write sqlite:///file.db or postgresql://user@host/name"
        ) from None
    if backend == "sqlite":
        return SQLite(url, **options)
    if backend == "postgresql":
        return PostgreSQL(url, **options)
    raise InvalidInput("url", f"names {backend}; Penstock runs on sqlite and postgresql")


def is_duplicate(error: BaseException) -> bool:
    """Whether a statement was refused because a value that must be unique is there already."""
    if isinstance(error, sqlite3.IntegrityError):
        return error.sqlite_errorcode == sqlite3.SQLITE_CONSTRAINT_UNIQUE
    return isinstance(error, psycopg.errors.UniqueViolation)


def is_away(error: BaseException) -> bool:
    """Whether the database could not be reached or could not answer, so that the same may well succeed later."""
    if isinstance(error, sqlite3.OperationalError):
        return getattr(error, "sqlite_errorcode", 0) & 0xFF in AWAY
    return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError | sa.exc.TimeoutError)


class PostgreSQL:
    """Connections stay in autocommit, so that a verb that is one statement is one round trip."""

    commits_alone = True

    def __init__(self, url: str, **options: Any) -> None:
        given = sa.make_url(url).set(drivername="postgresql+psycopg")
        self.engine = sa.create_engine(
            given,
            isolation_level="AUTOCOMMIT",
            use_native_hstore=False,
            pool_reset_on_return=None,
            execution_options={"schema_translate_map": {None: "penstock"}},
            **options,
        )

    def autocommit(self) -> AbstractContextManager[Session]:
        """Each statement on its own."""
        return _checked_out(self.engine, _psycopg_session)

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """All statements as one commit."""
        with _checked_out(self.engine, _psycopg_session) as session:
            cursor: Any = session.cursor
            cursor.execute("BEGIN")
            yield replace(session, spans=True)
            if cursor.connection.info.transaction_status == TransactionStatus.INERROR:
                # COMMIT would roll back, and say so to nobody.
                raise psycopg.errors.InFailedSqlTransaction(
                    "a statement of this transaction has failed; nothing was kept"
                )
            cursor.execute("COMMIT")

    def is_conflict(self, error: BaseException) -> bool:
        """Whether the transaction lost to another one."""
        return isinstance(error, psycopg.errors.SerializationFailure | psycopg.errors.DeadlockDetected)


class SQLite:
    """One writer at a time: every write transaction takes the write lock before it reads."""

    commits_alone = False

    def __init__(self, url: str, **options: Any) -> None:
        in_memory = sa.make_url(url).database in (None, "", ":memory:")
        if in_memory:
            # A connection of its own would be a database of its own: all threads share one, in turns.
            options = {"poolclass": pool.StaticPool, **options}
        self.turn: AbstractContextManager[Any] = threading.RLock() if in_memory else nullcontext()
        arguments = {"check_same_thread": False, "timeout": BUSY_TIMEOUT_SECONDS}
        self.engine = sa.create_engine(url, connect_args=arguments, isolation_level="AUTOCOMMIT", **options)
        sa.event.listen(self.engine, "connect", _prepare)

    @contextmanager
    def autocommit(self) -> Iterator[Session]:
        """Each statement on its own."""
        with self.turn, _checked_out(self.engine, _sqlite_session) as session:
            yield session

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """All statements as one commit."""
        with self.turn, _checked_out(self.engine, _sqlite_session) as session:
            session.cursor.execute(IMMEDIATE)
            yield replace(session, spans=True)
            session.cursor.execute("COMMIT")

    def is_conflict(self, error: BaseException) -> bool:
        """Whether another writer was in the way for longer than the time-out."""
        return isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode & 0xFF in BUSY


@contextmanager
def _checked_out(engine: sa.Engine, session_of: Callable[[Any], Session]) -> Iterator[Session]:
    """A session on a connection of the pool; what it leaves open is rolled back, and a broken connection thrown away."""
    pooled = engine.raw_connection()
    raw: Any = pooled.driver_connection
    try:
        yield session_of(raw)
    except BaseException:
        try:
            raw.rollback()
        except (psycopg.Error, sqlite3.Error):
            pooled.invalidate()
        raise
    finally:
        pooled.close()


def _psycopg_session(raw: psycopg.Connection[Any]) -> Session:
    return Session(psycopg.RawCursor(raw, row_factory=tuple_row), has_functions=True, spans=False)


def _sqlite_session(raw: sqlite3.Connection) -> Session:
    cursor = raw.cursor()
    cursor.row_factory = None
    return Session(cursor, has_functions=False, spans=False)


def _prepare(raw: sqlite3.Connection, _record: Any) -> None:
    _add_functions(raw)
    for pragma in ("foreign_keys = ON", "journal_mode = WAL", f"busy_timeout = {BUSY_TIMEOUT_SECONDS * 1000}"):
        raw.execute(f"PRAGMA {pragma}")


def _add_functions(raw: sqlite3.Connection) -> None:
    """What the steps of the ledger call, and SQLite does not have."""
    raw.create_function("sha256", 1, lambda text: hashlib.sha256(text.encode()).hexdigest(), deterministic=True)


# --- joining the caller's transaction --------------------------------------------------------------------------


def joined(connection: Any) -> Session:
    """A session inside the transaction that the caller has, or is about to have, on a connection."""
    if isinstance(connection, orm.Session):
        connection = connection.connection()
    if isinstance(connection, sa.Connection):
        if not connection.in_transaction():
            connection.begin()  # Otherwise its commit() would not know that there is something to commit.
        connection = connection.connection.driver_connection
    if isinstance(connection, psycopg.Connection):
        return _joined_postgresql(connection)
    if isinstance(connection, sqlite3.Connection):
        return _joined_sqlite(connection)
    kind = type(connection).__name__
    raise CannotJoin(
        f"cannot join a {kind}; pass a SQLAlchemy connection or session, or a psycopg or sqlite3 connection"
    )


def _joined_postgresql(raw: psycopg.Connection[Any]) -> Session:
    status = raw.info.transaction_status
    if status == TransactionStatus.INERROR:
        raise CannotJoin("the transaction of this connection has failed; roll it back and begin again")
    if raw.autocommit and status == TransactionStatus.IDLE:
        raise CannotJoin(AUTOCOMMIT.format("connection.transaction()"))
    return replace(_psycopg_session(raw), spans=True)


def _joined_sqlite(raw: sqlite3.Connection) -> Session:
    if not raw.in_transaction:
        if getattr(raw, "autocommit", None) is True:  # Since Python 3.12; its commit() then does nothing.
            raise CannotJoin(AUTOCOMMIT.format("BEGIN IMMEDIATE"))
        raw.execute(IMMEDIATE)
    elif not _holds_write_lock(raw):
        raise CannotJoin(
            "this connection has begun a deferred transaction, which may fail when it comes to write; "
            "begin it with BEGIN IMMEDIATE, or join before its first statement"
        )
    _add_functions(raw)
    return replace(_sqlite_session(raw), spans=True)


def _holds_write_lock(raw: sqlite3.Connection) -> bool:
    """Whether this transaction has the write lock: a rival finds it taken, and a write that changes nothing does not."""
    return not _can_begin(_file_of(raw)) and _can(raw, "DELETE FROM sqlite_sequence WHERE false")


def _file_of(raw: sqlite3.Connection) -> str:
    return next(str(file) for _, name, file in raw.cursor().execute("PRAGMA database_list") if name == "main")


def _can_begin(path: str) -> bool:
    """Whether a rival could begin to write; a database without a file has no rivals."""
    if not path:
        return False
    with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as rival:
        return _can(rival, IMMEDIATE)


def _can(connection: sqlite3.Connection, statement: str) -> bool:
    try:
        connection.execute(statement)
    except sqlite3.OperationalError:
        return False
    return True
