"""Inside the caller's transaction: the job exists if and only if the caller's data does."""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from psycopg.rows import dict_row
from sqlalchemy import orm

from penstock.dal import executions, schema
from penstock.dal.store import Store
from penstock.domain.errors import CannotJoin
from penstock.domain.lifecycle import Status
from tests.acting import Clock, execution, job, only, rows, store_at
from tests.books import discrepancies
from tests.databases import Databases


@dataclass(frozen=True)
class Caller:
    """Somebody with a connection, and data of his own."""

    connection: Any
    execute: Callable[[str], Any]

    def order(self) -> None:
        self.execute("INSERT INTO orders VALUES (1)")

    def commit(self) -> None:
        self.connection.commit()

    def rollback(self) -> None:
        self.connection.rollback()


@contextmanager
def sqlalchemy_connection(url: str) -> Iterator[Caller]:
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        yield Caller(connection, connection.exec_driver_sql)
    engine.dispose()


@contextmanager
def orm_session(url: str) -> Iterator[Caller]:
    engine = sa.create_engine(url)
    with orm.Session(engine) as session:
        yield Caller(session, lambda text: session.execute(sa.text(text)))
    engine.dispose()


@contextmanager
def driver_connection(url: str) -> Iterator[Caller]:
    parsed = sa.make_url(url)
    if parsed.get_backend_name() == "sqlite":
        opened: Any = sqlite3.connect(parsed.database or "")
        opened.row_factory = sqlite3.Row
    else:
        opened = psycopg.connect(url.replace("+psycopg", ""), row_factory=dict_row)
    with closing(opened) as connection:
        yield Caller(connection, connection.execute)


CALLERS = {"connection": sqlalchemy_connection, "session": orm_session, "driver": driver_connection}


@pytest.fixture(params=CALLERS)
def caller(request: pytest.FixtureRequest, store: Store, database_url: str) -> Iterator[Caller]:
    with store.database.engine.connect() as connection:
        connection.exec_driver_sql("CREATE TABLE orders (number integer)")
    with CALLERS[request.param](database_url) as caller:
        yield caller


def there(store: Store) -> tuple[int, int]:
    """How many orders and how many jobs there are."""
    with store.database.engine.connect() as connection:
        orders = connection.exec_driver_sql("SELECT count(*) FROM orders").scalar_one()
    return orders, len(rows(store, schema.task_executions))


def test_what_the_caller_commits_is_there_with_the_job(store: Store, caller: Caller) -> None:
    caller.order()
    executions.create(store.join(caller.connection), job())
    assert (0, 0) == there(store)
    caller.commit()
    assert (1, 1) == there(store)
    assert [] == discrepancies(store)


def test_what_the_caller_rolls_back_takes_the_job_along(store: Store, caller: Caller) -> None:
    caller.order()
    executions.create(store.join(caller.connection), job())
    caller.rollback()
    assert (0, 0) == there(store)
    assert ([], []) == (rows(store, schema.execution_events), rows(store, schema.task_outbox))


def test_the_job_may_come_before_the_data(store: Store, caller: Caller) -> None:
    executions.create(store.join(caller.connection), job())
    caller.order()
    assert (0, 0) == there(store)
    caller.commit()
    assert (1, 1) == there(store)


def test_a_job_that_comes_first_is_rolled_back_as_well(store: Store, caller: Caller) -> None:
    executions.create(store.join(caller.connection), job())
    caller.order()
    caller.rollback()
    assert (0, 0) == there(store)


def test_several_verbs_are_one_commit_of_the_caller(store: Store, caller: Caller) -> None:
    tx = store.join(caller.connection)
    id = only(executions.create(tx, job()))
    (held,) = executions.begin(tx, [id], worker="worker")
    executions.complete(store.join(caller.connection), held)
    caller.commit()
    assert Status.COMPLETED == execution(store, id).status
    assert [] == discrepancies(store)


def test_the_caller_goes_on_with_his_connection_afterwards(store: Store, caller: Caller) -> None:
    for _ in range(2):
        executions.create(store.join(caller.connection), job())
        caller.commit()
        caller.order()
        caller.commit()
    assert (2, 2) == there(store)


