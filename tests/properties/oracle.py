"""What the trigger rules of a pipeline demand, written from the design and without a look at the SQL.

A child's fate follows from how its parents have ended. The ledger counts instead; here nothing is counted: each
fate is worked out anew from the graph and the ends that are known.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from enum import Enum
from uuid import UUID

from penstock.domain.lifecycle import Status
from penstock.domain.pipelines import TriggerRule


class End(Enum):
    """How the end of a parent counts for its children."""

    SUCCESS = "success"
    FAILURE = "failure"
    SKIP = "skip"


class Fate(Enum):
    """What a rule says about a child."""

    WAITS = "waits"
    MAY_RUN = "may run"
    IS_SKIPPED = "is skipped"


END_OF = {
    Status.COMPLETED: End.SUCCESS,
    Status.FAILED: End.FAILURE,
    Status.CANCELLED: End.FAILURE,
    Status.REJECTED: End.FAILURE,
    Status.SKIPPED: End.SKIP,
}
HANDLERS = {TriggerRule.ALL_DONE, TriggerRule.ONE_FAILED, TriggerRule.ALL_FAILED}


def wants_only(wanted: Collection[End], ends: Collection[End], *, all_ended: bool) -> Fate:
    """Every parent has to end in one of these ways."""
    if any(end not in wanted for end in ends):
        return Fate.IS_SKIPPED
    return Fate.MAY_RUN if all_ended else Fate.WAITS


def wants_one(wanted: End, ends: Collection[End], *, all_ended: bool) -> Fate:
    """The first parent that ends in this way is enough."""
    if wanted in ends:
        return Fate.MAY_RUN
    return Fate.IS_SKIPPED if all_ended else Fate.WAITS


RULES: Mapping[TriggerRule, Callable[[Collection[End], bool], Fate]] = {
    TriggerRule.ALL_SUCCESS: lambda ends, done: wants_only({End.SUCCESS}, ends, all_ended=done),
    TriggerRule.ALL_FAILED: lambda ends, done: wants_only({End.FAILURE}, ends, all_ended=done),
    TriggerRule.NONE_FAILED: lambda ends, done: wants_only({End.SUCCESS, End.SKIP}, ends, all_ended=done),
    TriggerRule.ALL_DONE: lambda ends, done: wants_only(set(End), ends, all_ended=done),
    TriggerRule.ONE_SUCCESS: lambda ends, done: wants_one(End.SUCCESS, ends, all_ended=done),
    TriggerRule.ONE_FAILED: lambda ends, done: wants_one(End.FAILURE, ends, all_ended=done),
}


@dataclass
class Family:
    """The edges of all graphs of an example, and how the tasks in them have ended so far."""

    parents: dict[UUID, tuple[UUID, ...]] = field(default_factory=dict)
    rules: dict[UUID, TriggerRule] = field(default_factory=dict)
    ends: dict[UUID, End] = field(default_factory=dict)

    def add(self, child: UUID, rule: TriggerRule, parents: Collection[UUID]) -> None:
        """One task and those that it waits for."""
        self.parents[child], self.rules[child] = tuple(parents), rule

    def handled(self, id: UUID) -> bool:
        """Whether somebody waits for the failure of this task."""
        return any(id in parents and self.rules[child] in HANDLERS for child, parents in self.parents.items())

    def fate(self, child: UUID) -> Fate:
        """What its rule says by now; a task without parents waits for nobody."""
        parents = self.parents.get(child, ())
        if not parents:
            return Fate.MAY_RUN
        return RULES[self.rules[child]](self._known(parents), all(parent in self.ends for parent in parents))

    def end(self, ended: Mapping[UUID, End]) -> set[UUID]:
        """Takes in what ended together; returns those that have to be skipped for it, generation by generation."""
        self.ends.update(ended)
        skipped: set[UUID] = set()
        while generation := {child: self._end_of_skip(child) for child in self._doomed()}:
            self.ends.update(generation)
            skipped.update(generation)
        return skipped

    def _doomed(self) -> list[UUID]:
        return [child for child in self.parents if child not in self.ends and self.fate(child) is Fate.IS_SKIPPED]

    def _end_of_skip(self, child: UUID) -> End:
        """Skipped because of a failure is a failure; all_failed is skipped because of what did not fail."""
        failed = End.FAILURE in self._known(self.parents[child])
        return End.FAILURE if failed and self.rules[child] is not TriggerRule.ALL_FAILED else End.SKIP

    def _known(self, parents: Collection[UUID]) -> set[End]:
        return {self.ends[parent] for parent in parents if parent in self.ends}
