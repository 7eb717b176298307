"""What tests act with: a clock that they set, a store that uses it, and short ways to say common things."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from penstock import world
from penstock.dal import executions, schema
from penstock.dal.dialect import open_database
from penstock.dal.ledger import Effects
from penstock.dal.store import Store, Tx
from penstock.domain.executions import Job, NewExecution
from penstock.domain.pipelines import Step, TriggerRule
from tests import pooler

MINUTE = timedelta(minutes=1)
# Ahead of every machine's clock: the guards' own clock, which serves who writes past the ledger, never wins.
START = datetime(2100, 1, 1, tzinfo=UTC)


@dataclass
class Clock:
    """Time that passes when a test says so."""

    now: datetime = field(default=START)

    def __call__(self) -> datetime:
        return self.now

    def pass_(self, time: timedelta) -> None:
        self.now += time


def store_at(url: str, clock: Clock, **options: Any) -> Store:
    """A store on real ids and chance, and on a clock of the test's."""
    if pooler.leads_through(url):
        options = {"connect_args": pooler.UNPREPARED, **options}
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
