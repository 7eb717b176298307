"""Where a transaction begins and ends, and what happens when the database gives one up."""

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any
from uuid import UUID

import psycopg
import pytest
import sqlalchemy as sa
from alembic import command

from penstock.dal import executions, pipelines, schema
from penstock.dal import store as store_module
from penstock.dal.effects import Effects
from penstock.dal.store import Store, Tx
from penstock.domain.errors import InvalidInput
from penstock.domain.executions import Job
from penstock.domain.lifecycle import PipelineStatus, Status
from tests import pooler
from tests.acting import MINUTE, Clock, begin, create, event_types, execution, job, only, row, rows, step, store_at
from tests.books import discrepancies
from tests.databases import Databases, alembic_config, configure
from tests.racing import overlapping, race
from tests.reaching import BOOM

TRIES = store_module.TRIES
OTHERS = """
SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


def names(store: Store) -> list[str]:
    return sorted(row.name for row in rows(store, schema.task_executions))


# --- a transaction of our own ------------------------------------------------------------------------------------


def test_what_a_block_did_is_committed_when_it_ends(store: Store) -> None:
    with store.begin() as tx:
        executions.create(tx, job("first"))
        executions.create(tx, job("second"))
        assert [] == names(store)
    assert ["first", "second"] == names(store)


def test_what_a_block_did_is_undone_when_it_raises(store: Store) -> None:
    def create_and_fail() -> None:
        with store.begin() as tx:
            executions.create(tx, job())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        create_and_fail()
    assert [] == names(store)
    store.alone(executions.create, job("next"))
    assert ["next"] == names(store)


def test_a_block_in_which_a_verb_failed_keeps_nothing_of_that_verb(store: Store) -> None:
    """Whoever catches the error gets what the engine can give: SQLite the rest, PostgreSQL nothing, and says so."""
    unknown_task = step("a", task_id=store.new_id())
    expected = ["kept"]
    try:
        with store.begin() as tx:
            executions.create(tx, job("kept"))
            with pytest.raises((sqlite3.IntegrityError, psycopg.IntegrityError)):
                pipelines.start(tx, pipelines.NewPipeline("p", [unknown_task]))
    except psycopg.errors.InFailedSqlTransaction:
        expected = []
    assert (expected, []) == (names(store), rows(store, schema.pipeline_executions))
    assert [] == discrepancies(store)


def test_a_moment_is_that_of_the_transaction_in_a_file_and_of_the_call_on_a_server(store: Store, clock: Clock) -> None:
    started = clock.now
    with store.begin() as tx:
        clock.pass_(MINUTE)
        created = only(executions.create(tx, job()))
    moment = clock.now if store.database.engine.dialect.name == "postgresql" else started
    assert moment == execution(store, created).created_at


def test_each_statement_of_a_read_sees_what_is_committed_when_it_begins(store: Store) -> None:
    id = only(store.alone(executions.create, job()))
    with store.read() as tx:
        assert [] == executions.refusals(tx, "cancel", [id])
        store.alone(executions.cancel, [id])
        assert [Status.CANCELLED] == [refusal.state for refusal in executions.refusals(tx, "cancel", [id])]


def test_a_store_has_an_actor_with_a_name(store: Store) -> None:
    with pytest.raises(InvalidInput, match="actor"):
        Store(store.database, " ", store.clock, store.new_id, store.chance)


# --- a verb alone -------------------------------------------------------------------------------------------------


def test_a_verb_that_needs_several_statements_is_still_one_commit(store: Store) -> None:
    graph = [step("a"), step("b", "a"), step("c", "b"), step("d", "c")]
    started = store.alone(pipelines.start, pipelines.NewPipeline("p", graph))
    by_name = {execution(store, moved.id).name: moved.id for moved in started.moved}
    (held,) = begin(store, by_name["a"])
    effects = store.alone(executions.fail, held, BOOM)
    assert {by_name[name] for name in "bcd"} == {moved.id for moved in effects.children}
    assert [PipelineStatus.FAILED] == [moved.status for moved in effects.pipelines]
    assert [["TaskCreated", "TaskSkipped"]] * 3 == [event_types(store, by_name[name]) for name in "bcd"]
    assert [] == discrepancies(store)


def test_an_error_that_is_no_conflict_is_raised_at_once(store: Store) -> None:
    tries = []

    def verb(tx: Tx) -> None:
        tries.append(executions.create(tx, job()))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        store.alone(verb)
    assert 1 == len(tries)


# --- conflicts on PostgreSQL ---------------------------------------------------------------------------------------


@pytest.fixture
def serializable(postgres_url: str, clock: Clock) -> Iterator[Store]:
    """A login whose transactions see one moment, and fail if a row has changed since."""
    options = {"options": "-c default_transaction_isolation=serializable"}
    store = store_at(pooler.past(postgres_url), clock, connect_args=options)
    yield store
    store.database.engine.dispose()


class Outrun:
    """Completes an execution, but reads first, and then somebody else writes the row."""

    def __init__(self, held: Job, rival: Store, times: int) -> None:
        self.held, self.rival, self.times = held, rival, times
        self.tries = 0

    def __call__(self, tx: Tx) -> Effects:
        tx.must_span()
        self.tries += 1
        executions.create(tx, job(f"try {self.tries}"))
        executions.refusals(tx, "complete", [self.held])
        if self.tries <= self.times:
            self.rival.alone(executions.heartbeat, [self.held], hold_for=MINUTE)
        return executions.complete(tx, self.held)


def test_a_serialization_failure_runs_the_whole_verb_again(postgres: Store, serializable: Store) -> None:
    (held,) = begin(postgres, *postgres.alone(create, job()))
    outrun = Outrun(held, postgres, times=2)
    assert {held.id} == serializable.alone(outrun).ids
    assert (3, ["job", "try 3"]) == (outrun.tries, names(postgres))
    assert [] == discrepancies(postgres)


def test_who_is_outrun_every_time_gives_up_and_leaves_nothing(postgres: Store, serializable: Store) -> None:
    (held,) = begin(postgres, *postgres.alone(create, job()))
    outrun = Outrun(held, postgres, times=TRIES)
    with pytest.raises(psycopg.errors.SerializationFailure):
        serializable.alone(outrun)
    assert (TRIES, ["job"]) == (outrun.tries, names(postgres))
    assert Status.RUNNING == execution(postgres, held.id).status


def test_a_block_is_never_run_again(postgres: Store, serializable: Store) -> None:
    (held,) = begin(postgres, *postgres.alone(create, job()))
    outrun = Outrun(held, postgres, times=1)
    with pytest.raises(psycopg.errors.SerializationFailure), serializable.begin() as tx:
        outrun(tx)
    assert (1, ["job"]) == (outrun.tries, names(postgres))


def test_a_single_statement_that_was_overtaken_runs_again(postgres: Store, serializable: Store) -> None:
    (held,) = begin(postgres, *postgres.alone(create, job()))
    tries = []

    def complete(tx: Tx) -> Effects:
        tries.append(tx.spans)
        return executions.complete(tx, held)

    def heartbeat(tx: Tx) -> Any:
        return executions.heartbeat(tx, [held], hold_for=MINUTE)

    _, effects = overlapping(postgres, heartbeat, lambda: serializable.alone(complete))
    assert ([False, False], {held.id}) == (tries, effects.ids)


def test_the_victim_of_a_deadlock_runs_again(postgres_url: str, clock: Clock) -> None:
    configure(postgres_url, "deadlock_timeout", "10ms")
    store = store_at(postgres_url, clock)
    first, second = begin(store, *store.alone(create, job(), job()))
    tries: list[UUID] = []
    both_have_one = Barrier(2)

    def crosswise(tx: Tx, mine: Job, theirs: Job) -> None:
        tx.must_span()
        tries.append(mine.id)
        executions.heartbeat(tx, [mine], hold_for=MINUTE)
        if tries.count(mine.id) == 1:
            both_have_one.wait(60)
        executions.heartbeat(tx, [theirs], hold_for=MINUTE)

    race(1, lambda _: store.alone(crosswise, first, second), lambda _: store.alone(crosswise, second, first))
    assert len(tries) >= 3
    store.database.engine.dispose()


# --- a broken connection -------------------------------------------------------------------------------------------


@pytest.fixture
def direct(postgres_url: str, clock: Clock) -> Iterator[Store]:
    """A store whose sessions are its own: behind a pooler, one that broke while idle is nobody's."""
    store = store_at(pooler.past(postgres_url), clock)
    yield store
    store.database.engine.dispose()


