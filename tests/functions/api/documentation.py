"""docs/openapi.json as tests read it: which operation a request is, and whether an answer is one that it documents."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from openapi_schema_validator import OAS31Validator, oas31_format_checker

from tests.functions.gateway import Answer

FILE = Path(__file__).parents[3] / "docs" / "openapi.json"
# What an operation cannot document, as it is about what is no operation.
OF_NO_OPERATION = {404, 405}


@dataclass(frozen=True)
class Operation:
    """One operation of the documentation."""

    id: str
    method: str
    path: str
    described: Mapping[str, Any]

    @property
    def statuses(self) -> list[int]:
        return [int(status) for status in self.described["responses"]]

    @property
    def has_body(self) -> bool:
        return "requestBody" in self.described

    @property
    def takes_anything(self) -> bool:
        return self.has_body or "parameters" in self.described

    def matches(self, method: str, path: str) -> bool:
        pattern = re.sub(r"\{\w+\}", "[^/]+", self.path)
        return method == self.method and re.fullmatch(pattern, path) is not None


@cache
def document() -> Any:
    return json.loads(FILE.read_text())


@cache
def operations() -> tuple[Operation, ...]:
    return tuple(
        Operation(described["operationId"], method.upper(), path, described)
        for path, methods in document()["paths"].items()
        for method, described in methods.items()
    )


def operation_of(method: str, path: str) -> Operation | None:
    """The operation that a request is for; a path without a parameter goes before one with."""
    found = sorted((each for each in operations() if each.matches(method, path)), key=lambda each: "{" in each.path)
    return found[0] if found else None


def judge(method: str, path: str, answer: Answer) -> None:
    """Fails for an answer that is not documented, or not as it is documented."""
    operation = operation_of(method, path)
    if operation is None:
        assert answer.status in {401, 403, *OF_NO_OPERATION}, answer.raw
        return
    assert answer.status in operation.statuses, f"{operation.id} does not document {answer.status}: {answer.body}"
    response = _resolved(operation.described["responses"][str(answer.status)])
    if answer.body is None:
        assert not response.get("content")
        return
    (media_type, content), *others = response["content"].items()
    assert [] == others
    assert media_type == answer.headers["content-type"]
    assert [] == list(_flaws(content["schema"], answer.json)), answer.body
    assert set(answer.headers) - _usual(answer) <= {name.lower() for name in response.get("headers", {})}


def _usual(answer: Answer) -> set[str]:
    """Headers that need no documentation of their own."""
    of_problems = {"allow", "retry-after", "www-authenticate"} if answer.status >= 400 else set()
    return {"content-type", "cache-control", *of_problems}


def _resolved(response: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = response.get("$ref")
    found: Mapping[str, Any] = (
        document()["components"]["responses"][reference.rpartition("/")[2]] if reference else response
    )
    return found


def _flaws(schema: Mapping[str, Any], instance: Any) -> Iterator[str]:
    whole = {**schema, "components": document()["components"]}
    validator = OAS31Validator(whole, format_checker=oas31_format_checker)
    return (f"{error.json_path}: {error.message}" for error in validator.iter_errors(instance))
