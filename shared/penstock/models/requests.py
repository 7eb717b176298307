"""What comes in. The bounds are the domain's: named here for the schema that callers read, judged by the domain.

Nothing is guessed: an unknown field is refused, and so is a number that is a text, or a time that is a number.
"""

from abc import ABC, abstractmethod
from datetime import datetime
from typing import Annotated, Any, Generic, Self, TypeVar
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PrivateAttr, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from penstock.dal.pipelines import NewPipeline
from penstock.domain import limits
from penstock.domain.errors import InvalidInput
from penstock.domain.events import NewEvent
from penstock.domain.executions import NewExecution
from penstock.domain.lifecycle import NOTES
from penstock.domain.pipelines import Step, TriggerRule
from penstock.domain.retry import Backoff, Retry

T = TypeVar("T")


def _spelled_out(value: Any) -> Any:
    return datetime.fromisoformat(value) if isinstance(value, str) else value


def within(bounds: tuple[int, int]) -> Any:
    """A number inside bounds of the domain."""
    return Field(strict=True, ge=bounds[0], le=bounds[1])


Document = dict[str, Any]
Name = Annotated[str, Field(min_length=1, max_length=limits.NAME)]
Names = Annotated[tuple[Name, ...], Field(max_length=limits.NAMES)]
Moment = Annotated[datetime, Field(strict=True), BeforeValidator(_spelled_out)]
Flag = Annotated[bool, Field(strict=True)]
EventType = Annotated[str, Field(json_schema_extra={"enum": list(NOTES)})]

POLICY, USUAL = Retry(), NewExecution("usual", "usual")


class Request(BaseModel, ABC, Generic[T]):
    """Something that is wanted. It exists only if the domain accepts it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    _wanted: T = PrivateAttr()

    @property
    def wanted(self) -> T:
        """The domain's own object."""
        return self._wanted

    @abstractmethod
    def _make(self) -> T:
        """Makes it; InvalidInput where the domain does not accept it."""

    def _fields(self) -> Document:
        """Its fields under the names that the domain has for them."""
        return {name: getattr(self, name) for name in type(self).model_fields}

    @model_validator(mode="after")
    def _accepted(self) -> Self:
        try:
            self._wanted = self._make()
        except InvalidInput as refusal:
            raise self._refused(refusal) from None
        return self

    def _refused(self, refusal: InvalidInput) -> ValidationError:
        place = self._place(refusal.field)
        kind = PydanticCustomError("invalid_input", "{problem}", {"problem": refusal.problem})
        detail = InitErrorDetails(type=kind, loc=place, input=getattr(self, str(place[-1]), None))
        return ValidationError.from_exception_data(type(self).__name__, [detail])

    def _place(self, field: str) -> tuple[str | int, ...]:
        """Where in this request the field is that the domain names from its own point of view."""
        return (field.rpartition(".")[2],)


class RetryRequest(Request[Retry]):
    """When to try again."""

    backoff: Backoff = POLICY.backoff
    delay_seconds: Annotated[float, within(limits.RETRY_DELAY_SECONDS)] = POLICY.delay_seconds
    factor: Annotated[float, within(limits.RETRY_FACTOR)] = POLICY.factor
    cap_seconds: Annotated[float, within(limits.RETRY_CAP_SECONDS)] = POLICY.cap_seconds
    jitter: Annotated[float, within(limits.RETRY_JITTER)] = POLICY.jitter
    on: Names = POLICY.on
    never: Names = POLICY.never

    def _make(self) -> Retry:
        return Retry(**self._fields())


class Wish(Request[T], ABC, Generic[T]):
    """The fields of one run of a task, alone or as a step."""

    name: Name
    task_type: Name
    queue: Annotated[str, Field(min_length=1, max_length=limits.QUEUE)] = USUAL.queue
    config: Document = Field(default_factory=dict)
    metadata: Document | None = None
    workspace_path: Annotated[str, Field(max_length=limits.PATH)] | None = USUAL.workspace_path
    priority: Annotated[int, within(limits.PRIORITY)] = USUAL.priority
    max_attempts: Annotated[int, within(limits.ATTEMPTS)] = USUAL.max_attempts
    retry: RetryRequest = Field(default_factory=RetryRequest)
    timeout_seconds: Annotated[int, within(limits.TIMEOUT_SECONDS)] = USUAL.timeout_seconds
    requires_approval: Flag = USUAL.requires_approval
    available_at: Moment | None = USUAL.available_at
    task_id: UUID | None = USUAL.task_id
    retry_of: UUID | None = USUAL.retry_of
    traceparent: Name | None = USUAL.traceparent

    def _execution(self) -> NewExecution:
        fields = {name: getattr(self, name) for name in NewExecution.__dataclass_fields__}
        return NewExecution(**{**fields, "retry": self.retry.wanted})


class ExecutionRequest(Wish[NewExecution]):
    """One run of a task."""

    def _make(self) -> NewExecution:
        return self._execution()


class StepRequest(Wish[Step]):
    """One task of a pipeline, and the names of the steps that it waits for."""

    depends_on: Annotated[tuple[Name, ...], Field(max_length=limits.STEPS)] = ()
    trigger_rule: TriggerRule = TriggerRule.ALL_SUCCESS

    def _make(self) -> Step:
        return Step(self._execution(), self.depends_on, self.trigger_rule)


class PipelineRequest(Request[NewPipeline]):
    """A graph of steps, submitted whole."""

    name: Name
    # Not min_length: where the only step is wrong, that would add that there is none.
    steps: Annotated[tuple[StepRequest, ...], Field(max_length=limits.STEPS, json_schema_extra={"minItems": 1})]
    input: Document = Field(default_factory=dict)
    workflow_id: UUID | None = None
    workflow_version: Annotated[int, Field(strict=True)] | None = None
    retry_of: UUID | None = None
    traceparent: Name | None = None

    def _make(self) -> NewPipeline:
        return NewPipeline(**{**self._fields(), "steps": [step.wanted for step in self.steps]})

    def _place(self, field: str) -> tuple[str | int, ...]:
        """A step is named by the domain, and counted by whoever reads the request again."""
        head, _, rest = field.partition(".")
        return (head, *rest.rsplit(".", 1)) if rest else (head,)


class NewExecutionEvent(Request[NewEvent]):
    """A fact that is no move, such as an operator's note."""

    event_type: EventType
    task_execution_id: UUID | None = None
    pipeline_execution_id: UUID | None = None
    event_data: Document = Field(default_factory=dict)
    worker_id: Name | None = None

    def _make(self) -> NewEvent:
        return NewEvent(**self._fields())
