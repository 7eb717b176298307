"""What workers do, and what becomes of those who do it too late: they keep every lease that they ever had."""

from collections.abc import Callable, Collection, Sequence
from datetime import timedelta
from uuid import UUID

from hypothesis.stateful import precondition, rule

from penstock.dal import executions, outbox
from penstock.dal.ledger import Effects
from penstock.domain import limits
from penstock.domain.executions import Failure, Job, Outcome
from penstock.domain.lifecycle import Status
from tests.acting import MINUTE
from tests.properties.drawing import HOLD, Whom, few, leaps, numbers, queues, whom
from tests.properties.example import Example, at
from tests.properties.expecting import deferrals_over, due, movable, silent

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
        taken: list[Job] = self.does(executions.claim, queue=queue, limit=most, worker="worker", hold_for=HOLD)
        self.takes("claim", best, taken, asked=most)
        return taken

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
        taken: list[Job] = self.does(executions.begin, ids, worker="worker")
        self.takes("begin", wanted, taken, asked=len(ids))
        return taken

    def takes(self, name: str, wanted: Collection[UUID], taken: list[Job], *, asked: int) -> None:
        """Exactly the right ones were taken, and none of them before its time."""
        assert set(wanted) == {job.id for job in taken}
        for job in taken:
            assert self.not_before.pop(job.id, self.clock.now) <= self.clock.now, job
        self.jobs += taken
        self.counts(name, asked, len(taken))
        self.looks(wanted)

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
        self.settles([executions.completed(job, DONE) for job in self.held("complete", drawn)])

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
    @rule(ways=few)
    def comes_back_too_late(self, ways: list[int]) -> None:
        jobs = at(self.robbed(), ways)
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
            assert ("fail" if final else "schedule_retry") == settlement["verb"]
        self.settles(settlements)

    def turn_out(self, jobs: Sequence[Job], ways: list[int]) -> None:
        self.settles([self.way(job, ways[place % len(ways)]) for place, job in enumerate(jobs)])

    def way(self, job: Job, number: int) -> executions.Settlement:
        """One of the ways in which a run turns out."""
        later = self.clock.now + timedelta(seconds=number * 10)
        ways: list[Callable[[], executions.Settlement]] = [
            lambda: executions.completed(job, DONE),
            lambda: executions.failed(job, BOOM),
            lambda: executions.completed(job, DONE),
            lambda: executions.retried(job, BOOM, at=later),
            lambda: executions.deferred(job, until=later),
            lambda: executions.started(job),
        ]
        return ways[number % len(ways)]()

    def settles(self, settlements: Sequence[executions.Settlement]) -> None:
        wanted: set[UUID] = set()
        for each in settlements:
            moves = movable(self.seen, self.clock.now, each["verb"], [(each["id"], each["lease"])])
            self.counts(each["verb"], 1, len(moves))
            wanted |= moves
            if moves and each["verb"] == "schedule_retry":
                self.not_before[each["id"]] = each["due"]
        self.moves(wanted, self.does(executions.settle, settlements))

    # --- falling silent, and going on later --------------------------------------------------------------------

    @rule(limit=few)
    def is_recovered(self, limit: list[int]) -> None:
        self.recovers(limit=len(limit))

    @rule(drawn=whom, times=numbers)
    def falls_silent_again_and_again(self, drawn: Whom, times: int) -> None:
        id = self.whom("begin", drawn)[0]
        for _ in range(times % (limits.RECOVERIES + 2)):
            self.begins([id])
            self.clock.pass_(timedelta(hours=1))
            self.recovers(limit=100)

    def recovers(self, *, limit: int) -> None:
        expired = silent(self.seen, self.clock.now)
        effects: Effects = self.does(executions.recover, limit=limit)
        assert min(limit, len(expired)) == len(effects.ids)
        for id in effects.ids:
            row = self.seen.executions[id]
            spent = row.status == Status.RUNNING and row.recoveries == limits.RECOVERIES
            self.counts("abandon" if spent else "recover", 1, 1)
        self.moves(effects.ids & expired, effects)

    @rule(limit=few, leap=leaps)
    def goes_on_after_a_deferral(self, limit: list[int], leap: timedelta) -> None:
        self.clock.pass_(leap)
        over = deferrals_over(self.seen, self.clock.now)
        effects: Effects = self.does(executions.resume_deferred, limit=len(limit))
        assert min(len(limit), len(over)) == len(effects.ids)
        self.counts("resume_deferred", len(effects.ids), len(effects.ids))
        self.moves(effects.ids & over, effects)

    # --- being rung --------------------------------------------------------------------------------------------

    @rule(queue=queues, limit=few)
    def is_rung(self, queue: str, limit: list[int]) -> None:
        now = self.clock.now
        audible = {row.bell for row in due(self.seen, now) if row.queue == queue and row.ring_at <= now}
        rung = self.does(outbox.ring, queue=queue, limit=len(limit))
        assert min(len(limit), len(audible)) == len(rung)
        assert {bell.id for bell in rung} <= audible
        self.rung += rung
        self.counts("ring", len(limit))
        self.looks(())

    @precondition(lambda self: self.rung)
    @rule(places=few)
    def refuses_a_message(self, places: list[int]) -> None:
        bells = at(self.rung[::-1], places)
        hanging = {(row.bell, row.rings) for row in self.seen.executions.values() if row.bell}
        later = self.does(outbox.postpone, dict.fromkeys(bells, "throttled"))
        assert sum((bell.id, bell.rings) in hanging for bell in bells) == later
        self.counts("postpone", len(bells))
        self.looks(())
