"""Health: whether the schema is the one that this code needs, whether history is safe, how far the ringing is behind.

A schema that is behind, or a database that is away, is what every route says as a problem; so does this one.
"""

from penstock.dal import schema
from penstock.dal.store import Tx
from penstock.dal.views import health, outbox
from penstock.http import answers
from penstock.http.answers import Reply
from penstock.http.exchange import Here
from penstock.http.operations import answering, routes
from penstock.models import Health, QueueLag

router = routes()


@router.get("/v1/health", tags=["health"], operation_id="show_health", **answering("Says how the service is", Health))
def show(exchange: Here) -> Reply:
    return exchange.read(seen)


def seen(tx: Tx) -> Reply:
    """The service, as the database shows it."""
    found = Health(
        schema_revision=health.schema_revision(tx) or "",
        schema_needed=schema.REVISION,
        history_protected=health.history_protected(tx),
        queues=[QueueLag.model_validate(lag) for lag in outbox.lag(tx)],
    )
    return answers.said(found)
