"""The loop of a worker, on Lambda or anywhere else: claim, and then for each job start, run, settle, ring.

The start of each job rides in the statement that settles the one before. While a task function runs, no transaction
is open. What there is no time for is given back.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from uuid import UUID

from penstock.dal import executions
from penstock.dal.dialect import is_away
from penstock.dal.effects import Effects
from penstock.dal.store import Store, Tx
from penstock.domain import limits
from penstock.domain.executions import Failure, Job
from penstock.domain.settlements import Settlement
from penstock.work import registry
from penstock.work.context import Context
from penstock.work.deadline import Deadline
from penstock.work.journal import Journal
from penstock.work.registry import TaskFunction
from penstock.work.run import Settling, give_up, run

# What it may take at the end to clean up after an interruption, to settle, to ring and to return.
MARGIN = timedelta(seconds=5)
LONGEST_SHIFT = timedelta(days=1)
LEASE_MARGIN = timedelta(seconds=limits.LEASE_MARGIN_SECONDS)


@dataclass
class Shift:
    """A worker with a certain time before it, in the main thread. *ring* publishes new doorbells; it never raises."""

    store: Store
    worker: str
    left: Callable[[], timedelta]
    ring: Callable[[Effects], object]
    journal: Journal
    find: Callable[[str], TaskFunction | None] = registry.find
    waiting: deque[Job] = field(default_factory=deque, init=False)
    has_run: bool = field(default=False, init=False)

    def work(self, ids: Sequence[UUID]) -> None:
        """Takes these executions, those that are due, and brings each to the end of its run, or gives it back."""
        self.waiting.extend(self._claimed(ids))
        try:
            job = self._start_next()
            while job:
                job = self._work_on(job)
        except BaseException as error:
            if not is_away(error):
                self._release()
            raise
        self._release()

    def _claimed(self, ids: Sequence[UUID]) -> list[Job]:
        hold_for = min(self.left(), LONGEST_SHIFT) + LEASE_MARGIN
        jobs = self.store.alone(executions.claim_these, ids, worker=self.worker, hold_for=hold_for)
        self.journal.claimed(jobs, len(ids))
        return sorted(jobs, key=lambda job: (job.priority, job.id))

    def _start_next(self) -> Job | None:
        """The next job that there is time for and that is still ours."""
        while job := self._next_that_fits():
            if self.store.alone(executions.start, [job]).moved:
                return job
            self.journal.lost(job, "start")
        return None

    def _next_that_fits(self) -> Job | None:
        """The first of a shift gets what time there is: with a fresh worker it would have no more."""
        if not self.waiting:
            return None
        needed = timedelta(seconds=self.waiting[0].timeout_seconds) if self.has_run else timedelta(0)
        return self.waiting.popleft() if self._time > needed else None

    def _work_on(self, job: Job) -> Job | None:
        """Runs and settles it, and starts the next one by that; which one to go on with."""
        self.has_run = True
        with self.journal.of(job):
            self.journal.started(job)
            begun = self.store.clock()
            settling = self._run(job)
            took = self.store.clock() - begun
            following = self._next_that_fits()
            settlement, effects = self._settled(settling, following)
            if job.id in effects.ids:
                self.journal.settled(job, settlement, took)
            else:
                self.journal.lost(job, settlement.verb)
            self.ring(effects)
        if following is None or following.id in effects.ids:
            return following
        self.journal.lost(following, "start")
        return self._start_next()

    def _run(self, job: Job) -> Settling:
        function = self.find(job.task_type)
        if function is None:
            known = ", ".join(registry.names()) or "none"
            message = f"this worker knows no task type {job.task_type!r}; it knows {known}"
            return give_up(job, Failure(message[: limits.TEXT], "UnknownTaskType"))
        deadline = Deadline(min(timedelta(seconds=job.timeout_seconds), self._time))
        context = Context(job, self.store, deadline, self.journal.logger)
        return run(job, deadline, partial(function, context), context.touched)

    def _settled(self, settling: Settling, following: Job | None) -> tuple[Settlement, Effects]:
        """Once more over a new connection if the database was away: the work is done, and its outcome is all there is."""
        try:
            return self.store.alone(settle, settling, following)
        except Exception as error:
            if not is_away(error):
                raise
        return self.store.alone(settle, settling, following)

    def _release(self) -> None:
        """Gives back what was claimed and not begun."""
        if self.waiting:
            self.ring(self.store.alone(executions.release, self.waiting))
            self.journal.released(self.waiting)
            self.waiting.clear()

    @property
    def _time(self) -> timedelta:
        """How long a run could take from now on."""
        return self.left() - MARGIN


def settle(tx: Tx, settling: Settling, following: Job | None) -> tuple[Settlement, Effects]:
    """Settles a run, and starts the next one in the same statement."""
    settlement = settling(tx)
    rider = [] if following is None else [Settlement.start(following)]
    return settlement, executions.settle(tx, [settlement, *rider])
