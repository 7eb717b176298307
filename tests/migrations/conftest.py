"""What makes the tables runs on every installed engine, an older PostgreSQL included."""

import pytest

from tests.databases import ENGINE_KINDS


@pytest.fixture(params=ENGINE_KINDS)
def engine_kind(request: pytest.FixtureRequest) -> str:
    kind: str = request.param
    return kind
