"""What must hold after every single verb, whatever happened before.

The state of a row is compared with the fold of the *types* of its events, so that a wrong state written together
with a wrong event is still found. Each law says what it found, and where.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from uuid import UUID

from penstock.domain.lifecycle import NOTES, PIPELINE, TASK, PipelineStatus, Status
from tests.properties.oracle import END_OF, Family, Fate
from tests.properties.sight import Sight

ENDS, HELD, PIPELINE_ENDS = frozenset(TASK.ends), frozenset(TASK.held), frozenset(PIPELINE.ends)
WAITING = {Status.PENDING, Status.APPROVED, Status.PAUSED}
NEVER_RAN = WAITING | {Status.CANCELLED, Status.REJECTED, Status.SKIPPED}


@dataclass
class History:
    """The types of the events of each execution and pipeline so far, in the order of their versions."""

    types: dict[UUID, list[str]] = field(default_factory=dict)

    def take_in(self, sight: Sight) -> set[UUID]:
        """Adds what is new; versions go on without a gap. Returns what it was about."""
        facts = [event for event in sight.events if event.event_type not in NOTES]
        for event in facts:
            types = self.types.setdefault(event.subject, [])
            types.append(event.event_type)
            assert len(types) == event.version, f"{event} is number {len(types)} of its subject"
        return {event.subject for event in facts}

    def approved(self, id: UUID) -> bool:
        """Whether somebody has agreed."""
        return "TaskApproved" in self.types[id]


def states_are_folds_of_events(sight: Sight, history: History, subjects: Iterable[UUID]) -> None:
    """The row has the state that its events lead to, and as many versions as events."""
    for id in subjects:
        lifecycle, row = (
            (TASK, sight.executions[id]) if id in sight.executions else (PIPELINE, sight.pipelines[id])
        )  # fmt: skip
        types = history.types[id]
        assert (lifecycle.fold(types), len(types)) == (row.status, row.version), f"{types} of {row}"


def moved_is_what_wrote_events(before: Sight, after: Sight, subjects: set[UUID]) -> None:
    """No version without an event, and nothing that has ended changes."""
    old = before.versions
    assert {id for id, version in after.versions.items() if version != old.get(id)} == subjects
    for id, row in before.executions.items():
        assert row.status not in ENDS or row == after.executions[id], f"{row} became {after.executions[id]}"
    for id, row in before.pipelines.items():
        assert row.status not in PIPELINE_ENDS or row == after.pipelines[id], f"{row} became {after.pipelines[id]}"


def what_hangs_on_a_state_is_there_and_only_then(sight: Sight) -> None:
    """Doorbells, leases, pause entries and the moment of the end."""
    assert sight.doubled == []
    for row in sight.executions.values():
        assert (row.status == Status.READY) == (row.bell is not None), row
        assert (row.status in HELD) == (row.lease is not None) == (row.lease_expires_at is not None), row
        assert (row.status == Status.PAUSED) == (row.pause is not None), row
        assert (row.status in ENDS) == (row.completed_at is not None), row


def parents_decide(sight: Sight, history: History, family: Family) -> None:
    """Nothing is ready before its parents allow it, and nothing waits once they do."""
    for id, row in sight.executions.items():
        fate = family.fate(id)
        if fate is Fate.WAITS:
            assert row.status in NEVER_RAN, f"its parents have not decided: {row}"
        elif fate is Fate.IS_SKIPPED:
            assert row.status in {Status.SKIPPED, Status.CANCELLED, Status.REJECTED}, f"its rule cannot hold: {row}"
        else:
            asks = row.requires_approval and not history.approved(id)
            assert row.status != Status.APPROVED, f"approved and still waiting: {row}"
            assert row.status != Status.PENDING or asks, f"nothing keeps it: {row}"
            assert not asks or row.status in NEVER_RAN, f"nobody has approved: {row}"


def pipelines_count_right(before: Sight, after: Sight, family: Family) -> None:
    """Unfinished and failed are what the tasks say; the last task ends the pipeline, and nothing else but a cancel."""
    for id, row in after.pipelines.items():
        if row.status == PipelineStatus.CANCELLED:
            old = before.pipelines.get(id, row)
            assert (0, old.failed) == (row.unfinished, row.failed), row
            continue
        tasks = [task for task in after.executions.values() if task.pipeline_execution_id == id]
        unfinished = sum(task.status not in ENDS for task in tasks)
        failures = [task for task in tasks if task.status in (Status.FAILED, Status.CANCELLED, Status.REJECTED)]
        failed = sum(not family.handled(task.id) for task in failures)
        assert (unfinished, failed) == (row.unfinished, row.failed), row
        assert (unfinished == 0) == (row.status in PIPELINE_ENDS), row
        if unfinished == 0:
            result = PipelineStatus.FAILED if failed else PipelineStatus.COMPLETED
            assert result == row.status, row


def children_followed(before: Sight, after: Sight, family: Family, skipped_by_hand: Collection[UUID]) -> None:
    """What ended by itself takes along exactly the children that the rules condemn, in the same commit."""
    ended = {
        id: after.executions[id]
        for id, row in before.executions.items()
        if row.status not in ENDS and after.executions[id].status in ENDS
    }
    roots = {id for id, row in ended.items() if row.status != Status.SKIPPED or id in skipped_by_hand}
    followed = family.end({id: END_OF[Status(ended[id].status)] for id in roots})
    assert followed == set(ended) - roots
