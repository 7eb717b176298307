"""What comes with a verb over HTTP: a word about a decision, or what a worker has to say about what it holds."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from penstock.domain import limits
from penstock.domain.executions import Failure, Lease, Outcome
from penstock.models.requests import Document, Flag, Moment, Name, Names, Request, within

LONGEST_HOLD_SECONDS = 86_400
MOST_JOBS = 100

Text = Annotated[str, Field(max_length=limits.TEXT)]
Hold = Annotated[int, within((1, LONGEST_HOLD_SECONDS))]


class Words(BaseModel):
    """The body of a request that is judged by the verb alone."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class NothingToSay(Words):
    """An empty object."""


class NoteRequest(Words):
    """A note for the record."""

    note: Text | None = None


class ReasonRequest(Words):
    """A reason for the record."""

    reason: Text | None = None


class PauseRequest(Words):
    """Why something is put aside, and until when. A manual pause without a time waits until somebody resumes it."""

    reason: Literal["manual_pause", "insufficient_capacity"] = "manual_pause"
    work_plan: Document = Field(default_factory=dict)
    resume_after: Moment | None = None


# --- workers -----------------------------------------------------------------------------------------------------


class ClaimRequest(Words):
    """A worker wants work of a queue, and holds it for a while before it starts."""

    queue: Annotated[str, Field(min_length=1, max_length=limits.QUEUE)]
    worker: Name
    limit: Annotated[int, within((1, MOST_JOBS))] = 1
    hold_for_seconds: Hold = 60


class BeginRequest(Words):
    """A worker takes one execution and starts it at once."""

    worker: Name


class LeaseRequest(Words):
    """What a worker shows for an execution that it holds."""

    lease: UUID

    def of(self, id: UUID) -> Lease:
        """The lease of this execution."""
        return Lease(id, self.lease)


class HeartbeatRequest(LeaseRequest):
    """A worker is still at it."""

    hold_for_seconds: Hold = 60


class DeferRequest(LeaseRequest):
    """A worker waits for something: the run goes on then."""

    until: Moment


class CompleteRequest(Request[Outcome], LeaseRequest):
    """The work is done: what is kept of it."""

    output: Document = Field(default_factory=dict)
    services_touched: Names = ()
    suggestions: tuple[Document, ...] = ()

    def _make(self) -> Outcome:
        return Outcome(self.output, self.services_touched, self.suggestions)


class FailRequest(Request[Failure], LeaseRequest):
    """The run did not go well. It is tried again as the policy of the execution says, unless this is final."""

    error: Text
    error_type: Name = "Error"
    services_touched: Names = ()
    final: Flag = False

    def _make(self) -> Failure:
        return Failure(self.error, self.error_type, self.services_touched)

    def _place(self, field: str) -> tuple[str | int, ...]:
        return ("error",) if field == "message" else super()._place(field)
