"""What people and programs decide: they submit, approve, pause, cancel and note, and time passes meanwhile."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from uuid import UUID

from hypothesis.stateful import precondition, rule

from penstock.dal import events, executions, pipelines
from penstock.dal.effects import Effects
from penstock.domain.executions import NewExecution
from penstock.domain.lifecycle import PIPELINE, TASK
from penstock.domain.pipelines import Step
from tests.properties.drawing import Drawn, Options, Whom, few, graph, graphs, job, leaps, numbers, options, whom
from tests.properties.example import Example, at
from tests.properties.expecting import pauses_over
from tests.properties.sight import look

ENOUGH = 24


class Regret(Exception):
    """Makes a transaction roll back."""


class People(Example):
    """Submitting, deciding, pausing, noting."""

    # --- submitting --------------------------------------------------------------------------------------------

    @precondition(lambda self: len(self.seen.executions) < ENOUGH)
    @rule(drawn=graphs)
    def submits_a_pipeline(self, drawn: Drawn) -> None:
        self.submits(graph(self.clock, drawn))

    def submits(self, steps: Sequence[Step]) -> None:
        effects: Effects = self.does(pipelines.start, pipelines.NewPipeline("p", steps))
        (pipeline,) = effects.pipelines
        found = look(self.store, first=self.first, last=self.seen.last).executions.values()
        ids = {row.name: row.id for row in found if row.pipeline_execution_id == pipeline.id}
        for step in steps:
            self.family.add(ids[step.name], step.trigger_rule, [ids[name] for name in step.depends_on])
            self.waits(ids[step.name], step.task)
        self.counts("create", len(steps), len(ids))
        self.moves(ids.values(), effects)

    @precondition(lambda self: len(self.seen.executions) < ENOUGH)
    @rule(drawn=options, also=options)
    def submits_jobs(self, drawn: Options, also: Options) -> None:
        wanted = [job(self.clock, "j", each) for each in (drawn, also)]
        effects: Effects = self.does(executions.create_many, wanted)
        for id, new in zip(sorted(effects.ids), wanted, strict=True):
            self.waits(id, new)
        self.counts("create", len(wanted), len(effects.ids))
        self.moves(effects.ids, effects)

    @precondition(lambda self: len(self.seen.executions) < ENOUGH)
    @rule(places=few)
    def runs_again(self, places: list[int]) -> None:
        ids = at(list(self.seen.executions), places)
        ended = [id for id in ids if self.seen.executions[id].status in TASK.ends]
        effects: Effects = self.does(executions.retry, ids)
        assert len(ended) == len(effects.ids)
        assert not effects.ids & set(self.seen.executions)
        self.counts("retry", len(ids), len(effects.ids))
        self.moves(effects.ids, effects)

    def waits(self, id: UUID, new: NewExecution) -> None:
        if new.available_at:
            self.not_before[id] = new.available_at

    # --- deciding ----------------------------------------------------------------------------------------------

    @rule(drawn=whom)
    def approves(self, drawn: Whom) -> None:
        self.decides("approve", self.whom("approve", drawn), note="fine")

    @rule(drawn=whom)
    def rejects(self, drawn: Whom) -> None:
        self.decides("reject", self.whom("reject", drawn)[:1], reason="no")

    @rule(drawn=whom)
    def skips(self, drawn: Whom) -> None:
        self.decides("skip", self.with_children(self.whom("skip", drawn)))

    @rule(drawn=whom)
    def cancels(self, drawn: Whom) -> None:
        self.decides("cancel", self.with_children(self.whom("cancel", drawn)), reason="enough")

    def with_children(self, ids: list[UUID]) -> list[UUID]:
        """What ends together with its parent is a case of its own: an even number takes those of the first along."""
        children = [child for child, parents in self.family.parents.items() if ids[0] in parents]
        return list(dict.fromkeys([*ids, *children[:2]])) if len(ids) % 2 == 0 else ids

    @rule(drawn=whom)
    def resets(self, drawn: Whom) -> None:
        for id in self.decides("reset", self.whom("reset", drawn)).ids:
            self.not_before.pop(id, None)

    @rule(drawn=whom)
    def regrets(self, drawn: Whom) -> None:
        """What is rolled back has never been."""
        with suppress(Regret), self.store.begin() as tx:
            executions.cancel(tx, self.whom("cancel", drawn))
            pipelines.cancel(tx, list(self.seen.pipelines))
            raise Regret
        self.looks(())

    # --- putting aside -----------------------------------------------------------------------------------------

    @rule(drawn=whom, delay=leaps)
    def pauses(self, drawn: Whom, delay: timedelta) -> None:
        reason = ("manual_pause", "insufficient_capacity")[len(drawn[1]) % 2]
        after = self.clock.now + delay if drawn[1][0] % 2 else None
        self.decides("pause", self.whom("pause", drawn), reason=reason, resume_after=after)

    @rule(drawn=whom)
    def resumes(self, drawn: Whom) -> None:
        self.decides("resume", self.whom("resume", drawn))

    @rule(limit=few, leap=leaps)
    def lets_pauses_end(self, limit: list[int], leap: timedelta) -> None:
        self.clock.pass_(leap)
        over = pauses_over(self.seen, self.clock.now)[: len(limit)]
        effects: Effects = self.does(executions.resume_paused, limit=len(limit))
        self.counts("resume_paused", len(over), len(over))
        self.moves(over, effects)

    @rule(which=numbers)
    def pauses_a_pipeline(self, which: int) -> None:
        self.switches("pause", self.pipeline("pause", which))

    @rule(which=numbers)
    def resumes_a_pipeline(self, which: int) -> None:
        self.switches("resume", self.pipeline("resume", which))

    @precondition(lambda self: len(self.seen.pipelines) > 1)
    @rule(which=numbers)
    def cancels_a_pipeline(self, which: int) -> None:
        id = self.pipeline("cancel", which)
        tasks = [row for row in self.seen.executions.values() if row.pipeline_execution_id == id]
        live = {row.id for row in tasks if row.status not in TASK.ends}
        assert live == self.switches("cancel", id).ids

    def pipeline(self, name: str, which: int) -> UUID:
        """One to try a verb on: mostly one that could be moved by it, if there is any."""
        (move,) = PIPELINE.of(name)
        fit = [id for id, row in self.seen.pipelines.items() if row.status in move.sources]
        (id,) = at(fit if fit and which % 4 else list(self.seen.pipelines), [which])
        assert isinstance(id, UUID)
        return id

    def switches(self, name: str, id: UUID) -> Effects:
        (move,) = PIPELINE.of(name)
        wanted = {id} if self.seen.pipelines[id].status in move.sources else set()
        effects: Effects = self.does(getattr(pipelines, name), [id])
        assert wanted == {moved.id for moved in effects.pipelines}
        self.counts(f"pipeline {name}", 1, len(wanted))
        self.looks(wanted | effects.ids)
        return effects

    # --- and besides -------------------------------------------------------------------------------------------

    @rule(leap=leaps)
    def time_passes(self, leap: timedelta) -> None:
        self.clock.pass_(leap)

    @rule(drawn=whom)
    def notes(self, drawn: Whom) -> None:
        (id, *_) = self.whom("cancel", drawn)
        pipeline = self.seen.executions[id].pipeline_execution_id
        self.does(events.create, "TaskNoted", task_execution_id=id, pipeline_execution_id=pipeline)
        if pipeline:
            self.does(events.create, "PipelineNoted", pipeline_execution_id=pipeline)
        self.counts("note", 1)
        self.looks(())
