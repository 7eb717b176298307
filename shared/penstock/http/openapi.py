"""The OpenAPI document, made offline from the routes: `make openapi` writes docs/openapi.json, and a test compares.

The resolver describes each operation. What all of them have in common is said once: problems, who may call, and the
headers that every request may carry.
"""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import Any

from penstock.http import problems
from penstock.http.replay import KEPT_FOR
from penstock.http.resolver import Resolver

TITLE = "Penstock"
DESCRIPTION = """\
Durable jobs and pipelines, with every step of every job on record.

Everything that is refused is an RFC 9457 problem; `problems.md` says of each kind what to do. Times are RFC 3339 in UTC.
A `traceparent` that comes with a request goes on to whatever the request sets going."""
SECURITY = {
    "iam": {"type": "apiKey", "in": "header", "name": "Authorization", "description": "AWS Signature Version 4."},
    "token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
}
HOURS = KEPT_FOR.total_seconds() / 3600
KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "pattern": r"^([!#-~]{1,200}|\"[ !#-\[\]-~]{1,200}\")$"},
    "description": f"The caller's own name for this request, quoted or bare. Sent again within {HOURS:.0f} hours, it has "
    "no second effect and gets the first answer, with `Idempotent-Replayed: true`.",
}
# What the next request needs of an answer, for who tries out one operation after the other.
HELD = {"id": "$response.body#/id", "lease": "$response.body#/lease"}
CLAIMED = {"id": "$response.body#/items/0/id", "lease": "$response.body#/items/0/lease"}
LEASES = {
    "begin_task_execution": (HELD, ("heartbeat", "complete", "fail", "defer")),
    "claim_task_execution": (CLAIMED, ("start", "release")),
}
# What Powertools documents of its own accord, and does not happen here.
NOT_OURS = ("HTTPValidationError", "ValidationError", "ResponseValidationError")


def document(api: Resolver) -> dict[str, Any]:
    """The document of an API."""
    made: dict[str, Any] = json.loads(
        api.get_openapi_json_schema(title=TITLE, version=version("penstock"), description=DESCRIPTION)
    )
    components = made["components"]
    components["schemas"] = {name: shape for name, shape in components["schemas"].items() if name not in NOT_OURS}
    components["responses"] = {}
    components["parameters"] = {"IdempotencyKey": KEY}
    components["securitySchemes"] = SECURITY
    for path, method, operation in _operations(made):
        operation["responses"] = dict(sorted(_responses(operation, components["responses"])))
        if method == "post":
            operation.setdefault("parameters", []).append({"$ref": "#/components/parameters/IdempotencyKey"})
            _link(operation, [next_one for at, _, next_one in _operations(made) if at.startswith(f"{path}/{{id}}")])
    components["responses"] = dict(sorted(components["responses"].items()))
    made["paths"] = dict(sorted(made["paths"].items()))
    return {**made, "servers": [{"url": "/"}], "security": [{scheme: []} for scheme in SECURITY]}


def text(api: Resolver) -> str:
    """The document as it is committed."""
    return json.dumps(document(api), indent=1) + "\n"


def _operations(made: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in made["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def _link(operation: dict[str, Any], of_what_it_makes: Sequence[dict[str, Any]]) -> None:
    """What can be asked about something that has just been made, and by whom it has just been taken."""
    if "201" in operation["responses"]:
        links = {
            each["operationId"]: _to(each["operationId"], {"id": "$response.body#/id"}) for each in of_what_it_makes
        }
        operation["responses"]["201"]["links"] = links
    if operation["operationId"] in LEASES:
        known, verbs = LEASES[operation["operationId"]]
        names = [f"{verb}_task_execution" for verb in verbs]
        operation["responses"]["200"]["links"] = {name: _to(name, known) for name in names}


def _to(name: str, known: Mapping[str, str]) -> dict[str, Any]:
    body = {"requestBody": {"lease": known["lease"]}} if "lease" in known else {}
    return {"operationId": name, "parameters": {"id": known["id"]}, **body}


def _responses(operation: dict[str, Any], shared: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """The responses of an operation; its problems are those of all, by reference."""
    for status, response in operation["responses"].items():
        kinds = response.get("content", {})
        if problems.PROBLEM_JSON in kinds:
            shared[f"Problem{status}"] = response
            yield status, {"$ref": f"#/components/responses/Problem{status}"}
        elif not any(name in json.dumps(kinds) for name in NOT_OURS):
            yield status, response


if __name__ == "__main__":
    from api.app import api

    sys.stdout.write(text(api))
