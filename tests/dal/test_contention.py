"""Many at once on real PostgreSQL: a claim is exclusive, a child is released once, a pipeline ends once."""

from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest
import sqlalchemy as sa

from penstock.dal import events, executions, outbox, pipelines, schema
from penstock.dal.effects import Effects
from penstock.dal.store import Store, Tx
from penstock.domain.executions import Job, Outcome
from penstock.domain.lifecycle import PipelineStatus, Status
from penstock.domain.pipelines import Step
from tests.acting import MINUTE, Clock, begin, by_hand, create, execution, job, rows, step, store_at
from tests.books import discrepancies
from tests.databases import SERVERS, Databases
from tests.racing import arena, overlapping, race, until_waiting

CLAIMERS = 16
ROUNDS = 200
OVERLAPS = 40
EXECUTIONS, PIPELINES, EVENTS = schema.task_executions, schema.pipeline_executions, schema.execution_events


@pytest.fixture(params=SERVERS)
def busy(request: pytest.FixtureRequest, databases: Databases, clock: Clock) -> Iterator[Store]:
    """A store for many sessions, on each installed PostgreSQL in turn."""
    with arena(databases, request.param, clock) as store:
        yield store


@pytest.fixture
def first_try_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """No verb is run again, so that a deadlock shows."""
    monkeypatch.setattr("penstock.dal.store.TRIES", 1)


def jobs(store: Store, number: int) -> list[UUID]:
    return store.alone(create, *[job()] * number)


def started(store: Store, number: int, *steps: Step) -> list[UUID]:
    """So many pipelines of these steps; their ids in order."""
    wanted = [pipelines.NewPipeline(f"p{n}", list(steps)) for n in range(number)]
    return [moved.id for moved in store.alone(pipelines.start, *wanted).pipelines]


def begun(store: Store, pipeline_ids: Sequence[UUID], *names: str) -> list[tuple[Job, ...]]:
    """These steps of these pipelines, running: a tuple for each pipeline."""
    tasks = {(row.pipeline_execution_id, row.name): row.id for row in rows(store, EXECUTIONS)}
    held = {each.id: each for each in begin(store, *(tasks[id, name] for id in pipeline_ids for name in names))}
    return [tuple(held[tasks[id, name]] for name in names) for id in pipeline_ids]


def claim(store: Store, limit: int = 10) -> list[Job]:
    return store.alone(executions.claim, queue="default", limit=limit, worker="worker", hold_for=MINUTE)


def complete(store: Store, held: Job) -> Effects:
    return store.alone(executions.complete, held)


def both_completed(store: Store, first: Job, second: Job) -> tuple[Effects, Effects]:
    """The first in a transaction that commits once the second has been seen waiting for it."""
    return overlapping(store, lambda tx: executions.complete(tx, first), lambda: complete(store, second))


def statuses(store: Store, table: sa.Table) -> Counter[str]:
    return Counter(row.status for row in rows(store, table))


def events_of(store: Store, *types: str) -> Counter[UUID]:
    """How many events of these types each execution, or else each pipeline, has."""
    found = rows(store, EVENTS, EVENTS.c.event_type.in_(types))
    return Counter(event.task_execution_id or event.pipeline_execution_id for event in found)


# --- claiming ----------------------------------------------------------------------------------------------------


def test_many_claimers_take_each_execution_once_and_leave_none(busy: Store, first_try_counts: None) -> None:
    ids = jobs(busy, 2_000)

    def take_all(_round: int) -> list[UUID]:
        taken: list[UUID] = []
        while claimed := claim(busy):
            taken += [each.id for each in claimed]
        return taken

    shares = [share for (share,) in race(1, *[take_all] * CLAIMERS)]
    assert sorted(ids) == sorted(id for share in shares for id in share)
    assert dict.fromkeys(ids, 1) == events_of(busy, "TaskClaimed")
    assert [] == discrepancies(busy)


def test_threads_on_one_file_claim_and_complete_each_execution_once(
    databases: Databases, clock: Clock, first_try_counts: None
) -> None:
    with databases.migrated("sqlite") as url:
        store = store_at(url, clock)
        ids = jobs(store, 300)

        def work(_round: int) -> list[UUID]:
            done: list[UUID] = []
            while claimed := claim(store, limit=3):
                store.alone(executions.start, claimed)
                done += [id for each in claimed for id in complete(store, each).ids]
            return done

        shares = [share for (share,) in race(1, *[work] * 8)]
        assert sorted(ids) == sorted(id for share in shares for id in share)
        assert dict.fromkeys(ids, 1) == events_of(store, "TaskCompleted")
        assert [] == discrepancies(store)
        store.database.engine.dispose()


