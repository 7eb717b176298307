"""Each test has a fresh database, migrated to head, on every installed engine."""

from collections.abc import Iterator

import pytest
from hypothesis import settings

from penstock.dal.store import Store
from tests import amazon as moto
from tests.acting import Clock, store_at
from tests.amazon import Amazon
from tests.databases import NEWEST_KINDS, POSTGRES, Databases

# The same examples in every run; --hypothesis-profile=long looks for longer, and elsewhere each time.
settings.register_profile("house", max_examples=100, derandomize=True, database=None, deadline=None)
settings.register_profile("long", max_examples=1_000, derandomize=False, database=None, deadline=None)
settings.load_profile("house")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Prints what tests have measured, whichever worker ran them."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            terminalreporter.write_line(f"{name}: {value}")


@pytest.fixture(scope="session")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Databases:
    """For fixtures of a wider scope, and for tests that need more than one database."""
    return Databases(tmp_path_factory.mktemp("databases"))


@pytest.fixture(params=NEWEST_KINDS)
def engine_kind(request: pytest.FixtureRequest) -> str:
    kind: str = request.param
    return kind


@pytest.fixture
def database_url(engine_kind: str, databases: Databases) -> Iterator[str]:
    """A database of the test's own, migrated to head."""
    with databases.migrated(engine_kind) as url:
        yield url


@pytest.fixture
def empty_database_url(engine_kind: str, databases: Databases) -> Iterator[str]:
    """A database of the test's own, with nothing in it."""
    with databases.empty(engine_kind) as url:
        yield url


@pytest.fixture
def postgres_url(databases: Databases) -> Iterator[str]:
    """As database_url, for what only PostgreSQL can show."""
    with databases.migrated(POSTGRES) as url:
        yield url


@pytest.fixture
def clock() -> Clock:
    """Time that passes when the test says so."""
    return Clock()


@pytest.fixture
def store(database_url: str, clock: Clock) -> Iterator[Store]:
    """A store on every installed engine in turn."""
    made = store_at(database_url, clock)
    yield made
    made.database.engine.dispose()


@pytest.fixture
def postgres(postgres_url: str, clock: Clock) -> Iterator[Store]:
    """A store for what only PostgreSQL can show."""
    made = store_at(postgres_url, clock)
    yield made
    made.database.engine.dispose()


@pytest.fixture
def amazon(monkeypatch: pytest.MonkeyPatch) -> Amazon:
    """Amazon's services over HTTP, with nothing in them, where boto3 looks for them."""
    there = Amazon(moto.start())
    for name, value in there.environ.items():
        monkeypatch.setenv(name, value)
    there.clear()
    return there