def test_a_job_goes_with_the_savepoint_it_was_made_in(postgres: Store, postgres_url: str) -> None:
    with psycopg.connect(postgres_url.replace("+psycopg", ""), autocommit=True) as connection, connection.transaction():
        executions.create(postgres.join(connection), job("kept"))
        with connection.transaction(force_rollback=True):
            executions.create(postgres.join(connection), job("undone"))
    assert ["kept"] == [row.name for row in rows(postgres, schema.task_executions)]


# --- refused -------------------------------------------------------------------------------------------------------


def test_a_failed_transaction_is_refused(postgres: Store, postgres_url: str) -> None:
    with psycopg.connect(postgres_url.replace("+psycopg", "")) as connection:
        with pytest.raises(psycopg.errors.DivisionByZero):
            connection.execute("SELECT 1 / 0")
        with pytest.raises(CannotJoin, match="has failed; roll it back"):
            postgres.join(connection)
        connection.rollback()
        executions.create(postgres.join(connection), job())
    assert 1 == len(rows(postgres, schema.task_executions))


def test_a_connection_in_autocommit_mode_is_refused_outside_of_a_transaction(
    postgres: Store, postgres_url: str
) -> None:
    with psycopg.connect(postgres_url.replace("+psycopg", ""), autocommit=True) as connection:
        with pytest.raises(CannotJoin, match="autocommit"):
            postgres.join(connection)
        with connection.transaction():
            executions.create(postgres.join(connection), job())
    assert 1 == len(rows(postgres, schema.task_executions))


@pytest.fixture
def file(databases: Databases) -> Iterator[str]:
    with databases.migrated("sqlite") as url:
        yield url.removeprefix("sqlite:///")


@pytest.fixture
def on_file(file: str, clock: Clock) -> Iterator[Store]:
    store = store_at(f"sqlite:///{file}", clock)
    store.database.engine.connect().close()
    yield store
    store.database.engine.dispose()


def deferred(file: str) -> sqlite3.Connection:
    """A transaction that has read, and has no write lock."""
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute("BEGIN")
    connection.execute("SELECT count(*) FROM task_executions").fetchall()
    return connection


class InAutocommit(sqlite3.Connection):
    """As one is that Python 3.12 or later opens with autocommit=True: its commit() does nothing."""

    autocommit = True


def test_a_file_in_autocommit_mode_is_refused_outside_of_a_transaction(on_file: Store, file: str) -> None:
    with closing(sqlite3.connect(file, factory=InAutocommit)) as connection:
        with pytest.raises(CannotJoin, match="autocommit"):
            on_file.join(connection)
        connection.execute("BEGIN IMMEDIATE")
        executions.create(on_file.join(connection), job())
        connection.execute("COMMIT")
    assert 1 == len(rows(on_file, schema.task_executions))


def test_a_deferred_transaction_is_refused(on_file: Store, file: str) -> None:
    with closing(deferred(file)) as connection:
        with pytest.raises(CannotJoin, match="BEGIN IMMEDIATE"):
            on_file.join(connection)
        assert connection.in_transaction


def test_a_deferred_transaction_is_refused_while_somebody_else_writes(on_file: Store, file: str) -> None:
    """That the write lock is taken does not mean that the caller has it."""
    with closing(deferred(file)) as connection, on_file.begin() as tx:
        executions.create(tx, job())
        with pytest.raises(CannotJoin, match="BEGIN IMMEDIATE"):
            on_file.join(connection)


def test_an_immediate_transaction_is_joined(on_file: Store, file: str) -> None:
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        executions.create(on_file.join(connection), job())
        connection.execute("COMMIT")
    assert 1 == len(rows(on_file, schema.task_executions))


def test_what_is_no_connection_is_refused_by_name(store: Store, database_url: str) -> None:
    for what, kind in ((None, "NoneType"), (database_url, "str"), (store.database.engine, "Engine"), (store, "Store")):
        with pytest.raises(CannotJoin, match=f"cannot join a {kind}; pass a SQLAlchemy connection or session"):
            store.join(what)


def test_an_asynchronous_connection_is_refused(postgres: Store, postgres_url: str) -> None:
    async def join() -> None:
        async with await psycopg.AsyncConnection.connect(postgres_url.replace("+psycopg", "")) as connection:
            postgres.join(connection)

    with pytest.raises(CannotJoin, match="cannot join a AsyncConnection"):
        asyncio.run(join())