def test_a_claim_passes_over_what_others_have_locked_and_waits_for_nobody(busy: Store) -> None:
    ids = jobs(busy, 10)
    with busy.begin() as tx:
        executions.cancel(tx, ids[:3])
        taken = claim(busy)
        assert ids[3:] == sorted(each.id for each in taken)
    assert {Status.CANCELLED: 3, Status.CLAIMED: 7} == statuses(busy, EXECUTIONS)


def test_what_another_claim_took_and_gave_up_is_there_for_the_next(busy: Store) -> None:
    ids = jobs(busy, 3)

    def claim_and_give_up() -> None:
        with busy.begin() as tx:
            executions.claim(tx, queue="default", limit=2, worker="unlucky", hold_for=MINUTE)
            assert ids[2:] == [each.id for each in claim(busy)]
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        claim_and_give_up()
    assert ids[:2] == sorted(each.id for each in claim(busy))


def test_a_claim_passes_over_a_doorbell_that_is_being_rung(busy: Store) -> None:
    ids = jobs(busy, 3)
    with busy.begin() as tx:
        assert 2 == len(outbox.ring(tx, queue="default", limit=2))
        assert 1 == len(claim(busy))
    assert 2 == len(claim(busy))
    assert dict.fromkeys(ids, 1) == events_of(busy, "TaskClaimed")


def test_two_drains_ring_each_doorbell_once(busy: Store, first_try_counts: None) -> None:
    ids = jobs(busy, ROUNDS)

    def ring(_round: int) -> list[UUID]:
        return [bell.task_execution_id for bell in busy.alone(outbox.ring, queue="default", limit=1)]

    rung = [id for answers in race(ROUNDS, ring, ring) for one in answers for id in one]
    rung += ring(0)
    assert len(rung) == len(set(rung))
    assert set(rung) <= set(ids)


def test_begin_by_id_waits_for_who_has_locked_it(busy: Store) -> None:
    (id,) = jobs(busy, 1)
    with busy.database.engine.connect() as other, ThreadPoolExecutor(1) as rival:
        other.exec_driver_sql("BEGIN")
        other.execute(sa.select(EXECUTIONS.c.id).where(EXECUTIONS.c.id == id).with_for_update(key_share=True))
        begins = rival.submit(begin, busy, id)
        until_waiting(busy, 1, begins)
        other.exec_driver_sql("COMMIT")
        assert [id] == [each.id for each in begins.result()]


def test_begin_by_id_gets_nothing_if_who_had_locked_it_took_it(busy: Store) -> None:
    ids = jobs(busy, 2)

    def take_first(tx: Tx) -> list[Job]:
        return executions.begin(tx, ids[:1], worker="first")

    first, second = overlapping(busy, take_first, lambda: begin(busy, *reversed(ids)))
    assert (ids[:1], ids[1:]) == ([each.id for each in first], [each.id for each in second])
    assert dict.fromkeys(ids, 1) == events_of(busy, "TaskStarted")


@pytest.mark.parametrize("reference", ["event", "annotation", "tool"])
def test_a_row_that_a_new_row_refers_to_is_claimed_all_the_same(busy: Store, reference: str) -> None:
    """Its foreign key is checked under a lock that only a plain FOR UPDATE would collide with."""
    (id,) = jobs(busy, 1)
    values = {"id": busy.new_id(), "task_execution_id": id}
    inserts = {
        "annotation": sa.insert(schema.annotations).values(**values, actor="somebody"),
        "tool": sa.insert(schema.tool_executions).values(**values, tool_name="hammer", status="pending"),
    }
    with by_hand(busy) as other:
        other.exec_driver_sql("BEGIN")
        if reference == "event":
            events.create(busy.join(other), "TaskNoted", task_execution_id=id)
        else:
            other.execute(inserts[reference])
        assert [id] == [each.id for each in claim(busy)]
        other.exec_driver_sql("COMMIT")
    assert [] == discrepancies(busy)


def test_what_is_being_claimed_can_be_referred_to_meanwhile(busy: Store) -> None:
    (id,) = jobs(busy, 1)
    with busy.begin() as tx:
        executions.claim_these(tx, [id], worker="worker", hold_for=MINUTE)
        busy.alone(events.create, "TaskNoted", task_execution_id=id)
    assert {id: 2} == events_of(busy, "TaskNoted", "TaskClaimed")


# --- ending together ---------------------------------------------------------------------------------------------


