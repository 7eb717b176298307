"""What a function finds when it runs: a database, a clock, Amazon's services over HTTP, and the context of Lambda."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pytest

from penstock import wiring
from penstock.dal.store import Store
from tests.acting import Clock
from tests.amazon import Amazon

ACTOR = "tester"


@dataclass
class LambdaContext:
    """As the runtime hands it over, with as much time as a test gives."""

    function_name: str = "penstock"
    function_version: str = "1"
    invoked_function_arn: str = "arn:aws:lambda:eu-west-1:012345678901:function:penstock"
    memory_limit_in_mb: int = 1024
    aws_request_id: str = "7a1b4f80-0000-4000-8000-000000000000"
    log_group_name: str = "/aws/lambda/penstock"
    log_stream_name: str = "2100/01/01/[1]0"
    remaining_ms: int = 900_000

    def get_remaining_time_in_millis(self) -> int:
        return self.remaining_ms


@pytest.fixture
def lambda_context() -> LambdaContext:
    return LambdaContext()


@pytest.fixture
def environ(database_url: str, amazon: Amazon, clock: Clock) -> dict[str, str]:
    """The environment variables of a function: its database, and the queue `default`. A test may add to it."""
    clock.govern(database_url)
    return {"DATABASE_URL": database_url, "QUEUES": f'{{"default": "{amazon.queue("default")}"}}'}


@pytest.fixture
def wired(environ: Mapping[str, str], clock: Clock) -> Iterator[Store]:
    """The functions run on the test's database and clock; a store over the engine that they use."""
    wiring.compose(environ, clock)
    yield wiring.store(ACTOR)
    wiring.compose({})
