"""The HTTP API: what people and workers that are not Python ask of Penstock. docs/openapi.json describes it."""

from collections.abc import Mapping
from http.client import INTERNAL_SERVER_ERROR
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from api.routes import decisions, executions, health, pipelines, tasks, work
from penstock import telemetry
from penstock.http.resolver import Resolver

api = Resolver(tasks.router, executions.router, decisions.router, work.router, pipelines.router, health.router)


@telemetry.entry
def handler(event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
    """One request."""
    answer = api.resolve(event, context)
    telemetry.measure(ApiServerErrors=int(answer["statusCode"] >= INTERNAL_SERVER_ERROR))
    return answer
