"""One storage form for each type, whoever writes it: the ledger, Core, the ORM, or the database itself."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy import orm

from penstock import world
from penstock.dal import executions, schema
from penstock.dal.dialect import Id, Instant, Json, Names, clock_now, id_of_number
from penstock.dal.store import Store
from tests.acting import Clock, job, only, store_at
from tests.databases import Databases

SHAPES = {
    Id: r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
    Instant: r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z",
}
MOMENTS = [
    datetime(1, 1, 1, tzinfo=UTC),
    datetime(999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    datetime(1999, 12, 31, tzinfo=UTC),
    datetime(2100, 1, 1, tzinfo=UTC),
    datetime(2100, 1, 1, 1, tzinfo=timezone(timedelta(minutes=30))),
    datetime(2100, 1, 1, 0, 30, 0, 1, tzinfo=UTC),
    datetime(2100, 1, 1, 12, tzinfo=timezone(timedelta(hours=-5))),
    datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
]
DOCUMENTS: list[Any] = [
    None, {}, {"a": {"b": [1, 2.5, None, True, "Ä \U0001f6b0"]}}, {"0": ""}, [], [{"x": 1}], {"large": 2**53}, {"quote": "'\"\\"},
]  # fmt: skip
THINGS = sa.Table(
    "things",
    sa.MetaData(),
    sa.Column("id", Id(), primary_key=True, server_default=id_of_number(sa.literal_column("7"))),
    sa.Column("at", Instant(), server_default=clock_now()),
    sa.Column("document", Json),
    sa.Column("names", Names),
)


@pytest.fixture
def things(store: Store) -> Iterator[sa.Connection]:
    with store.database.engine.connect() as connection:
        THINGS.create(connection)
        yield connection


@pytest.fixture
def file(databases: Databases, clock: Clock) -> Iterator[Store]:
    """Where every type has a form of ours, because the engine has none."""
    with databases.migrated("sqlite") as url:
        store = store_at(url, clock)
        yield store
        store.database.engine.dispose()


def stored(connection: sa.Connection, column: str, table: str = "things") -> list[str]:
    """What lies in a column, as the engine has it."""
    return list(connection.exec_driver_sql(f"SELECT {column} FROM {table}").scalars())


# --- there and back ------------------------------------------------------------------------------------------------


def test_a_moment_comes_back_as_the_same_moment_in_utc(things: sa.Connection) -> None:
    for moment in MOMENTS:
        id = world.uuid7()
        things.execute(sa.insert(THINGS).values(id=id, at=moment))
        found = things.execute(sa.select(THINGS.c.at).where(THINGS.c.id == id)).scalar_one()
        assert (moment, UTC) == (found, found.tzinfo)


def test_moments_sort_as_time_does(things: sa.Connection) -> None:
    for moment in reversed(MOMENTS):
        things.execute(sa.insert(THINGS).values(id=world.uuid7(), at=moment))
    found = things.execute(sa.select(THINGS.c.at).order_by(THINGS.c.at)).scalars()
    assert sorted(MOMENTS) == list(found)


@pytest.mark.parametrize("document", DOCUMENTS, ids=repr)
def test_a_document_comes_back_as_it_was(things: sa.Connection, document: Any) -> None:
    things.execute(sa.insert(THINGS).values(id=world.uuid7(), document=document))
    assert document == things.execute(sa.select(THINGS.c.document)).scalar_one()


def test_no_document_is_null_and_not_a_document_that_says_null(things: sa.Connection) -> None:
    things.execute(sa.insert(THINGS).values(id=world.uuid7(), document=None, names=None))
    nothing = sa.and_(THINGS.c.document.is_(None), THINGS.c.names.is_(None))
    assert 1 == len(things.execute(sa.select(THINGS.c.id).where(nothing)).all())


def test_names_and_ids_come_back_as_they_were(things: sa.Connection) -> None:
    id, names = world.uuid7(), ["s3", 'Ä, "b"', ""]
    things.execute(sa.insert(THINGS).values(id=id, names=names))
    assert (id, names) == things.execute(sa.select(THINGS.c.id, THINGS.c.names)).one()


# --- one form --------------------------------------------------------------------------------------------------------


def test_a_moment_is_text_of_a_fixed_width(file: Store) -> None:
    with file.database.engine.connect() as connection:
        THINGS.create(connection)
        for moment in MOMENTS:
            connection.execute(sa.insert(THINGS).values(id=world.uuid7(), at=moment))
        assert {27} == {len(text) for text in stored(connection, "at")}


def test_what_the_database_fills_in_has_the_same_form(file: Store) -> None:
    with file.database.engine.connect() as connection:
        THINGS.create(connection)
        connection.exec_driver_sql("INSERT INTO things (document) VALUES ('{}')")
        (id,), (at,) = stored(connection, "id"), stored(connection, "at")
    assert re.fullmatch(SHAPES[Id], id)
    assert re.fullmatch(SHAPES[Instant], at)


def test_everything_that_the_ledger_writes_has_this_form(file: Store) -> None:
    held = file.alone(executions.begin, file.alone(executions.create, job(), job()).ids, worker="worker")
    file.alone(executions.complete, held[0])
    file.alone(executions.release, held[1:])
    for table in (schema.task_executions, schema.execution_events, schema.task_outbox):
        for column in table.c:
            if type(column.type) in SHAPES:
                with file.database.engine.connect() as connection:
                    values = [value for value in stored(connection, column.name, table.name) if value is not None]
                shape = SHAPES[type(column.type)]
                assert [] == [value for value in values if not re.fullmatch(shape, value)], column


class Base(orm.DeclarativeBase):
    """For a class over one of the tables, as a user would map it."""


class Thing(Base):
    __table__ = THINGS

    id: orm.Mapped[UUID]
    at: orm.Mapped[datetime]


def test_the_orm_writes_what_raw_sql_and_the_ledger_write(file: Store) -> None:
    id = only(file.alone(executions.create, job()))
    moment = MOMENTS[-3]
    with orm.Session(file.database.engine) as session:
        THINGS.create(session.connection())
        session.add(Thing(id=id, at=moment, document={"a": 1}))
        session.commit()
        found = session.execute(
            sa.text("SELECT at, document FROM things JOIN task_executions ON task_executions.id = things.id")
        ).one()
        assert ("2100-01-01T00:30:00.000001Z", '{"a": 1}') == found
        session.expire_all()
        assert (id, moment) == (session.get_one(Thing, id).id, session.get_one(Thing, id).at)


# --- ids ---------------------------------------------------------------------------------------------------------


def milliseconds(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def test_an_id_is_a_uuid_of_version_7_that_begins_with_its_time() -> None:
    before, id, after = world.now(), world.uuid7(), world.now()
    assert (7, "specified in RFC 4122") == (id.version, id.variant)
    assert milliseconds(before) <= id.int >> 80 <= milliseconds(after)


def test_ids_lie_in_the_order_in_which_they_were_made() -> None:
    """Down to a quarter of a microsecond: what follows is chance."""
    made = [world.uuid7() for _ in range(10_000)]
    times = [id.int >> 64 for id in made]
    assert sorted(times) == times
    assert 10_000 == len(set(made))


def test_ids_sort_in_the_database_as_they_do_here(things: sa.Connection) -> None:
    made = [world.uuid7() for _ in range(100)]
    things.execute(sa.insert(THINGS), [{"id": id} for id in reversed(made)])
    found: list[UUID] = list(things.execute(sa.select(THINGS.c.id).order_by(THINGS.c.id)).scalars())
    assert sorted(made) == found
