"""The resolver of Powertools, and around it what it leaves open: who comes in, and how everything that goes wrong goes out."""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver
from aws_lambda_powertools.event_handler.api_gateway import ResponseBuilder, Route, Router
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEventV2
from aws_lambda_powertools.utilities.typing import LambdaContext

from penstock import telemetry, wiring
from penstock.domain import trace
from penstock.http import answers, arrivals, problems, refusals
from penstock.http.answers import Reply
from penstock.http.exchange import Exchange
from penstock.http.problems import Refused

UNFORESEEN = "something went wrong that nobody foresaw; look whether it has happened before you try again"


class Resolver(APIGatewayHttpResolver):
    """An API whose every answer that is not a success is a problem document."""

    def __init__(self, *routers: Router) -> None:
        super().__init__(enable_validation=True, json_body_deserializer=arrivals.document)
        for router in routers:
            self.include_router(router)
        self.use(middlewares=[refuse_unknown_parameters])
        self.not_found(self.nowhere)
        self.exception_handler(Exception)(self.refuse)

    def resolve(self, event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
        """Lets a request in, or says why not."""
        arrived = APIGatewayProxyEventV2(dict(event))
        traceparent = arrivals.traceparent(arrived)
        self.context.update(instance=f"urn:uuid:{context.aws_request_id}", traceparent=traceparent)
        with telemetry.about(traceparent=traceparent):
            try:
                actor = arrivals.actor(arrived, wiring.settings())
                readable = arrivals.readable(arrived)
            except Exception as error:  # noqa: BLE001 - as within the resolver: whatever it is goes out as a problem
                return self._turned_away(arrived, error)
            self.context.update(exchange=Exchange(arrived, actor, traceparent))
            return super().resolve(readable, context)

    def _turned_away(self, event: APIGatewayProxyEventV2, error: Exception) -> dict[str, Any]:
        try:
            return ResponseBuilder[APIGatewayProxyEventV2](self.refuse(error)).build(event)
        finally:
            self.context.clear()

    def refuse(self, error: Exception) -> Reply:
        """The problem that an error is. What nobody foresaw says no more of itself than that."""
        refusal = refusals.of(error, self.query_parameters.get(self._asked, frozenset()))
        if refusal is None:
            telemetry.logger.exception("unforeseen", exc_info=error)
            refusal = Refused(problems.INTERNAL, UNFORESEEN)
        traceparent = self.context.get("traceparent")
        trace_id = trace.trace_id(traceparent) if traceparent else None
        return answers.refused(refusal, instance=self.context.get("instance"), trace_id=trace_id)

    def nowhere(self, _error: NotFoundError) -> Reply:
        """No route: the path is unknown, or the method is not one of its own."""
        path, method = self.current_event.path, self.current_event.http_method
        if allowed := sorted({route.method for route in self.routes if route.rule.match(path)}):
            detail = f"{method} is not done here; {', '.join(allowed)} is"
            return self.refuse(Refused(problems.METHOD, detail, {}, {"Allow": ", ".join(allowed)}))
        return self.refuse(Refused(problems.NOT_FOUND, f"there is nothing under {path}"))

    @property
    def routes(self) -> Sequence[Route]:
        """Every route."""
        return [*self._static_routes, *self._dynamic_routes]

    @cached_property
    def query_parameters(self) -> Mapping[tuple[str, str], frozenset[str]]:
        """The parameters of each operation."""
        return {
            (route.method, route.openapi_path): frozenset(field.alias for field in route.dependant.query_params)
            for route in self.routes
        }

    @property
    def _asked(self) -> tuple[str, str]:
        route: Route | None = self.context.get("_route")
        return (route.method, route.openapi_path) if route else ("", "")


def refuse_unknown_parameters(app: Resolver, go_on: Callable[[Resolver], Reply]) -> Reply:
    """A misspelt filter is no filter: whoever sends one would get what they did not ask for."""
    known = app.query_parameters.get(app._asked)  # noqa: SLF001 - a middleware is a method that Powertools wants as a function
    sent = app.current_event.query_string_parameters
    if known is not None and (unknown := sorted(set(sent) - known)):
        there = f"there are {', '.join(sorted(known))}" if known else "there are none"
        raise problems.flawed(
            problems.PARAMETER, [problems.Flaw(parameter=name, detail=f"is unknown here; {there}") for name in unknown]
        )
    return go_on(app)
