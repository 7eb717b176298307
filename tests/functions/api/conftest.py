"""The API on a database and a clock of the test's own. Every answer that a test gets is held against the documentation."""

from typing import Any

import pytest

from api.app import handler
from penstock.dal.store import Store
from tests.acting import Clock
from tests.functions.api.documentation import judge
from tests.functions.api.scenes import SCOPE, Scene
from tests.functions.gateway import Client


@pytest.fixture
def environ(database_url: str, clock: Clock) -> dict[str, str]:
    """A database, and no queues: nobody is rung. Who comes with a token needs a scope."""
    clock.govern(database_url)
    return {"DATABASE_URL": database_url, "REQUIRED_SCOPE": SCOPE}


@pytest.fixture
def api(wired: Store, lambda_context: Any) -> Client:
    return Client(handler, lambda_context, judge)


@pytest.fixture
def scene(wired: Store, clock: Clock) -> Scene:
    return Scene(wired, clock)