def end_all_sessions(url: str) -> None:
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as other:
        assert {(True,)} == set(other.execute(OTHERS))


def test_a_connection_that_broke_while_idle_is_thrown_away(direct: Store, postgres_url: str) -> None:
    for use in (lambda: direct.alone(executions.create, job()), lambda: begin_nothing(direct)):
        direct.alone(executions.create, job("before"))
        end_all_sessions(postgres_url)
        with pytest.raises(psycopg.OperationalError):
            use()
        direct.alone(executions.create, job("after"))
    assert ["after", "after", "before", "before"] == names(direct)


def begin_nothing(store: Store) -> None:
    with store.begin():
        pass


def test_a_connection_that_breaks_in_a_transaction_takes_its_work_along(postgres: Store, postgres_url: str) -> None:
    def create_two() -> None:
        with postgres.begin() as tx:
            executions.create(tx, job("lost"))
            end_all_sessions(postgres_url)
            executions.create(tx, job("never"))

    with pytest.raises(psycopg.OperationalError):
        create_two()
    postgres.alone(executions.create, job("after"))
    assert ["after"] == names(postgres)


# --- SQLite --------------------------------------------------------------------------------------------------------


class Traced:
    """A second store on the same file, which tells when it asks for the write lock."""

    def __init__(self, url: str, clock: Clock, *, patience: bool) -> None:
        self.asked = 0
        self.on_asking: dict[int, Any] = {}
        self.store = store_at(url, clock)
        self.patience = patience
        sa.event.listen(self.store.database.engine, "connect", self._connected)

    def _connected(self, raw: sqlite3.Connection, _record: Any) -> None:
        if not self.patience:
            raw.execute("PRAGMA busy_timeout = 0")
        raw.set_trace_callback(self._traced)

    def _traced(self, statement: str) -> None:
        if statement == "BEGIN IMMEDIATE":
            self.asked += 1
            self.on_asking.get(self.asked, lambda: None)()


