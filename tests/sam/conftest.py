"""What is built once for all tests in containers, and what surrounds the functions there."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import pytest

from tests.amazon import CREDENTIALS, Amazon
from tests.sam import neighbours
from tests.sam.containers import Built, look_for_an_engine


@pytest.fixture(autouse=True)
def how_long(request: pytest.FixtureRequest, record_property: Any) -> Iterator[None]:
    """Each test says how long it took; most of it is the start of containers."""
    began = perf_counter()
    yield
    record_property(request.node.name, f"{perf_counter() - began:.1f} s")


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The functions and layers, for the machine that runs the tests."""
    look_for_an_engine()
    return Built.into(tmp_path_factory.mktemp("sam") / "build")


@dataclass(frozen=True)
class Place:
    """Functions in containers, and the variables by which they find a database and Amazon's services."""

    built: Built
    variables: Mapping[str, str]

    def invoke(self, function: str, event: Any, **variables: str) -> Any:
        return self.built.invoke(function, event, {**self.variables, **variables})


@pytest.fixture
def around(amazon: Amazon) -> Iterator[Mapping[str, str]]:
    """Amazon's services, with the queue `default`."""
    with neighbours.service(amazon.endpoint) as endpoint:
        yield {
            **CREDENTIALS,
            "AWS_ENDPOINT_URL": endpoint,
            "QUEUES": f'{{"default": "{amazon.queue("default")}"}}',
            "DATABASE_IAM": "false",
        }


@pytest.fixture
def place(built: Built, around: Mapping[str, str], postgres_url: str) -> Iterator[Place]:
    """With a database that is migrated, and its owner's login."""
    with neighbours.database(postgres_url) as url:
        yield Place(built, {**around, "DATABASE_URL": url})
