"""template.yaml, as far as one machine is concerned: functions, the routes, queues and schedules that wake them.

One truth: nothing of it is written down twice.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from penstock.domain.errors import PenstockError
from penstock.local.intrinsics import ACCOUNT, REGION, Loader, Resolver

FUNCTION, QUEUE = "AWS::Serverless::Function", "AWS::SQS::Queue"
NAME = "template.yaml"
HERE = Path(__file__).resolve().parents[3]

# What CloudFormation takes where a template says nothing.
USUAL_TIMEOUT, USUAL_MEMORY = 3, 128
USUAL_VISIBILITY, USUAL_BATCH = 30, 10


class UnusableTemplate(PenstockError):
    """There is no template, or it says something that this machine cannot do."""


@dataclass(frozen=True)
class Function:
    """A Lambda function."""

    name: str
    handler: str
    code: Path
    timeout: int
    memory: int
    environment: Mapping[str, str]

    @property
    def arn(self) -> str:
        """As its context names it."""
        return arn("lambda", f"function:{self.name}")


@dataclass(frozen=True)
class Route:
    """What the HTTP API hands to a function."""

    method: str
    path: str
    function: str


@dataclass(frozen=True)
class Queue:
    """An SQS queue, and where what nobody could handle goes."""

    name: str
    visibility: float
    max_receives: int | None
    dead_letters: str | None

    @property
    def arn(self) -> str:
        """As an event names it."""
        return arn("sqs", self.name)


@dataclass(frozen=True)
class Source:
    """A queue that a function works through."""

    function: str
    queue: str
    batch: int
    concurrency: int | None


@dataclass(frozen=True)
class Tick:
    """A schedule, and what it sends."""

    name: str
    function: str
    expression: str
    timezone: str
    input: str | None


def arn(service: str, resource: str) -> str:
    """The name of something in this region and account, which are nobody's."""
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{resource}"


def find(named: str | None = None) -> Path:
    """The template that is named, that of the working directory, or that of the checkout this code is in."""
    places = [Path(named)] if named else [Path(NAME), HERE / NAME]
    for place in places:
        if place.is_file():
            return place.resolve()
    raise UnusableTemplate(f"there is no {' and no '.join(map(str, places))}; run this in a checkout of Penstock")


class Template:
    """A template with its parameters' defaults, and resources on this machine: *queue_url* says where queues are."""

    def __init__(self, path: Path, queue_url: Callable[[str], str] = str) -> None:
        self.path = path
        self._queue_url = queue_url
        try:
            self._raw: Mapping[str, Any] = yaml.load(path.read_text(), Loader)  # noqa: S506 - a SafeLoader with tags
            self._globals = self._resolve(self._raw.get("Globals", {}).get("Function", {}))
            self.functions: Mapping[str, Function] = {name: self._function(name, s) for name, s in self._all(FUNCTION)}
            self.queues: Mapping[str, Queue] = {name: self._queue(name, said) for name, said in self._all(QUEUE)}
            self.routes, self.sources, self.ticks = self._routes(), self._sources(), self._ticks()
        except (yaml.YAMLError, LookupError, AttributeError, TypeError, ValueError) as error:
            raise UnusableTemplate(f"{path} cannot be read as a template: {' '.join(str(error).split())}") from None

    def _routes(self) -> list[Route]:
        """What HTTP requests may ask for."""
        return [
            Route(str(said.get("Method", "ANY")).upper(), said.get("Path", "$default"), function)
            for function, _, said in self._events("HttpApi")
        ]

    def _sources(self) -> list[Source]:
        """Who works through which queue."""
        return [
            Source(
                function,
                str(said["Queue"]).rpartition(":")[2],
                int(said.get("BatchSize", USUAL_BATCH)),
                _whole(said.get("ScalingConfig", {}).get("MaximumConcurrency")),
            )
            for function, _, said in self._events("SQS")
            if _enabled(said)
        ]

    def _ticks(self) -> list[Tick]:
        """Who is called when."""
        return [
            Tick(
                f"{function}{event}",
                function,
                said["ScheduleExpression"],
                said.get("ScheduleExpressionTimezone", "UTC"),
                said.get("Input"),
            )
            for function, event, said in self._events("ScheduleV2")
            if _enabled(said)
        ]

    def _function(self, name: str, said: Mapping[str, Any]) -> Function:
        usual = self._globals
        variables = [part.get("Environment", {}).get("Variables", {}) for part in (usual, said)]
        every = {**variables[0], **variables[1]}
        try:
            return Function(
                name,
                said.get("Handler") or usual["Handler"],
                self.path.parent / (said.get("CodeUri") or usual.get("CodeUri", ".")),
                int(said.get("Timeout", usual.get("Timeout", USUAL_TIMEOUT))),
                int(said.get("MemorySize", usual.get("MemorySize", USUAL_MEMORY))),
                {variable: str(value) for variable, value in every.items()},
            )
        except KeyError as error:
            raise UnusableTemplate(f"{self.path}: {name} has no {error.args[0]}") from None

    def _queue(self, name: str, said: Mapping[str, Any]) -> Queue:
        redrive = said.get("RedrivePolicy", {})
        return Queue(
            name,
            float(said.get("VisibilityTimeout", USUAL_VISIBILITY)),
            _whole(redrive.get("maxReceiveCount")),
            str(redrive["deadLetterTargetArn"]).rpartition(":")[2] if redrive else None,
        )

    def _all(self, kind: str) -> Iterator[tuple[str, Any]]:
        for name, resource in self._raw.get("Resources", {}).items():
            if resource["Type"] == kind and self._is_wanted(resource):
                yield name, self._resolve(resource.get("Properties", {}))

    def _events(self, kind: str) -> Iterator[tuple[str, str, Any]]:
        for function, said in self._all(FUNCTION):
            for event, source in said.get("Events", {}).items():
                if source["Type"] == kind:
                    yield function, event, source.get("Properties", {})

    def _is_wanted(self, resource: Mapping[str, Any]) -> bool:
        return "Condition" not in resource or self._resolve.holds(resource["Condition"])

    @cached_property
    def _resolve(self) -> Resolver:
        parameters = {name: said.get("Default", "") for name, said in self._raw.get("Parameters", {}).items()}
        conditions, mappings = self._raw.get("Conditions", {}), self._raw.get("Mappings", {})
        return Resolver(parameters, conditions, mappings, self._ref, self._attribute)

    def _ref(self, name: str) -> str:
        return self._queue_url(name) if self._kind(name) == QUEUE else name

    def _attribute(self, name: str, attribute: str) -> str:
        if attribute == "Arn":
            kind = self._kind(name)
            return arn("lambda", f"function:{name}") if kind == FUNCTION else arn("sqs", name)
        return f"{name}.{attribute}"

    def _kind(self, name: str) -> str | None:
        kind: str | None = self._raw.get("Resources", {}).get(name, {}).get("Type")
        return kind


def _enabled(said: Mapping[str, Any]) -> bool:
    return str(said.get("Enabled", True)).lower() != "false" and said.get("State") != "DISABLED"


def _whole(value: Any) -> int | None:
    return None if value is None else int(value)