def test_parents_that_end_at_once_release_their_child_in_every_round(busy: Store, first_try_counts: None) -> None:
    pipeline_ids = started(busy, ROUNDS, step("a"), step("b"), step("child", "a", "b"))
    parents = begun(busy, pipeline_ids, "a", "b")
    for a, b in parents[:OVERLAPS]:
        one, other = both_completed(busy, a, b)
        assert ([], 1) == (one.children, len(other.children))
    free = parents[OVERLAPS:]
    sides = race(len(free), lambda n: complete(busy, free[n][0]), lambda n: complete(busy, free[n][1]))
    assert [1] * len(free) == [len(one.children) + len(other.children) for one, other in zip(*sides, strict=True)]
    assert {Status.COMPLETED: 2 * ROUNDS, Status.READY: ROUNDS} == statuses(busy, EXECUTIONS)
    assert ROUNDS == len(rows(busy, schema.task_outbox))
    assert [] == discrepancies(busy)


def test_the_last_two_tasks_end_their_pipeline_once(busy: Store, first_try_counts: None) -> None:
    pipeline_ids = started(busy, ROUNDS, step("a"), step("b"))
    last = begun(busy, pipeline_ids, "a", "b")
    for a, b in last[:OVERLAPS]:
        one, other = both_completed(busy, a, b)
        assert ([], 1) == (one.pipelines, len(other.pipelines))
    free = last[OVERLAPS:]
    race(len(free), lambda n: complete(busy, free[n][0]), lambda n: complete(busy, free[n][1]))
    assert {PipelineStatus.COMPLETED: ROUNDS} == statuses(busy, PIPELINES)
    assert dict.fromkeys(pipeline_ids, 1) == events_of(busy, "PipelineCompleted")
    assert [] == discrepancies(busy)


def test_a_result_is_settled_once_however_often_it_is_delivered(busy: Store, first_try_counts: None) -> None:
    (held,) = begin(busy, *jobs(busy, 1))
    answers = [0, 1]

    def settle(number: int) -> Effects:
        return busy.alone(executions.complete, held, Outcome(output={"answer": number}))

    sides = race(1, lambda _: settle(0), lambda _: settle(1))
    told = {(moved.id, moved.status) for (effects,) in sides for moved in effects.moved}
    assert {(held.id, "completed")} == told
    assert execution(busy, held.id).outcome in [{"success": True, "answer": number} for number in answers]
    assert {held.id: 1} == events_of(busy, "TaskCompleted")


# --- pausing -----------------------------------------------------------------------------------------------------


def test_a_claim_that_begins_after_the_pause_committed_takes_nothing(busy: Store, first_try_counts: None) -> None:
    pipeline_ids = started(busy, ROUNDS, *[step(f"s{n}") for n in range(5)])

    def pause(number: int) -> int:
        """How many are claimed after the pause, which must be none."""
        busy.alone(pipelines.pause, [pipeline_ids[number]])
        mine = rows(busy, EXECUTIONS, EXECUTIONS.c.pipeline_execution_id == pipeline_ids[number])
        begun_late = begin(busy, *(row.id for row in mine))
        return len(begun_late)

    def take(_number: int) -> int:
        return len(claim(busy, limit=5))

    late, taken = race(ROUNDS, pause, take)
    assert [0] * ROUNDS == late
    assert sum(taken) == statuses(busy, EXECUTIONS)[Status.CLAIMED]
    assert {PipelineStatus.PAUSED: ROUNDS} == statuses(busy, PIPELINES)
    assert ([], []) == (claim(busy), busy.alone(outbox.ring, queue="default", limit=10))
    assert [] == discrepancies(busy)


def test_a_claim_does_not_wait_for_a_pause_that_has_not_committed(busy: Store) -> None:
    (pipeline_id,) = started(busy, 1, step("a"), step("b"))
    with busy.begin() as tx:
        pipelines.pause(tx, [pipeline_id])
        assert 1 == len(claim(busy, limit=1))
    assert [] == claim(busy)
    busy.alone(pipelines.resume, [pipeline_id])
    assert 1 == len(claim(busy))


def test_what_runs_while_its_pipeline_is_paused_settles(busy: Store) -> None:
    (pipeline_id,) = started(busy, 1, step("a"))
    ((held,),) = begun(busy, [pipeline_id], "a")

    def pause(tx: Tx) -> Effects:
        return pipelines.pause(tx, [pipeline_id])

    _, settled = overlapping(busy, pause, lambda: complete(busy, held))
    assert [PipelineStatus.COMPLETED] == [moved.status for moved in settled.pipelines]
    assert [] == discrepancies(busy)