@pytest.fixture
def file_url(databases: Databases) -> Iterator[str]:
    with databases.migrated("sqlite") as url:
        yield url


@pytest.fixture
def writer(file_url: str) -> Iterator[sqlite3.Connection]:
    """Somebody who has the write lock."""
    connection = sqlite3.connect(file_url.removeprefix("sqlite:///"), isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("BEGIN IMMEDIATE")
    yield connection
    connection.close()


def test_two_stores_on_one_file_wait_for_each_other(file_url: str, clock: Clock, writer: sqlite3.Connection) -> None:
    second = Traced(file_url, clock, patience=True)
    asks = Barrier(2)
    second.on_asking[1] = lambda: asks.wait(60)
    with ThreadPoolExecutor(1) as rival:
        created = rival.submit(second.store.alone, executions.create, job())
        asks.wait(60)
        assert not created.done()
        writer.execute("COMMIT")
        assert 1 == len(created.result(60).moved)
    assert 1 == second.asked
    second.store.database.engine.dispose()


def test_who_finds_the_file_busy_for_too_long_tries_again(
    file_url: str, clock: Clock, writer: sqlite3.Connection
) -> None:
    second = Traced(file_url, clock, patience=False)
    second.on_asking[3] = lambda: writer.execute("COMMIT")
    assert 1 == len(second.store.alone(executions.create, job()).moved)
    assert 3 == second.asked
    second.store.database.engine.dispose()


def test_who_finds_the_file_busy_every_time_gives_up(file_url: str, clock: Clock, writer: sqlite3.Connection) -> None:
    second = Traced(file_url, clock, patience=False)
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        second.store.alone(executions.create, job())
    assert TRIES == second.asked
    second.store.database.engine.dispose()


def test_reading_waits_for_no_writer(file_url: str, clock: Clock, writer: sqlite3.Connection) -> None:
    impatient = Traced(file_url, clock, patience=False)
    with impatient.store.read() as tx:
        assert 1 == len(executions.refusals(tx, "cancel", [impatient.store.new_id()]))
    impatient.store.database.engine.dispose()


def test_threads_share_a_database_in_memory(clock: Clock) -> None:
    store = store_at("sqlite://", clock)
    config = alembic_config("sqlite://")
    with store.database.engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")

    def work(number: int) -> UUID:
        (held,) = begin(store, *store.alone(create, job(f"job {number}")))
        return only(store.alone(executions.complete, held))

    done = [id for share in race(10, *[work] * 8) for id in share]
    assert 80 == len(set(done))
    assert {Status.COMPLETED} == {row(store, schema.task_executions, id).status for id in done}
    assert [] == discrepancies(store)
    store.database.engine.dispose()
