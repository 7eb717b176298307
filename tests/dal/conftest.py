"""What speaks SQL runs on every installed engine, an older PostgreSQL included."""

from collections.abc import Iterator

import pytest

from tests.acting import Clock
from tests.dal import places
from tests.databases import ENGINE_KINDS, SERVERS, Databases


@pytest.fixture(params=ENGINE_KINDS)
def engine_kind(request: pytest.FixtureRequest) -> str:
    kind: str = request.param
    return kind


@pytest.fixture(params=SERVERS)
def place(request: pytest.FixtureRequest, databases: Databases, clock: Clock) -> Iterator[places.Place]:
    """A database with some work in it, on every installed server."""
    with places.opened(request.param, databases, clock) as place:
        yield place
