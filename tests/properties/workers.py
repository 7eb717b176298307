"""What workers do, and what becomes of those who do it too late: they keep every lease that they ever had."""

from collections.abc import Callable, Collection, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from hypothesis.stateful import precondition, rule

from penstock.dal import executions, outbox
from penstock.domain import limits
from penstock.domain.executions import Failure, Job, Outcome
from penstock.domain.lifecycle import Status
from tests.acting import MINUTE
from tests.properties.drawing import HOLD, QUEUES, Whom, few, leaps, numbers, queues, whom
from tests.properties.example import Example, at
from tests.properties.expecting import audible, deferrals_over, due, movable, repeated, silent, whole_moments

BOOM, HOPELESS = Failure("boom", "Boom"), Failure("hopeless", "Hopeless")
DONE = Outcome({"rows": 3}, ("postgres",))


class Workers(Example):
    """Taking, holding, settling, falling silent; and the drain that rings for them."""

    # --- taking ------------------------------------------------------------------------------------------------

    @rule(queue=queues, limit=few)
    def claims_from_a_queue(self, queue: str, limit: list[int]) -> None:
        self.claims(queue, most=len(limit) * 2)

    def claims(self, queue: str, *, most: int) -> list[Job]:
        best = [row.id for row in due(self.seen, self.clock.now) if row.queue == queue][:most]
        taken = self.does(executions.claim, queue=queue, limit=most, worker="worker", hold_for=HOLD)
        return self.takes("claim", best, taken, asked=most)

    @rule(drawn=whom)
    def claims_by_id(self, drawn: Whom) -> None:
        ids = self.whom("claim", drawn)
        wanted = movable(self.seen, self.clock.now, "claim", [(id, None) for id in ids])
        taken = self.does(executions.claim_these, ids, worker="worker", hold_for=MINUTE)
        self.takes("claim", wanted, taken, asked=len(ids))

    @rule(drawn=whom)
    def begins_by_id(self, drawn: Whom) -> None:
        self.begins(self.whom("begin", drawn))

    def begins(self, ids: Sequence[UUID]) -> list[Job]:
        wanted = movable(self.seen, self.clock.now, "begin", [(id, None) for id in ids])
        return self.takes("begin", wanted, self.does(executions.begin, ids, worker="worker"), asked=len(ids))

    def takes(self, name: str, wanted: Collection[UUID], taken: list[Job], *, asked: int) -> list[Job]:
        """Exactly the right ones were taken, and none of them before its time."""
        jobs = sorted(taken, key=lambda job: job.id)
        assert sorted(wanted) == [job.id for job in jobs]
        for job in jobs:
            assert self.not_before.pop(job.id, self.clock.now) <= self.clock.now, job
        self.jobs += jobs
        self.counts(name, asked, len(jobs))
        self.looks(wanted)
        return jobs

    # --- holding -----------------------------------------------------------------------------------------------

    @rule(drawn=whom)
    def starts_to_run(self, drawn: Whom) -> None:
        self.uses_leases("start", self.held("start", drawn))

    @rule(drawn=whom)
    def gives_back(self, drawn: Whom) -> None:
        self.uses_leases("release", self.held("release", drawn))

    @rule(drawn=whom)
    def holds_on(self, drawn: Whom) -> None:
        jobs, rows, now = self.held("fail", drawn), self.seen.executions, self.clock.now
        kept = self.does(executions.heartbeat, jobs, hold_for=HOLD)
        assert {job.id for job in jobs if job.lease == rows[job.id].lease} == set(kept)
        for id, until in kept.items():
            whole_run = timedelta(seconds=rows[id].timeout_seconds + limits.LEASE_MARGIN_SECONDS)
            begun = rows[id].started_at if rows[id].status == Status.RUNNING else now
            wanted = min(now + HOLD, begun + whole_run)
            assert max(rows[id].lease_expires_at, wanted) == until
        self.counts("heartbeat", len(jobs))
        self.looks(())

    # --- settling ----------------------------------------------------------------------------------------------

    @rule(drawn=whom)
    def completes_all(self, drawn: Whom) -> None:
        self.settles([executions.Settlement.complete(job, DONE) for job in self.held("complete", drawn)])

    @rule(drawn=whom, ways=few)
    def settles_each_in_its_own_way(self, drawn: Whom, ways: list[int]) -> None:
        self.turn_out(self.held("fail", drawn), ways)

    @rule(ways=few)
    def works_off_what_is_due(self, ways: list[int]) -> None:
        self.turn_out(self.begins([row.id for row in due(self.seen, self.clock.now)]), ways)

    @rule(queue=queues, ways=few)
    def works_through_a_queue(self, queue: str, ways: list[int]) -> None:
        jobs = self.claims(queue, most=10)
        self.uses_leases("start", jobs)
        self.turn_out(jobs, ways)

    @precondition(lambda self: self.robbed())
    @rule(places=few, ways=few)
    def comes_back_too_late(self, places: list[int], ways: list[int]) -> None:
        self.too_late(at(self.robbed(), places), ways)

    def too_late(self, jobs: list[Job], ways: list[int]) -> None:
        self.counts("stale lease", len(jobs))
        self.uses_leases(("start", "release")[ways[0] % 2], jobs)
        self.turn_out(jobs, ways)

    def robbed(self) -> list[Job]:
        """Old leases of what is in another worker's hands by now."""
        return [job for job in self.jobs if self.seen.executions[job.id].lease not in (None, job.lease)]

    @rule(drawn=whom, hopeless=numbers)
    def gives_up(self, drawn: Whom, hopeless: int) -> None:
        failure = HOPELESS if hopeless % 4 == 0 else BOOM
        jobs = self.held("fail", drawn)
        with self.store.read() as tx:
            settlements = [executions.given_up(tx, job, failure) for job in jobs]
        for job, settlement in zip(jobs, settlements, strict=True):
            final = failure is HOPELESS or job.attempt == job.max_attempts
            assert ("fail" if final else "schedule_retry") == settlement.verb
        self.settles(settlements)

    def turn_out(self, jobs: Sequence[Job], ways: list[int]) -> None:
        """Settles them in these ways, and the first of them once more: only what comes first counts."""
        self.settles([self.way(job, ways[place % len(ways)]) for place, job in enumerate([*jobs, *jobs[:1]])])

    def way(self, job: Job, number: int) -> executions.Settlement:
        """One of the ways in which a run turns out."""
        later = self.clock.now + timedelta(seconds=number * 10)
        ways: list[Callable[[], executions.Settlement]] = [
            lambda: executions.Settlement.complete(job, DONE),
            lambda: executions.Settlement.fail(job, BOOM),
            lambda: executions.Settlement.complete(job, DONE),
            lambda: executions.Settlement.retry(job, BOOM, at=later),
            lambda: executions.Settlement.defer(job, until=later),
            lambda: executions.Settlement.start(job),
        ]
        return ways[number % len(ways)]()

    def settles(self, settlements: Sequence[executions.Settlement]) -> None:
        wanted: set[UUID] = set()
        for each in {(each.id, each.lease): each for each in reversed(settlements)}.values():
            moves = movable(self.seen, self.clock.now, each.verb, [(each.id, each.lease)])
            self.counts(each.verb, 1, len(moves))
            wanted |= moves
            if moves and each.verb == "schedule_retry" and each.due is not None:
                self.not_before[each.id] = each.due
        again = repeated(self.seen, [(each.id, each.lease, each.verb) for each in settlements]) - wanted
        self.moves(wanted, self.does(executions.settle, settlements), again=again)

    # --- falling silent, and going on later --------------------------------------------------------------------

    @rule(moments=few)
    def is_recovered(self, moments: list[int]) -> None:
        self.recovers(whole_moments(silent(self.seen, self.clock.now), "lease_expires_at", len(moments)))

    @rule(drawn=whom, times=numbers, ways=few)
    def falls_silent_again_and_again(self, drawn: Whom, times: int, ways: list[int]) -> None:
        ids = self.whom("begin", drawn)[:2]
        for _ in range(times % (limits.RECOVERIES + 2)):
            self.begins(ids)
            self.too_late(self.robbed(), ways)
            self.clock.pass_(timedelta(hours=1))
            self.recovers(silent(self.seen, self.clock.now))

    def recovers(self, rows: list[Any]) -> None:
        for row in rows:
            spent = row.status == Status.RUNNING and row.recoveries == limits.RECOVERIES
            self.counts("abandon" if spent else "recover", 1, 1)
        self.moves([row.id for row in rows], self.does(executions.recover, limit=len(rows) or 1))

    @rule(moments=few, leap=leaps)
    def goes_on_after_a_deferral(self, moments: list[int], leap: timedelta) -> None:
        self.clock.pass_(leap)
        rows = whole_moments(deferrals_over(self.seen, self.clock.now), "resume_at", len(moments))
        self.counts("resume_deferred", len(rows), len(rows))
        self.moves([row.id for row in rows], self.does(executions.resume_deferred, limit=len(rows) or 1))

    # --- being rung --------------------------------------------------------------------------------------------

    @precondition(lambda self: bool(audible(self.seen, self.clock.now, QUEUES[0])))
    @rule(moments=few)
    def is_rung(self, moments: list[int]) -> None:
        rows = whole_moments(audible(self.seen, self.clock.now, QUEUES[0]), "ring_at", len(moments))
        rung = self.does(outbox.ring, queue=QUEUES[0], limit=len(rows))
        assert {(row.id, row.rings + 1) for row in rows} == {(bell.task_execution_id, bell.rings) for bell in rung}
        self.rung += rung
        self.counts("ring", len(rows))
        self.looks(())

    @precondition(lambda self: self.rung)
    @rule(places=few)
    def refuses_a_message(self, places: list[int]) -> None:
        bells = at(self.rung[::-1], places)
        hanging = {(row.id, row.rings) for row in self.seen.executions.values() if row.bell}
        later = self.does(outbox.postpone, dict.fromkeys(bells, "throttled"))
        assert sum((bell.task_execution_id, bell.rings) in hanging for bell in bells) == later
        self.counts("postpone", len(bells))
        self.looks(())
