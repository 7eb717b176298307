"""What tests act with: a clock that they set, a store that uses it, and short ways to say common things."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from penstock import world
from penstock.dal import executions, schema
from penstock.dal.dialect import open_database
from penstock.dal.effects import Effects
from penstock.dal.store import Store, Tx
from penstock.domain.executions import Job, NewExecution
from penstock.domain.pipelines import Step, TriggerRule
from tests import database_clock, pooler

MINUTE = timedelta(minutes=1)
# Ahead of every machine's clock: the guards' own clock, which serves who writes past the ledger, never wins.
START = datetime(2100, 1, 1, tzinfo=UTC)


class Clock:
    """Time that passes when a test says so: for the code, and for the databases that it sets."""

    def __init__(self, now: datetime = START) -> None:
        self._now = now
        self._databases: dict[str, str] = {}

    def __call__(self) -> datetime:
        return self._now

    @property
    def now(self) -> datetime:
        """What time it is."""
        return self._now

    @now.setter
    def now(self, now: datetime) -> None:
        self._now = now
        for url in self._databases.values():
            database_clock.set_to(url, now)

    def pass_(self, time: timedelta) -> None:
        self.now += time

    def govern(self, url: str) -> None:
        """Sets the clock of a database from now on, where it has one."""
        name = sa.make_url(url).database or ""
        if database_clock.has_clock(url) and name not in self._databases:
            database_clock.install(url)
            database_clock.set_to(url, self._now)
            self._databases[name] = url


def store_at(url: str, clock: Clock, **options: Any) -> Store:
    """A store on real ids and chance, and on a clock of the test's."""
    if pooler.leads_through(url):
        options = {"connect_args": pooler.UNPREPARED, **options}
    clock.govern(url)
    return Store(open_database(url, **options), "tester", clock, world.uuid7, lambda: 0.5)


def job(name: str = "job", **options: Any) -> NewExecution:
    """A new execution of which only the name matters."""
    return NewExecution(name, "noop", **options)


def step(name: str, *parents: str, rule: TriggerRule = TriggerRule.ALL_SUCCESS, **options: Any) -> Step:
    """A step of a pipeline."""
    return Step(job(name, **options), parents, rule)


def only(effects: Effects) -> UUID:
    """The id of the one execution that moved."""
    (moved,) = effects.moved
    return moved.id


def begin(store: Store, *ids: UUID, worker: str = "worker") -> list[Job]:
    """Takes and starts these executions."""
    return store.alone(executions.begin, ids, worker=worker)


def rows(store: Store, table: sa.Table, *where: Any) -> list[Any]:
    """Rows of a table, as they are committed."""
    key = next(iter(table.primary_key.columns))
    with store.database.engine.connect() as connection:
        return list(connection.execute(sa.select(table).where(*where).order_by(key)))


@contextmanager
def by_hand(store: Store) -> Iterator[sa.Connection]:
    """A connection for SQL of the test's own: it may name our tables without their schema, which the product never does,
    and write them as if it were a function of the schema."""
    engine = store.database.engine
    if engine.dialect.name == "postgresql":
        engine = _by_hand(pooler.past(engine.url.render_as_string(hide_password=False)))
    with engine.connect() as connection:
        yield connection


@cache
def _by_hand(url: str) -> sa.Engine:
    options = {"options": "-c search_path=public,penstock -c row_security=off"}
    return sa.create_engine(url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT", connect_args=options)


def run(store: Store, *statements: str) -> None:
    """Runs SQL of the test's own, each statement as a commit of its own."""
    with by_hand(store) as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def row(store: Store, table: sa.Table, id: UUID) -> Any:
    """One row by its id."""
    (found,) = rows(store, table, table.c.id == id)
    return found


def execution(store: Store, id: UUID) -> Any:
    """A task execution as it is committed."""
    return row(store, schema.task_executions, id)


def event_types(store: Store, id: UUID) -> list[str]:
    """The history of one execution, oldest first."""
    events = schema.execution_events
    return [event.event_type for event in rows(store, events, events.c.task_execution_id == id)]


def create(tx: Tx, *wanted: NewExecution) -> list[UUID]:
    """New executions; their ids in the order in which they were given."""
    effects = executions.create_many(tx, wanted)
    return [moved.id for moved in sorted(effects.moved, key=lambda moved: moved.id)]
