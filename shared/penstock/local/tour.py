"""Runs the sample over the HTTP API, as anybody would, and shows what happened and what to try next."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from http.client import CONFLICT
from threading import Event
from time import monotonic
from typing import Any

from penstock.domain.errors import PenstockError
from penstock.local.client import Client, Refused
from penstock.local.sample import CATALOGUE, PIPELINE

PATIENCE_SECONDS = 120
LOOK_SECONDS = 0.1
ENDS = ("completed", "failed", "cancelled")


class TookTooLong(PenstockError):
    """The sample did not come to its end."""


@dataclass(frozen=True)
class Tour:
    """A sample that has run."""

    pipeline: Mapping[str, Any]
    tasks: Sequence[Mapping[str, Any]]
    events: Sequence[Mapping[str, Any]]

    def lines(self) -> Iterator[str]:
        """What happened, as a table."""
        names = {task["id"]: task["name"] for task in self.tasks}
        return table(self.events, names)


def take(client: Client, stopped: Event) -> Tour:
    """Enters the sample's tasks, runs its pipeline, says yes where it asks, and waits for the end."""
    for task in CATALOGUE:
        try:
            client.post("/v1/tasks", task)
        except Refused as refused:
            if refused.status != CONFLICT:  # It is there from the last time.
                raise
    id = client.post("/v1/pipelines", PIPELINE)["id"]
    until = monotonic() + PATIENCE_SECONDS
    while True:
        pipeline, tasks = client.get(f"/v1/pipelines/{id}"), list(client.items(f"/v1/pipelines/{id}/tasks"))
        if pipeline["status"] in ENDS:
            return Tour(pipeline, tasks, list(client.items(f"/v1/pipelines/{id}/events")))
        if monotonic() > until or stopped.is_set():
            raise TookTooLong(f"the sample is {pipeline['status']} after {PATIENCE_SECONDS} s; see the lines above")
        if waiting := awaiting_approval(tasks):
            client.post(f"/v1/task-executions/{waiting}/approve", {"note": "the sample says yes to itself"})
        stopped.wait(LOOK_SECONDS)


def awaiting_approval(tasks: Sequence[Mapping[str, Any]]) -> str | None:
    """The step that only waits for somebody to say yes."""
    states = {task["name"]: task["status"] for task in tasks}
    if states["check"] != "completed":
        return None
    return next((str(task["id"]) for task in tasks if task["name"] == "publish" and task["status"] == "pending"), None)


def table(events: Sequence[Mapping[str, Any]], names: Mapping[str, str]) -> Iterator[str]:
    """Events under each other: when, what of, what, by whom, and what there is to add."""
    rows = [("ms", "step", "event", "by", "")]
    begun = datetime.fromisoformat(events[0]["created_at"]) if events else None
    for event in events:
        at = datetime.fromisoformat(event["created_at"])
        passed = f"{(at - (begun or at)).total_seconds() * 1000:.0f}"
        step = names.get(event["task_execution_id"] or "", "")
        by = (event["worker_id"] or event["actor"]).partition("/")[0]
        rows.append((passed, step, event["event_type"], by, note(event["event_data"])))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for passed, step, what, by, more in rows:
        line = f"{passed:>{widths[0]}}  {step:<{widths[1]}}  {what:<{widths[2]}}  {by:<{widths[3]}}  {more}"
        yield line.rstrip()


def note(data: Mapping[str, Any]) -> str:
    """The one thing that is worth a place on the line."""
    found = (
        str(data[name]) for name in ("note", "reason", "because", "error", "message", "error_type") if data.get(name)
    )
    return next(found, "")


def suggestions(url: str, pipeline: str) -> Iterable[str]:
    """What to try next."""
    json = "-H 'content-type: application/json'"
    return (
        f"curl -s {url}/v1/health",
        f"curl -s {url}/v1/pipelines/{pipeline}/events",
        f"curl -s '{url}/v1/task-executions?status=completed&limit=5'",
        f'curl -s {url}/v1/task-executions {json} -d \'{{"task": "demo-fetch"}}\'',
        f'curl -s {url}/v1/tasks {json} -d \'{{"name": "mine", "title": "Mine", "task_type": "demo.check"}}\'',
    )
