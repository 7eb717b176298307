"""Whether the schema is as new as this code: asked once in a container, and again while it is not."""

from penstock.dal import schema
from penstock.dal.store import Store
from penstock.dal.views import health
from penstock.http import refusals

_current: set[str] = set()


def must_be_current(store: Store) -> None:
    """Refuses as long as the database waits for a migration; one that is ahead is fine."""
    place = str(store.database.engine.url)
    if place in _current:
        return
    with store.read() as tx:
        found = health.schema_revision(tx)
    if found is None or found < schema.REVISION:
        raise refusals.schema_behind(found, schema.REVISION)
    _current.add(place)
