"""What callers of the API ask of the catalogue: tasks, runs of them, and pipelines whose steps are runs of them."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Generic, TypeVar

from pydantic import Discriminator, Field, Tag
from pydantic_core import PydanticCustomError

from penstock.domain import limits
from penstock.domain.executions import NewExecution
from penstock.domain.pipelines import Graph, Step, TriggerRule
from penstock.domain.tasks import NewTask, Run, RunStep, checked
from penstock.models.requests import USUAL, Document, Flag, Moment, Name, Request, RetryRequest, within

T = TypeVar("T")

MOST_RUNS = 1_000
Text = Annotated[str, Field(max_length=limits.TEXT)]
Queue = Annotated[str, Field(min_length=1, max_length=limits.QUEUE)]
Path = Annotated[str, Field(max_length=limits.PATH)]
Priority = Annotated[int, within(limits.PRIORITY)]
Attempts = Annotated[int, within(limits.ATTEMPTS)]
Seconds = Annotated[int, within(limits.TIMEOUT_SECONDS)]


class TaskRequest(Request[NewTask]):
    """Something that can be run."""

    name: Name
    title: Name
    task_type: Name
    description: Text | None = None
    queue: Queue = USUAL.queue
    config: Document = Field(default_factory=dict)
    metadata: Document | None = None
    workspace_path: Path | None = None
    priority: Priority = USUAL.priority
    max_attempts: Attempts = USUAL.max_attempts
    retry: RetryRequest = Field(default_factory=RetryRequest)
    timeout_seconds: Seconds = USUAL.timeout_seconds
    requires_approval: Flag = USUAL.requires_approval

    def _make(self) -> NewTask:
        return NewTask(**{**self._fields(), "retry": self.retry.wanted})


def _left_out() -> Any:
    """A field that stays as it is unless it is there; unlike a default it is no part of the schema."""
    return Field(default_factory=lambda: None)


class TaskChanges(Request[Mapping[str, Any]]):
    """What is to be different about a task; what is left out stays."""

    name: Name = _left_out()
    title: Name = _left_out()
    task_type: Name = _left_out()
    description: Text | None = _left_out()
    queue: Queue = _left_out()
    config: Document = _left_out()
    metadata: Document | None = _left_out()
    workspace_path: Path | None = _left_out()
    priority: Priority = _left_out()
    max_attempts: Attempts = _left_out()
    retry: RetryRequest = _left_out()
    timeout_seconds: Seconds = _left_out()
    requires_approval: Flag = _left_out()

    def _make(self) -> Mapping[str, Any]:
        if not self.model_fields_set:
            raise PydanticCustomError("nothing", "names nothing to change")
        given = {name: getattr(self, name) for name in sorted(self.model_fields_set)}
        return checked({**given, **({"retry": self.retry.wanted} if "retry" in given else {})})


# --- runs --------------------------------------------------------------------------------------------------------


class RunFields(Request[T], Generic[T]):
    """By the name of a task: what differs from what the task says."""

    task: Name
    config: Document | None = None
    metadata: Document | None = None
    priority: Priority | None = None
    available_at: Moment | None = None

    def _run(self) -> Run:
        return Run(self.task, self.config, self.metadata, self.priority, self.available_at)


class RunRequest(RunFields[Run]):
    """One run of a task of the catalogue."""

    def _make(self) -> Run:
        return self._run()


class RunsRequest(Request[Sequence[Run]]):
    """Many runs at once: all of them, or none."""

    executions: Annotated[tuple[RunRequest, ...], Field(min_length=1, max_length=MOST_RUNS)]

    def _make(self) -> Sequence[Run]:
        return [each.wanted for each in self.executions]


class RunStepRequest(RunFields[RunStep]):
    """One step of a pipeline: a run of a task, and the names of the steps that it waits for."""

    name: Name | None = None
    depends_on: Annotated[tuple[Name, ...], Field(max_length=limits.STEPS)] = ()
    trigger_rule: TriggerRule = TriggerRule.ALL_SUCCESS

    def _make(self) -> RunStep:
        return RunStep(self._run(), self.name, self.depends_on, self.trigger_rule)

    @property
    def called(self) -> str:
        """What other steps call it."""
        return self.name or self.task


class RunPipelineRequest(Request[Sequence[RunStep]]):
    """A graph of steps, submitted whole."""

    name: Name
    steps: Annotated[tuple[RunStepRequest, ...], Field(min_length=1, max_length=limits.STEPS)]
    input: Document = Field(default_factory=dict)

    def _make(self) -> Sequence[RunStep]:
        limits.name("name", self.name)
        limits.payload("input", self.input)
        # Whether it is a graph does not depend on the catalogue.
        Graph.of([Step(NewExecution(s.called, s.task), s.depends_on, s.trigger_rule) for s in self.steps])
        return [step.wanted for step in self.steps]

    def _place(self, field: str) -> tuple[str | int, ...]:
        """The domain names a step; a document counts them."""
        head, _, rest = field.partition(".")
        if not rest:
            return (head,)
        name, _, last = rest.rpartition(".")
        place = next((place for place, step in enumerate(self.steps) if step.called == name), None)
        return (head,) if place is None else (head, place, last)


# --- one or many -------------------------------------------------------------------------------------------------

ONE, MANY = BRANCHES = ("(one)", "(many)")


def _form(said: Any) -> str:
    many = "executions" in said if isinstance(said, dict) else isinstance(said, RunsRequest)
    return MANY if many else ONE


OneOrManyRuns = Annotated[
    Annotated[RunRequest, Tag(ONE)] | Annotated[RunsRequest, Tag(MANY)],
    Discriminator(_form),
]
