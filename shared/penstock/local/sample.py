"""The sample that a newcomer sees run: four tasks, a graph of them with a hiccup, an approval and a step that is skipped.

It is loaded by the workers of `make run` alone; a deployment does not have these task types.
"""

from collections.abc import Mapping
from typing import Any

from penstock.work import Context, task_type

AT_ONCE = {"backoff": "fixed", "delay_seconds": 0, "jitter": 0}

CATALOGUE: list[Mapping[str, Any]] = [
    {"name": "demo-fetch", "title": "Fetches figures, with a hiccup", "task_type": "demo.fetch", "retry": AT_ONCE},
    {"name": "demo-check", "title": "Checks what was fetched", "task_type": "demo.check"},
    {"name": "demo-publish", "title": "Publishes them", "task_type": "demo.publish", "requires_approval": True},
    {"name": "demo-apologise", "title": "Says that nothing came", "task_type": "demo.apologise"},
]
STEPS: list[Mapping[str, Any]] = [
    {"name": "fetch", "task": "demo-fetch"},
    {"name": "check", "task": "demo-check", "depends_on": ["fetch"]},
    {"name": "publish", "task": "demo-publish", "depends_on": ["check"]},
    {"name": "apologise", "task": "demo-apologise", "depends_on": ["check"], "trigger_rule": "one_failed"},
]
PIPELINE: Mapping[str, Any] = {"name": "demo", "steps": STEPS, "input": {"figures": [3, 4, 5]}}


class Hiccup(Exception):
    """The other side was not there for a moment."""


@task_type("demo.fetch")
def fetch(context: Context) -> Mapping[str, Any]:
    """Fails once, so that there is a retry to see."""
    if context.job.attempt == 1:
        raise Hiccup("nobody answered; the next attempt will find somebody")
    context.touch("figures")
    return {"figures": context.input.get("figures", [])}


@task_type("demo.check")
def check(context: Context) -> Mapping[str, Any]:
    """Uses what came before it, by a tool that is on record."""
    with context.tool("sum") as tool:
        outcomes = (parent.outcome or {} for parent in context.parents.values())
        tool.output = {"sum": sum(figure for outcome in outcomes for figure in outcome.get("figures", []))}
    return {"sum": tool.output["sum"]}


@task_type("demo.publish")
def publish(context: Context) -> Mapping[str, Any]:
    """Runs only when somebody has said so."""
    context.touch("press")
    return {"published": True}


@task_type("demo.apologise")
def apologise(_context: Context) -> Mapping[str, Any]:
    """Would run if the check failed."""
    return {"sorry": True}
