"""THE TABLE of legal moves. Everything that depends on what is legal is read from here.

The guarded UPDATE of the ledger, the CHECKs and guard triggers of both engines, the text of a refusal, the
diagram in the README and the tests that try every verb from every state all come from the rows below.
To change what is legal, change a row (and write the revision that a failing test will ask for).

A verb with several rows has one meaning and several targets; which of them applies is read off the execution.
A row with two events passes through the state that the first of them leads to when it stands alone.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """Where a task execution stands."""

    PENDING = "pending"
    APPROVED = "approved"
    READY = "ready"
    CLAIMED = "claimed"
    RUNNING = "running"
    DEFERRED = "deferred"
    PAUSED = "paused"
    COMPLETED = "completed"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"
    REJECTED = "rejected"


class PipelineStatus(StrEnum):
    """Where a pipeline execution stands."""

    RUNNING = "running"
    PAUSED = "paused"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Proof(StrEnum):
    """What a move demands of the row besides its state."""

    NONE = ""
    DUE = "its doorbell is due and its pipeline is running"
    LEASE = "the caller holds its lease"
    EXPIRED = "its lease has run out"


@dataclass(frozen=True, slots=True)
class Move:
    """One legal change of state, named by its verb."""

    verb: str
    sources: tuple[str, ...]
    target: str
    events: tuple[str, ...]
    proof: Proof = Proof.NONE


@dataclass(frozen=True)
class Lifecycle:
    """A table of moves and the answers that follow from it."""

    moves: tuple[Move, ...]

    @property
    def states(self) -> tuple[str, ...]:
        """Every state, in the order in which the table first leads to it."""
        return tuple(dict.fromkeys(move.target for move in self.moves))

    @property
    def ends(self) -> tuple[str, ...]:
        """The states that no move leaves."""
        return tuple(s for s in self.states if not any(s in move.sources for move in self.moves))

    @property
    def held(self) -> tuple[str, ...]:
        """The states in which an execution is under somebody's lease."""
        fenced = {s for move in self.moves if move.proof is Proof.LEASE for s in move.sources}
        return tuple(s for s in self.states if s in fenced)

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Every (old, new) that some move allows: all that a guard in the database can see."""
        seen = dict.fromkeys((old, move.target) for move in self.moves for old in move.sources)
        return tuple(sorted(pair for pair in seen if pair[0] != pair[1]))

    @property
    def events(self) -> tuple[str, ...]:
        """Every type of event that a move writes."""
        return tuple(dict.fromkeys(event for move in self.moves for event in move.events))

    def of(self, *verbs: str) -> tuple[Move, ...]:
        """The rows of these verbs."""
        found = tuple(move for move in self.moves if move.verb in verbs)
        if missing := set(verbs) - {move.verb for move in found}:
            raise KeyError(f"no such verb: {', '.join(sorted(missing))}")
        return found

    def legal_from(self, state: str) -> tuple[str, ...]:
        """The verbs that are legal from *state*."""
        return tuple(sorted({move.verb for move in self.moves if state in move.sources}))

    def refusal(self, verb: str, state: str) -> str:
        """Why *verb* did not move what is *state*, in words, with what would be legal."""
        legal = ", ".join(self.legal_from(state)) or "nothing"
        return f"cannot {verb}: it is {state}; from {state} {legal} is possible"

    def leads_to(self, event: str) -> tuple[str, ...]:
        """The states that this type of event leads to when it is the last of its move."""
        return tuple(dict.fromkeys(move.target for move in self.moves if move.events == (event,)))

    def fold(self, types: Iterable[str]) -> str | None:
        """The state that a history of event types leads to; ValueError where a step is not legal."""
        history, place = tuple(types), 0
        state: str | None = None
        approved = False
        while place < len(history):
            move = self._next(state, history[place : place + 2], approved=approved)
            approved = approved or "TaskApproved" in move.events
            state, place = move.target, place + len(move.events)
        return state

    def _next(self, state: str | None, ahead: tuple[str, ...], *, approved: bool) -> Move:
        """The move out of *state* that wrote these events, as many as fit; an approval decides between equal ones."""
        found = [
            move
            for move in self.moves
            if move.events and move.events == ahead[: len(move.events)] and state in (move.sources or (None,))
        ]
        if not found:
            raise ValueError(f"{ahead[0]} cannot follow {state}")
        return max(found, key=lambda move: (len(move.events), (move.target == Status.APPROVED) == approved))

    def diagram(self) -> str:
        """The table as a Mermaid state diagram."""
        arrows: dict[tuple[str, str], list[str]] = {}
        for move in self.moves:
            for old in move.sources or ("[*]",):
                arrows.setdefault((old, move.target), []).append(move.verb)
        lines = [f"    {old} --> {new}: {', '.join(verbs)}" for (old, new), verbs in arrows.items()]
        ends = [f"    {state} --> [*]" for state in self.ends]
        return "\n".join(["stateDiagram-v2", *lines, *ends])


P, A, R, C, U, D, Z = (
    Status.PENDING, Status.APPROVED, Status.READY, Status.CLAIMED, Status.RUNNING, Status.DEFERRED, Status.PAUSED,
)  # fmt: skip

TASK = Lifecycle(
    (
        #    verb              from                      to                events                                proof
        Move("create",         (),                       P,                ("TaskCreated",)),
        Move("create",         (),                       R,                ("TaskCreated", "TaskMarkedReady")),
        Move("approve",        (P,),                     A,                ("TaskApproved",)),
        Move("approve",        (P,),                     R,                ("TaskApproved", "TaskMarkedReady")),
        Move("reject",         (P,),                     Status.REJECTED,  ("TaskRejected",)),
        Move("make_ready",     (P, A),                   R,                ("TaskMarkedReady",)),
        Move("claim",          (R,),                     C,                ("TaskClaimed",),                     Proof.DUE),
        Move("start",          (C,),                     U,                ("TaskStarted",),                     Proof.LEASE),
        Move("begin",          (R,),                     U,                ("TaskClaimed", "TaskStarted"),       Proof.DUE),
        Move("release",        (C,),                     R,                ("TaskReleased",),                    Proof.LEASE),
        Move("complete",       (U,),                     Status.COMPLETED, ("TaskCompleted",),                   Proof.LEASE),
        Move("fail",           (C, U),                   Status.FAILED,    ("TaskFailed",),                      Proof.LEASE),
        Move("schedule_retry", (C, U),                   R,                ("TaskRetryScheduled",),              Proof.LEASE),
        Move("reset",          (R, D),                   R,                ("TaskReset",)),
        Move("defer",          (U,),                     D,                ("TaskDeferred",),                    Proof.LEASE),
        Move("pause",          (P, A, R),                Z,                ("TaskPaused",)),
        Move("resume",         (Z,),                     P,                ("TaskResumed",)),
        Move("resume",         (Z,),                     A,                ("TaskResumed",)),
        Move("resume",         (Z, D),                   R,                ("TaskResumed", "TaskMarkedReady")),
        Move("recover",        (C, U),                   R,                ("TaskRecovered",),                   Proof.EXPIRED),
        Move("abandon",        (U,),                     Status.FAILED,    ("TaskAbandoned",),                   Proof.EXPIRED),
        Move("skip",           (P, A, Z),                Status.SKIPPED,   ("TaskSkipped",)),
        Move("cancel",         (P, A, R, C, U, D, Z),    Status.CANCELLED, ("TaskCancelled",)),
    )
)  # fmt: skip

# Events that are no move: what somebody had to say about an execution.
NOTES = ("TaskNoted", "PipelineNoted")

RUNNING, PAUSED = PipelineStatus.RUNNING, PipelineStatus.PAUSED

PIPELINE = Lifecycle(
    (
        Move("start",    (),                RUNNING,                  ("PipelineStarted",)),
        Move("complete", (RUNNING, PAUSED), PipelineStatus.COMPLETED, ("PipelineCompleted",)),
        Move("fail",     (RUNNING, PAUSED), PipelineStatus.FAILED,    ("PipelineFailed",)),
        Move("pause",    (RUNNING,),        PAUSED,                   ("PipelinePaused",)),
        Move("resume",   (PAUSED,),         RUNNING,                  ("PipelineResumed",)),
        Move("cancel",   (RUNNING, PAUSED), PipelineStatus.CANCELLED, ("PipelineCancelled",)),
    )
)  # fmt: skip

TOOL = Lifecycle(
    (
        Move("record",   (),           "pending",   ()),
        Move("start",    ("pending",), "running",   ()),
        Move("complete", ("running",), "completed", ()),
        Move("fail",     ("running",), "failed",    ()),
        Move("time_out", ("running",), "timeout",   ()),
    )
)  # fmt: skip
