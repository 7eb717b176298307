"""What a function says about itself: JSON logs with ids to correlate them, and metrics as lines of the log.

There is no tracer: its import would be half of a cold start. The trace context is in every line instead.
"""

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from penstock.domain import trace

SERVICE = os.environ.get("POWERTOOLS_SERVICE_NAME") or "penstock"
NAMESPACE = os.environ.get("POWERTOOLS_METRICS_NAMESPACE") or "Penstock"
# A request of the API gateway has the one, an event of a schedule the other.
CORRELATION = "requestContext.requestId || id"

Handler = Callable[[Any, Any], Any]

logger = Logger(service=SERVICE, utc=True, use_rfc3339=True)
metrics = Metrics(service=SERVICE, namespace=NAMESPACE)


def entry(handler: Handler) -> Handler:
    """A Lambda handler whose lines say which invocation they belong to, and whose metrics are out when it returns."""

    @wraps(handler)
    def entered(event: Any, context: LambdaContext) -> Any:
        try:
            return handler(event, context)
        finally:
            if metrics.metric_set:
                metrics.flush_metrics()

    logged: Handler = logger.inject_lambda_context(correlation_id_path=CORRELATION, clear_state=True)(entered)
    return logged


def include(library: str) -> None:
    """What a library logs is written as our own lines are."""
    logging.getLogger(library).propagate = False
    copy_config_to_registered_loggers(logger, include={library})


@contextmanager
def about(*, traceparent: str | None = None, **ids: object) -> Iterator[None]:
    """In this block every line says what it is about."""
    known = {name: str(id) for name, id in ids.items() if id is not None}
    if traceparent is not None:
        known |= {"trace_id": trace.trace_id(traceparent), "traceparent": traceparent}
    with logger.append_context_keys(**known):
        yield


def measure(*, queue: str | None = None, **numbers: float) -> None:
    """Counts and ages of this invocation; for one queue they are a line of their own."""
    if queue is None:
        for name, value in numbers.items():
            metrics.add_metric(name=name, unit=_unit(name), value=value)
        return
    of_queue = EphemeralMetrics(service=SERVICE, namespace=NAMESPACE)
    of_queue.add_dimension(name="queue", value=queue)
    for name, value in numbers.items():
        of_queue.add_metric(name=name, unit=_unit(name), value=value)
    of_queue.flush_metrics()


def _unit(name: str) -> MetricUnit:
    return MetricUnit.Seconds if name.endswith("Seconds") else MetricUnit.Count
