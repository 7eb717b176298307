"""One request in the hands of its handler: who sends it, and the database that it may act on."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Concatenate, ParamSpec, TypeVar

from aws_lambda_powertools.event_handler import Request
from aws_lambda_powertools.event_handler.depends import Depends
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEventV2

from penstock import wiring
from penstock.dal.store import Store, Tx
from penstock.http import currency, replay
from penstock.http.answers import Reply
from penstock.http.replay import Done

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request that has been let in."""

    event: APIGatewayProxyEventV2
    actor: str
    traceparent: str | None

    @property
    def store(self) -> Store:
        """The database, once it is known to be as new as this code."""
        store = wiring.store(self.actor)
        currency.must_be_current(store)
        return store

    def read(self, question: Callable[Concatenate[Tx, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Asks a question."""
        with self.store.read() as tx:
            return question(tx, *args, **kwargs)

    def act(self, act: Callable[[Tx], Done]) -> Reply:
        """Acts in one transaction, under an idempotency key at most once. What was made ready is rung after the commit."""
        done = self.store.alone(replay.at_most_once, act, replay.attempt(self.event))
        if done.effects.bells:
            wiring.ring(done.effects)
        return done.response

    def address(self, collection: str, id: object) -> str:
        """Where something is, behind whatever prefix the API was reached under."""
        prefix, version, _ = self.event.raw_path.partition("/v1/")
        return f"{prefix}{version or '/v1/'}{collection}/{id}"


def exchange(request: Request) -> Exchange:
    """The exchange that the resolver has begun."""
    begun: Exchange = request.context["exchange"]
    return begun


Here = Annotated[Exchange, Depends(exchange)]
