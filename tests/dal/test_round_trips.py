"""Round trips on the wire, BEGIN and COMMIT included: one for each verb that stands alone, whatever the number of rows.

More take: a verb that skips children who have children (a statement for each generation, in a transaction); one that
was overtaken while it waited. And once for each statement of
a connection, on its sixth use, psycopg has the server prepare it.
"""

from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import psycopg
import pytest

from penstock.dal import events, executions, outbox, pipelines, retention, schema
from penstock.dal.store import Store
from penstock.domain.executions import Outcome
from penstock.domain.lifecycle import Status
from tests import pooler
from tests.acting import MINUTE, Clock, begin, create, job, only, rows, step, store_at
from tests.racing import overlapping
from tests.reaching import BOOM, REACH, VERBS, Stage
from tests.victim import SOURCES
from tests.wire import Wire, tapped

DAY = timedelta(days=1)
BEGIN = COMMIT = STATEMENT = 1
PREPARED_AFTER = 5
MANY = 50


@pytest.fixture
def wire(postgres_url: str) -> Iterator[Wire]:
    with tapped(pooler.past(postgres_url)) as wire:
        yield wire


@pytest.fixture
def tapped_store(wire: Wire, postgres_url: str, clock: Clock) -> Iterator[Store]:
    """A store whose every word is counted, with a pool that has been used."""
    clock.govern(postgres_url)  # past the tap
    store = store_at(wire.url, clock)
    store.database.engine.connect().close()
    yield store
    store.database.engine.dispose()


def trips(wire: Wire, run: Callable[[], Any]) -> int:
    """How many round trips it takes."""
    before = wire.trips
    run()
    return wire.trips - before


# --- alone ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_on_one_execution_is_one_round_trip(tapped_store: Store, wire: Wire, clock: Clock, verb: str) -> None:
    stage = SOURCES[verb](tapped_store, clock)
    assert STATEMENT == trips(wire, lambda: VERBS[verb](stage))


def settled(name: str, store: Store, stages: list[Stage]) -> Any:
    at = store.clock() + MINUTE
    ways: dict[str, Callable[[Stage], executions.Settlement]] = {
        "complete": lambda stage: executions.Settlement.complete(stage.lease, Outcome()),
        "fail": lambda stage: executions.Settlement.fail(stage.lease, BOOM),
        "schedule_retry": lambda stage: executions.Settlement.retry(stage.lease, BOOM, at=at),
        "defer": lambda stage: executions.Settlement.defer(stage.lease, until=at),
    }
    return store.alone(executions.settle, [ways[name](stage) for stage in stages])


def by_id(verb: Callable[..., Any], store: Store, stages: list[Stage], **options: Any) -> Any:
    return store.alone(verb, [stage.id for stage in stages], **options)


def by_lease(verb: Callable[..., Any], store: Store, stages: list[Stage], **options: Any) -> Any:
    return store.alone(verb, [stage.lease for stage in stages], **options)


def recovered(store: Store, stages: list[Stage]) -> Any:
    stages[0].clock.pass_(60 * MINUTE)
    return store.alone(executions.recover, limit=len(stages))


BATCHES: dict[str, Callable[[Store, list[Stage]], Any]] = {
    **{name: partial(settled, name) for name in ("complete", "fail", "schedule_retry", "defer")},
    **{name: partial(by_lease, getattr(executions, name)) for name in ("start", "release")},
    **{
        name: partial(by_id, getattr(executions, name))
        for name in ("approve", "reject", "reset", "pause", "resume", "skip", "cancel")
    },
    "claim": partial(by_id, executions.claim_these, worker="worker", hold_for=MINUTE),
    "begin": partial(by_id, executions.begin, worker="worker"),
    "recover": recovered,
}


def moved(answer: Any) -> int:
    """How many executions a verb has moved."""
    return len(answer if isinstance(answer, list) else answer.moved)


def test_every_verb_is_tried_in_a_batch() -> None:
    assert set(VERBS) == set(BATCHES)


@pytest.mark.parametrize("verb", BATCHES)
def test_a_verb_on_many_executions_is_one_round_trip(tapped_store: Store, wire: Wire, clock: Clock, verb: str) -> None:
    stages = [SOURCES[verb](tapped_store, clock) for _ in range(MANY)]
    answers: list[Any] = []
    assert STATEMENT == trips(wire, lambda: answers.append(BATCHES[verb](tapped_store, stages)))
    assert MANY == moved(answers[0])


def test_creating_is_one_round_trip_whatever_the_number(tapped_store: Store, wire: Wire) -> None:
    jobs = [[job()] * number for number in (1, 10, 1_000)]
    assert [STATEMENT] * 3 == [trips(wire, partial(tapped_store.alone, create, *some)) for some in jobs]


def test_claiming_from_a_queue_is_one_round_trip_whatever_the_number(tapped_store: Store, wire: Wire) -> None:
    tapped_store.alone(create, *[job()] * 111)

    def take(limit: int) -> None:
        tapped_store.alone(executions.claim, queue="default", limit=limit, worker="worker", hold_for=MINUTE)

    assert [STATEMENT] * 3 == [trips(wire, partial(take, limit)) for limit in (1, 10, 100)]
    assert 0 == len(rows(tapped_store, schema.task_outbox))
    assert STATEMENT == trips(wire, partial(take, 1))


