"""A store for random use: in memory where the engine can be, with ids in the order in which they were made."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from itertools import count
from uuid import UUID

import pytest
from sqlalchemy import make_url

from penstock.dal.store import Store
from tests.acting import Clock, store_at


@pytest.fixture
def in_order(database_url: str, clock: Clock) -> Iterator[Store]:
    """The fixture's database; SQLite's is copied into memory, where a commit waits for no disk."""
    url = make_url(database_url)
    on_file = url.get_backend_name() == "sqlite"
    made = store_at("sqlite://" if on_file else database_url, clock)
    if on_file:
        _copy(url.database or "", made)
    numbers = count(1)
    yield replace(made, new_id=lambda: UUID(int=next(numbers)))
    made.database.engine.dispose()


def _copy(file: str, store: Store) -> None:
    raw = store.database.engine.raw_connection()
    with closing(sqlite3.connect(file)) as source:
        source.backup(raw.driver_connection)  # type: ignore[arg-type]  # the pool does not say whose connections it has
    raw.close()
