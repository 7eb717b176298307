"""The composition root: settings become objects. Nothing here decides anything."""

from datetime import timedelta
from typing import Any

from penstock import world
from penstock.dal.dialect import open_database
from penstock.dal.store import Store


def connect(url: str, *, actor: str, ring_grace: timedelta = timedelta(0), **engine_options: Any) -> Store:
    """A store over the database at *url*, whose events name *actor*. Opens nothing before its first use."""
    database = open_database(url, **engine_options)
    return Store(database, actor, world.now, world.uuid7, world.random, ring_grace)
