"""A pipeline is submitted whole: a checked graph of steps, whose edges never change afterwards."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from graphlib import CycleError, TopologicalSorter
from typing import Any
from uuid import UUID

from penstock.domain import limits, trace
from penstock.domain.errors import InvalidInput
from penstock.domain.executions import NewExecution


class TriggerRule(StrEnum):
    """What a step asks of its parents before it may run."""

    ALL_SUCCESS = "all_success"
    ALL_DONE = "all_done"
    ONE_SUCCESS = "one_success"
    ONE_FAILED = "one_failed"
    ALL_FAILED = "all_failed"
    NONE_FAILED = "none_failed"


HANDLES_FAILURE = frozenset({TriggerRule.ALL_DONE, TriggerRule.ONE_FAILED, TriggerRule.ALL_FAILED})


@dataclass(frozen=True, slots=True)
class Step:
    """One task of a pipeline and the names of the steps that it waits for."""

    task: NewExecution
    depends_on: tuple[str, ...] = ()
    trigger_rule: TriggerRule = TriggerRule.ALL_SUCCESS

    def __post_init__(self) -> None:
        parents = limits.names(f"steps.{self.name}.depends_on", self.depends_on, limits.STEPS)
        object.__setattr__(self, "depends_on", tuple(dict.fromkeys(parents)))
        try:
            object.__setattr__(self, "trigger_rule", TriggerRule(self.trigger_rule))
        except ValueError:
            known = ", ".join(TriggerRule)
            raise InvalidInput(
                f"steps.{self.name}.trigger_rule", f"is {self.trigger_rule!r}; it must be one of {known}"
            ) from None

    @property
    def name(self) -> str:
        """What other steps call it."""
        return self.task.name


@dataclass(frozen=True, slots=True)
class Graph:
    """Steps that are known to form a directed graph without a cycle, in an order in which they could run."""

    steps: tuple[Step, ...]
    handled: frozenset[str] = field(default=frozenset())

    @classmethod
    def of(cls, steps: Sequence[Step]) -> "Graph":
        """The graph of these steps, or what is wrong with it."""
        if not steps:
            raise InvalidInput("steps", "is empty; a pipeline has at least one step")
        limits.few("steps", steps, limits.STEPS)
        by_name = _distinct(steps)
        for step in steps:
            _known(step, by_name)
        ordered = _sorted(by_name)
        handled = frozenset(p for s in steps if s.trigger_rule in HANDLES_FAILURE for p in s.depends_on)
        return cls(tuple(ordered), handled)


@dataclass(frozen=True, slots=True)
class NewPipeline:
    """A pipeline that is wanted: a name and a checked graph."""

    name: str
    steps: Sequence[Step]
    input: Mapping[str, Any] = field(default_factory=dict)
    workflow_id: UUID | None = None
    workflow_version: int | None = None
    retry_of: UUID | None = None
    traceparent: str | None = None
    graph: Graph = field(init=False)

    def __post_init__(self) -> None:
        limits.name("name", self.name)
        limits.payload("input", self.input)
        if self.traceparent is not None:
            object.__setattr__(self, "traceparent", trace.traceparent("traceparent", self.traceparent))
        object.__setattr__(self, "graph", Graph.of(self.steps))


def _distinct(steps: Iterable[Step]) -> dict[str, Step]:
    by_name: dict[str, Step] = {}
    for step in steps:
        if step.name in by_name:
            raise InvalidInput("steps", f"has two steps named {step.name!r}; names must differ")
        by_name[step.name] = step
    return by_name


def _known(step: Step, by_name: Mapping[str, Step]) -> None:
    if unknown := [parent for parent in step.depends_on if parent not in by_name]:
        raise InvalidInput(f"steps.{step.name}.depends_on", f"names no step of this pipeline: {', '.join(unknown)}")


def _sorted(by_name: Mapping[str, Step]) -> list[Step]:
    sorter = TopologicalSorter({name: step.depends_on for name, step in by_name.items()})
    try:
        return [by_name[name] for name in sorter.static_order()]
    except CycleError as error:
        circle = " -> ".join(reversed(error.args[1]))
        raise InvalidInput("steps", f"form a cycle: {circle}; remove one of these dependencies") from None