def test_what_workers_and_drains_do_besides_is_one_round_trip_each(
    tapped_store: Store, wire: Wire, clock: Clock
) -> None:
    held = begin(tapped_store, *tapped_store.alone(create, *[job()] * 10))
    tapped_store.alone(create, *[job()] * 10)
    bells: list[outbox.Ring] = []

    def ring() -> None:
        bells.extend(tapped_store.alone(outbox.ring, queue="default", limit=10))

    assert STATEMENT == trips(wire, lambda: tapped_store.alone(executions.heartbeat, held, hold_for=MINUTE))
    assert STATEMENT == trips(wire, ring)
    assert STATEMENT == trips(wire, lambda: tapped_store.alone(outbox.postpone, dict.fromkeys(bells, "busy")))
    assert STATEMENT == trips(
        wire, lambda: tapped_store.alone(events.create, "TaskNoted", task_execution_id=held[0].id)
    )
    mixed = [
        executions.Settlement.complete(held[0], Outcome()),
        executions.Settlement.fail(held[1], BOOM),
        executions.Settlement.start(held[2]),
    ]
    assert STATEMENT == trips(wire, lambda: tapped_store.alone(executions.settle, mixed))
    assert STATEMENT == trips(wire, lambda: tapped_store.alone(executions.resume_deferred))
    assert STATEMENT == trips(wire, lambda: tapped_store.alone(executions.resume_paused, limit=10))


def test_a_verb_on_pipelines_is_one_round_trip_whatever_their_number(tapped_store: Store, wire: Wire) -> None:
    ids: list[UUID] = []

    def start(number: int) -> None:
        wanted = [pipelines.NewPipeline("p", [step("a"), step("b", "a")])] * number
        ids.extend(moved.id for moved in tapped_store.alone(pipelines.start, *wanted).pipelines)

    assert [STATEMENT] * 2 == [trips(wire, partial(start, number)) for number in (1, 20)]
    for verb in (pipelines.pause, pipelines.resume, pipelines.cancel):
        assert [STATEMENT] * 2 == [trips(wire, partial(tapped_store.alone, verb, some)) for some in (ids[:1], ids)]


def test_releasing_children_and_ending_a_pipeline_ride_in_the_same_round_trip(tapped_store: Store, wire: Wire) -> None:
    graph = [step("parent"), step("b", "parent"), step("c", "parent")]
    started = tapped_store.alone(pipelines.start, pipelines.NewPipeline("p", graph))
    (parent,) = begin(tapped_store, *started.ids)
    children: list[executions.Moved] = []
    assert STATEMENT == trips(wire, lambda: children.extend(tapped_store.alone(executions.complete, parent).children))
    last = begin(tapped_store, *(child.id for child in children))
    both = [executions.Settlement.complete(each, Outcome()) for each in last]
    assert STATEMENT == trips(wire, lambda: tapped_store.alone(executions.settle, both))


def test_what_moves_nothing_is_one_round_trip_and_asking_why_another(tapped_store: Store, wire: Wire) -> None:
    id = only(tapped_store.alone(executions.create, job()))
    assert STATEMENT == trips(wire, lambda: tapped_store.alone(executions.skip, [id]))
    assert STATEMENT == trips(wire, lambda: tapped_store.alone(executions.refusals, "skip", [id]))


def test_the_server_prepares_a_statement_once_on_its_sixth_use(tapped_store: Store, wire: Wire) -> None:
    used = [trips(wire, lambda: tapped_store.alone(executions.create, job())) for _ in range(10)]
    assert [1] * PREPARED_AFTER + [2] + [1] * 4 == used


# --- more than one -------------------------------------------------------------------------------------------------


def test_one_verb_in_a_transaction_is_three_round_trips(tapped_store: Store, wire: Wire) -> None:
    def one_verb() -> None:
        with tapped_store.begin() as tx:
            executions.create(tx, job())

    assert BEGIN + STATEMENT + COMMIT == trips(wire, one_verb)


def test_a_verb_that_joins_adds_one_round_trip_to_the_transaction_of_its_caller(
    tapped_store: Store, wire: Wire
) -> None:
    with psycopg.connect(wire.url.replace("+psycopg", "")) as caller:

        def enqueue() -> None:
            with caller.transaction():
                executions.create(tapped_store.join(caller), job())

        assert BEGIN + STATEMENT + COMMIT == trips(wire, enqueue)


@pytest.mark.parametrize("generations", [2, 4])
def test_generations_of_skipped_children_ride_in_the_same_round_trip(
    tapped_store: Store, wire: Wire, generations: int
) -> None:
    graph = [step("0"), *(step(str(n + 1), str(n)) for n in range(generations))]
    started = tapped_store.alone(pipelines.start, pipelines.NewPipeline("p", graph))
    (ready,) = (moved.id for moved in started.moved if moved.status == Status.READY)
    (held,) = begin(tapped_store, ready)
    children: list[executions.Moved] = []
    fail = partial(tapped_store.alone, executions.fail, held, BOOM)
    assert STATEMENT == trips(wire, lambda: children.extend(fail().children))
    assert [Status.SKIPPED] * generations == [child.status for child in children]


def test_a_verb_that_waits_for_a_lock_is_one_round_trip(
    tapped_store: Store, wire: Wire, postgres: Store, clock: Clock
) -> None:
    stage = REACH[Status.CLAIMED](postgres, clock)

    def cancel() -> int:
        return trips(wire, lambda: tapped_store.alone(executions.cancel, [stage.id]))

    _, taken = overlapping(postgres, lambda tx: executions.release(tx, [stage.lease]), cancel)
    assert STATEMENT == taken


def test_a_step_of_retention_is_one_round_trip(tapped_store: Store, wire: Wire, clock: Clock) -> None:
    for held in begin(tapped_store, *tapped_store.alone(create, *[job()] * 5)):
        tapped_store.alone(executions.complete, held)
    clock.pass_(DAY)
    purge = partial(tapped_store.alone, retention.delete_older_than, clock.now, 100)
    assert [STATEMENT, STATEMENT] == [trips(wire, purge) for _ in range(2)]
