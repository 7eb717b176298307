"""The documentation is made from the routes, is what is committed, and documents each problem."""

import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

from openapi_spec_validator import validate

from api.app import api
from penstock.domain.lifecycle import PIPELINE, TASK
from penstock.http import openapi
from penstock.http.problems import KINDS
from tests.functions.api.documentation import document, operations
from tests.functions.api.scenes import CASES

ROOT = Path(__file__).parents[3]
SECTION = re.compile(r"^## (\S+)\n\n(\d{3})\. ", re.MULTILINE)


def test_the_committed_document_is_the_one_that_the_routes_make() -> None:
    assert openapi.text(api) == (ROOT / "docs" / "openapi.json").read_text(), "run: make openapi"


def test_the_document_is_valid_openapi() -> None:
    validate(document())
    assert "3.1.0" == document()["openapi"]


def test_every_problem_is_documented_under_its_name_with_its_status() -> None:
    text = (ROOT / "docs" / "problems.md").read_text()
    assert [(kind.slug, str(kind.status)) for kind in KINDS] == SECTION.findall(text)


def test_every_kind_of_problem_has_its_own_name_and_title() -> None:
    assert {1} == set(Counter(kind.slug for kind in KINDS).values()) | set(
        Counter(kind.title for kind in KINDS).values()
    )


def test_every_operation_has_a_case() -> None:
    assert {operation.id for operation in operations()} == set(CASES)


def test_the_states_that_are_documented_are_those_of_the_lifecycle() -> None:
    schemas = document()["components"]["schemas"]
    assert set(TASK.states) == set(schemas["Status"]["enum"])
    assert set(PIPELINE.states) == set(schemas["PipelineStatus"]["enum"])


def test_every_post_takes_an_idempotency_key_and_nothing_else_does() -> None:
    key = {"$ref": "#/components/parameters/IdempotencyKey"}
    for operation in operations():
        assert (operation.id, operation.method == "POST") == (
            operation.id,
            key in operation.described.get("parameters", []),
        )


IMPORTS = """
import json, sys
import api.app
print(json.dumps(sorted(sys.modules)))
"""


def test_importing_the_api_brings_in_nothing_that_a_cold_start_cannot_afford() -> None:
    """It also needs no environment: nothing is opened before the first request."""
    path = f"import sys; sys.path[:0] = {[str(ROOT / 'shared'), str(ROOT / 'functions')]}\n"
    run = subprocess.run([sys.executable, "-c", path + IMPORTS], check=True, capture_output=True, text=True, env={})
    dear = {"alembic", "aws_xray_sdk", "boto3", "botocore.session", "requests", "yaml"}
    assert set() == dear & set(json.loads(run.stdout))
