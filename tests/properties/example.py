"""One example of random use: how a verb is applied, and what is looked at after each one."""

import sys
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from hypothesis import assume
from hypothesis.stateful import RuleBasedStateMachine

from penstock.dal import executions, pipelines
from penstock.dal.effects import Effects
from penstock.dal.outbox import Ring
from penstock.dal.store import Store
from penstock.domain.executions import Job
from penstock.domain.lifecycle import TASK
from tests.acting import START, Clock
from tests.properties import laws
from tests.properties.drawing import Whom
from tests.properties.expecting import movable, repeated
from tests.properties.oracle import Family
from tests.properties.sight import Sight, last_event, look


@dataclass
class Tally:
    """How much has been tried: printed at the end of the run."""

    length: int
    examples: int = 0
    steps: int = 0
    applied: Counter[str] = field(default_factory=Counter)
    asked: Counter[str] = field(default_factory=Counter)
    moves: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        each = ", ".join(f"{verb} {self.moves[verb]:,} of {n:,}" for verb, n in sorted(self.asked.items()))
        return (
            f"{self.examples:,} examples of {self.length} steps, {self.steps:,} steps in all, "
            f"{self.applied.total():,} verbs applied to {self.asked.total():,} executions, "
            f"{self.moves.total():,} moves made ({each})"
        )


class Example(RuleBasedStateMachine):
    """What it makes is all that comes after its first id, and after the last event before it."""

    def __init__(self, store: Store, clock: Clock, tally: Tally) -> None:
        super().__init__()
        clock.now = START
        self.store, self.clock, self.tally = store, clock, tally
        self.first = store.new_id()
        self.seen = Sight({}, {}, [], last_event(store), [])
        self.history, self.family = laws.History(), Family()
        self.jobs: list[Job] = []
        self.rung: list[Ring] = []
        self.not_before: dict[UUID, datetime] = {}
        self.in_turn = True
        self.steps = -1

    def teardown(self) -> None:
        """Leaves nothing alive that the next example could claim; one that ended early, and well, does not count."""
        self.tally.steps += self.steps
        self.tally.examples += self.steps == self.tally.length
        live = [id for id, row in self.seen.executions.items() if row.status not in TASK.ends]
        self.store.alone(pipelines.cancel, list(self.seen.pipelines))
        self.store.alone(executions.cancel, live)
        if sys.exc_info()[0] is None:
            assume(self.steps == self.tally.length)

    def check_invariants(self, *how: Any) -> None:
        """Hypothesis calls it before the first step and after each one; the laws are looked at after each verb."""
        self.steps += 1
        super().check_invariants(*how)

    # --- acting ------------------------------------------------------------------------------------------------

    def does(self, verb: Callable[..., Any], *args: Any, **values: Any) -> Any:
        """A verb on its own, or inside a transaction of several statements: in turns."""
        self.in_turn = not self.in_turn
        self.tally.applied[verb.__name__] += 1
        if self.in_turn:
            return self.store.alone(verb, *args, **values)
        with self.store.begin() as tx:
            return verb(tx, *args, **values)

    def decides(self, name: str, ids: Sequence[UUID], **values: Any) -> Effects:
        """A verb that asks for no proof."""
        wanted = movable(self.seen, self.clock.now, name, [(id, None) for id in ids])
        effects: Effects = self.does(getattr(executions, name), ids, **values)
        self.counts(name, len(ids), len(wanted))
        self.moves(wanted, effects, skipped=wanted if name == "skip" else ())
        return effects

    def uses_leases(self, name: str, jobs: Sequence[Job]) -> None:
        """A verb that moves what the caller holds."""
        wanted = movable(self.seen, self.clock.now, name, [(job.id, job.lease) for job in jobs])
        effects: Effects = self.does(getattr(executions, name), jobs)
        self.counts(name, len(jobs), len(wanted))
        again = repeated(self.seen, [(job.id, job.lease, name) for job in jobs]) - wanted
        self.moves(wanted, effects, again=again)

    def counts(self, name: str, asked: int, moved: int = 0) -> None:
        """For the figures at the end."""
        self.tally.asked[name] += asked
        self.tally.moves[name] += moved

    # --- choosing ----------------------------------------------------------------------------------------------

    def whom(self, verb: str, drawn: Whom) -> list[UUID]:
        """Executions to try a verb on: mostly such as could be moved by it, if there are any."""
        fitting, places = drawn
        everybody = list(self.seen.executions)
        fit = movable(self.seen, self.clock.now, verb, [(id, None) for id in everybody])
        return at([id for id in everybody if id in fit] if fitting and fit else everybody, places)

    def held(self, verb: str, drawn: Whom) -> list[Job]:
        """Leases to try a verb with: mostly such as are good for it, else any that was ever handed out."""
        fitting, places = drawn
        fit = [job for job in self.jobs if movable(self.seen, self.clock.now, verb, [(job.id, job.lease)])]
        return at(fit if fitting and fit else self.jobs, places)

    # --- looking -----------------------------------------------------------------------------------------------

    def moves(
        self,
        wanted: Collection[UUID],
        effects: Effects,
        *,
        skipped: Collection[UUID] = (),
        again: Collection[UUID] = (),
    ) -> None:
        """A verb has moved what it had to, neither more nor less, and said so; and it said *again* what came before."""
        assert {*wanted, *again} == effects.ids
        before, versions = self.seen.bells, self.seen.versions
        children = [moved for moved in effects.children if not again or moved.version > versions[moved.id]]
        for moved in children:
            self.counts(f"child {moved.status}", 1, 1)
        for moved in effects.pipelines:
            self.counts(f"pipeline {moved.status}", 1, 1)
        self.looks({*wanted, *(moved.id for moved in (*children, *effects.pipelines))}, skipped=skipped)
        put_up = {id for number, id in self.seen.bells.items() if number not in before}
        told = {bell.task_execution_id for bell in effects.bells}
        assert put_up <= told <= set(self.seen.bells.values())
        # What was ready before and is due anew keeps its doorbell, which rings again.
        assert again or told - put_up <= set(before.values()).intersection(wanted)

    def looks(self, moved: Collection[UUID], *, skipped: Collection[UUID] = ()) -> None:
        """Everything that must hold, after a verb that said it moved these, and skipped those of its own accord."""
        before, after = self.seen, look(self.store, first=self.first, last=self.seen.last)
        subjects = self.history.take_in(after)
        laws.states_are_folds_of_events(after, self.history, subjects)
        laws.moved_is_what_wrote_events(before, after, subjects)
        laws.what_hangs_on_a_state_is_there_and_only_then(after)
        laws.children_followed(before, after, self.family, skipped)
        laws.parents_decide(after, self.history, self.family)
        laws.pipelines_count_right(before, after, self.family)
        assert subjects == set(moved)
        self.seen = after


def at(things: Sequence[Any], places: Iterable[int]) -> list[Any]:
    """The things at these places, each once; places beyond the end begin again."""
    return [things[place] for place in dict.fromkeys(place % len(things) for place in places)] if things else []
