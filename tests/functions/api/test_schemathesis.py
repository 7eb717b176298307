"""docs/openapi.json is a promise: what Schemathesis makes of it is asked over HTTP, and each answer held against it.

Requests come in as they would on one machine, through the gateway and the routes of template.yaml. Some are what the
document allows, about executions that are there and leases that are good; some are what it forbids.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings, strategies
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from api.app import handler
from penstock import wiring
from penstock.dal.views import tasks as view
from penstock.local.gateway import Gateway
from penstock.local.runtime import Answer
from penstock.local.template import Template
from tests.acting import Clock
from tests.functions.api.documentation import FILE, operations
from tests.functions.api.scenes import CASES, Ask, Reach, Scene
from tests.functions.conftest import LambdaContext

DOCUMENT = schemathesis.openapi.from_path(str(FILE))
# What it takes for a refusal, and the one that it does not know as such: a condition of the request is not met.
DOCUMENT.config.checks.negative_data_rejection.expected_statuses += ["412"]
OPERATIONS = {each.id: DOCUMENT[each.path][each.method] for each in operations()}
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
    unsupported_method,
]
EACH = settings(
    max_examples=10,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


class Standing(Scene):
    """A scene that is set again and again: its task may be there already."""

    def task(self, name: str = "report") -> UUID:
        with self.store.read() as tx:
            found = view.page(tx, limit=1).rows
        return found[0].id if found else super().task(name)


@dataclass
class Served:
    """The api behind a gateway, on a database whose state a test can set."""

    url: str
    scene: Scene

    def ask(self, case: Any) -> int:
        """The status of the answer, once it has been found to be as documented."""
        status: int = case.call_and_validate(base_url=self.url, checks=CHECKS).status_code
        return status


# PostgreSQL refuses more of what a request may hold than SQLite does; each scene runs on both in other tests.
@pytest.fixture
def engine_kind() -> str:
    return "postgres"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """The gateway stays; what is behind it is wired anew for each test."""
    with Gateway(0) as gateway:
        routes = Template(Path(__file__).parents[3] / "template.yaml").routes
        gateway.start(routes, lambda _, event: Answer(handler(event, LambdaContext())))
        yield gateway.url
        gateway.shutdown()


@pytest.fixture
def served(url: str, environ: dict[str, str], clock: Clock) -> Iterator[Served]:
    wiring.compose(environ | {"PENSTOCK_LOCAL": "true", "REQUIRED_SCOPE": ""}, clock)
    yield Served(url, Standing(wiring.store("tester"), clock))
    wiring.compose({})


def made(operation: str, ask: Ask) -> Any:
    """The request of a scene."""
    path = {} if ask.id is None else {"id": str(ask.id)}
    body = {} if ask.body is None else {"body": ask.body, "media_type": "application/json"}
    return OPERATIONS[operation].Case(path_parameters=path, headers=dict(ask.headers), **body)


def aimed(case: Any, ask: Ask) -> Any:
    """What was drawn, for what is there."""
    if ask.id is not None:
        case.path_parameters = {"id": str(ask.id)}
    if isinstance(case.body, dict) and "lease" in (ask.body or {}):
        case.body["lease"] = ask.body["lease"]
    return case


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_documented_success_is_reached(served: Served, operation: str) -> None:
    documented = next(each for each in operations() if each.id == operation).statuses
    status = served.ask(made(operation, CASES[operation].well(served.scene)))
    assert [status] == [each for each in documented if 200 <= each < 300]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_what_the_document_allows_is_answered_as_documented(served: Served, operation: str) -> None:
    scenes = [reach for reach in (CASES[operation].well, CASES[operation].conflict) if reach]

    @EACH
    @given(OPERATIONS[operation].as_strategy(), strategies.sampled_from(scenes))
    def ask(case: Any, reach: Reach) -> None:
        served.ask(aimed(case, reach(served.scene)))

    ask()


@pytest.mark.parametrize("operation", [each.id for each in operations() if each.takes_anything])
def test_what_the_document_forbids_is_refused(served: Served, operation: str) -> None:
    @EACH
    @given(OPERATIONS[operation].as_strategy(generation_mode=GenerationMode.NEGATIVE))
    def ask(case: Any) -> None:
        served.ask(case)

    ask()
