"""Mistakes that ledgers of jobs are known to make, each tried here. docs/traps.md lists them all, with what settles each.

What somebody could do past the ledger is tried in `test_past_the_ledger.py` and `test_logins.py`.
"""

import re
import sqlite3
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
import sqlalchemy as sa

from penstock.dal import executions, outbox, pipelines, retention, schema
from penstock.dal.dialect import Instant
from penstock.dal.guards import LIFECYCLES
from penstock.dal.store import Store
from penstock.dal.views import audit
from penstock.dal.views import events as event_views
from penstock.dal.views import executions as execution_views
from penstock.dal.views import outbox as outbox_views
from penstock.domain.executions import Failure, Lease, Outcome
from penstock.domain.lifecycle import NOTES, PIPELINE, TASK, PipelineStatus, Status
from penstock.domain.pipelines import TriggerRule
from penstock.domain.retry import Retry
from tests.acting import MINUTE, Clock, begin, by_hand, event_types, execution, job, only, row, rows, step, store_at
from tests.databases import Databases, configure
from tests.reaching import BOOM, REACH, VERBS, Stage, recover

EVENTS, OUTBOX, PAUSES = schema.execution_events, schema.task_outbox, schema.pause_queue
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
FENCED = sorted({move.verb for move in TASK.moves if move.proof.name == "LEASE"})


def claim(store: Store, **options: Any) -> list[Any]:
    given = {"queue": "default", "limit": 10, "worker": "w", "hold_for": MINUTE, **options}
    return store.alone(executions.claim, **given)


def pipeline(store: Store, *steps: Any) -> tuple[UUID, dict[str, UUID]]:
    """A started pipeline; its tasks by name."""
    started = store.alone(pipelines.start, pipelines.NewPipeline("p", list(steps)))
    return started.pipelines[0].id, {execution(store, moved.id).name: moved.id for moved in started.moved}


def status(store: Store, id: UUID) -> str:
    return str(execution(store, id).status)


# --- the doorbell and the truth ----------------------------------------------------------------------------------


def test_a_doorbell_that_was_left_behind_wakes_nothing(store: Store, clock: Clock) -> None:
    """It carries no truth: claim and begin look at the execution."""
    for state, reach in REACH.items():
        if state == Status.READY:
            continue
        id = reach(store, clock).id
        with by_hand(store) as connection:
            connection.execute(
                sa.insert(OUTBOX).values(
                    task_execution_id=id, queue="default", available_at=clock.now, ring_at=clock.now
                )
            )
        assert id not in {held.id for held in claim(store)}
        assert ([], state) == (begin(store, id), status(store, id))
        with by_hand(store) as connection:
            connection.execute(sa.delete(OUTBOX))


def test_when_a_doorbell_was_made_is_not_when_it_is_due(store: Store, clock: Clock) -> None:
    store.alone(executions.create, job(available_at=clock.now + HOUR), job())
    later, now = sorted(rows(store, OUTBOX), key=lambda bell: bell.available_at, reverse=True)
    assert (clock.now, clock.now + HOUR) == (later.created_at, later.available_at)
    assert (clock.now, clock.now) == (now.created_at, now.available_at)
    (lag,) = store.alone(outbox_views.lag)
    assert (1, 1) == (lag.due, lag.delayed)


def test_a_repeated_settlement_changes_nothing_and_writes_nothing(store: Store) -> None:
    (running,) = begin(store, only(store.alone(executions.create, job())))
    store.alone(executions.complete, running, Outcome({"rows": 7}))
    before = execution(store, running.id), event_types(store, running.id)
    again = store.alone(executions.settle, [executions.Settlement.complete(running, Outcome({"rows": 8}))])
    assert [(running.id, "completed", 5)] == [(moved.id, moved.status, moved.version) for moved in again.moved]
    assert [] == store.alone(executions.settle, [executions.Settlement.fail(running, BOOM)]).moved
    assert before == (execution(store, running.id), event_types(store, running.id))


def test_a_settlement_that_comes_twice_in_one_batch_settles_once(store: Store) -> None:
    (running,) = begin(store, only(store.alone(executions.create, job())))
    store.alone(executions.settle, [executions.Settlement.complete(running, Outcome())] * 2)
    assert "completed" == status(store, running.id)
    assert 1 == event_types(store, running.id).count("TaskCompleted")


@pytest.mark.parametrize("verb", FENCED)
def test_a_stale_lease_can_do_nothing(store: Store, clock: Clock, verb: str) -> None:
    state = TASK.of(verb)[0].sources[0]
    stale: Stage = REACH[Status(state)](store, clock)
    recover(stale)
    store.alone(executions.claim_these, [stale.id], worker="other", hold_for=HOUR)
    if state == Status.RUNNING:
        store.alone(executions.start, [_held(store, stale.id)])
    before = execution(store, stale.id)
    assert state == before.status
    VERBS[verb](stale)
    assert {} == store.alone(executions.heartbeat, [stale.lease], hold_for=HOUR)
    assert before == execution(store, stale.id)


def _held(store: Store, id: UUID) -> Any:
    return Lease(id, execution(store, id).lease)


def test_events_say_who_what_and_why(store: Store, clock: Clock) -> None:
    (running,) = begin(store, only(store.alone(executions.create, job())), worker="w7")
    store.alone(executions.schedule_retry, running, Failure("no route", "Network"), at=clock.now + MINUTE)
    history = rows(store, EVENTS, EVENTS.c.task_execution_id == running.id)
    by_nobody, by_w7 = ["TaskCreated", "TaskMarkedReady"], ["TaskClaimed", "TaskStarted", "TaskRetryScheduled"]
    assert [*((name, None) for name in by_nobody), *((name, "w7") for name in by_w7)] == [
        (event.event_type, event.worker_id) for event in history
    ]
    assert {"tester"} == {event.actor for event in history}
    said = history[-1].event_data
    assert ("no route", "Network", "2100-01-01T00:01:00.000000Z") == (
        said["error"],
        said["error_type"],
        said["available_at"],
    )


# --- time --------------------------------------------------------------------------------------------------------

FIXED_WIDTH = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"


def test_moments_are_one_form_of_text_whoever_wrote_them(databases: Databases, clock: Clock) -> None:
    """Verbs, defaults and triggers alike: otherwise text would not sort as time does."""
    with databases.migrated("sqlite") as url:
        store = store_at(url, clock)
        for reach in REACH.values():
            reach(store, clock)
        store.alone(executions.create, job(available_at=datetime(2101, 1, 1, tzinfo=timezone(timedelta(hours=5.5)))))
        pipeline(store, step("a"))
        with store.database.engine.connect() as connection:
            connection.exec_driver_sql(f"INSERT INTO sessions (id, client_id) VALUES ('{uuid4()}', 'c')")
            connection.exec_driver_sql("UPDATE sessions SET updated_at = '2000-01-01T00:00:00.000000Z'")
            connection.exec_driver_sql("UPDATE sessions SET client_id = 'd'")
            texts = [
                (f"{table.name}.{column.name}", value)
                for table in schema.metadata.tables.values()
                for column in table.c
                if isinstance(column.type, Instant)
                for value in connection.exec_driver_sql(f'SELECT "{column.name}" FROM {table.name}').scalars()
                if value is not None
            ]
        store.database.engine.dispose()
    assert len(texts) > 100
    assert [] == [(name, text) for name, text in texts if not re.fullmatch(FIXED_WIDTH, text)]


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/Los_Angeles", "Pacific/Apia"])
def test_the_time_zone_of_the_server_moves_nothing(postgres_url: str, clock: Clock, zone: str) -> None:
    configure(postgres_url, "timezone", zone)
    store = store_at(postgres_url, clock)
    with store.database.engine.connect() as connection:
        assert zone == connection.exec_driver_sql("SHOW timezone").scalar_one()
    due = clock.now.astimezone(timezone(timedelta(hours=9))) + MINUTE
    id = only(store.alone(executions.create, job(available_at=due)))
    found = execution(store, id)
    assert (clock.now, UTC) == (found.created_at, found.created_at.tzinfo)
    assert [] == claim(store)
    clock.pass_(MINUTE)
    (running,) = begin(store, id)
    store.alone(executions.fail, running, BOOM)
    clock.pass_(DAY - timedelta(seconds=61))
    assert [id] == [failed.id for failed in store.alone(audit.failures, days=1).rows]
    clock.pass_(timedelta(seconds=2))
    assert [] == store.alone(audit.failures, days=1).rows
    store.database.engine.dispose()


def test_a_moment_is_the_same_however_its_zone_is_written(store: Store, clock: Clock) -> None:
    zones = (UTC, timezone(timedelta(hours=9)), timezone(timedelta(hours=-8)))
    ids = [
        only(store.alone(executions.create, job(available_at=clock.now.astimezone(zone) + MINUTE))) for zone in zones
    ]
    assert {clock.now + MINUTE} == {bell.available_at for bell in rows(store, OUTBOX)}
    clock.pass_(MINUTE)
    assert ids == [held.id for held in claim(store)]


def test_a_row_never_goes_back_in_time(store: Store, clock: Clock) -> None:
    """The clock of another machine may be behind."""
    id = only(store.alone(executions.create, job(requires_approval=True)))
    clock.now -= HOUR
    store.alone(executions.approve, [id])
    moments = [event.created_at for event in rows(store, EVENTS, EVENTS.c.task_execution_id == id)]
    assert sorted(moments) == moments
    found = execution(store, id)
    assert found.created_at <= found.approved_at <= found.updated_at


# --- connections and identifiers ---------------------------------------------------------------------------------


def test_every_connection_of_sqlite_is_settled(databases: Databases, clock: Clock) -> None:
    with databases.migrated("sqlite") as url:
        store = store_at(url, clock)
        connections = [store.database.engine.connect() for _ in range(3)]
        for connection in connections:
            settings = [
                connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
                for name in ("foreign_keys", "journal_mode", "busy_timeout")
            ]
            assert [1, "wal", 30_000] == settings
            connection.close()
        store.database.engine.dispose()


def test_sqlite_takes_the_write_lock_before_it_reads(databases: Databases, clock: Clock) -> None:
    """Who reads first and writes later fails at once if somebody wrote in between, whatever the time-out."""
    with databases.migrated("sqlite") as url:
        store = store_at(url, clock)
        path = str(sa.make_url(url).database)
        with store.begin():
            rival = sqlite3.connect(path, timeout=0, isolation_level=None)
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                rival.execute("BEGIN IMMEDIATE")
            rival.close()
        store.database.engine.dispose()


def test_an_identifier_is_stored_in_one_form(store: Store) -> None:
    id = only(store.alone(executions.create, job()))
    written = f"'{id}'"
    with by_hand(store) as connection:
        for table, column in (("task_executions", "id"), ("task_outbox", "task_execution_id")):
            found = connection.exec_driver_sql(f"SELECT {column} FROM {table} WHERE {column} = {written}").scalar_one()
            assert str(id) == str(found)


def test_versions_order_what_one_execution_did_where_numbers_of_events_cannot(postgres: Store, clock: Clock) -> None:
    """Numbers of all events are given out before the commit: they have gaps, and may become visible out of order.
    The versions of one execution are given out under its lock, and have neither."""
    ids = [only(postgres.alone(executions.create, job(requires_approval=True))) for _ in range(2)]
    with postgres.begin() as slow:
        executions.approve(slow, [ids[0]])
        postgres.alone(executions.approve, [ids[1]])
        seen = {event.sequence_num for event in rows(postgres, EVENTS)}
    numbers = [event.sequence_num for event in rows(postgres, EVENTS)]
    late = set(numbers) - seen
    assert min(late) < max(seen)
    for id in ids:
        history = rows(postgres, EVENTS, EVENTS.c.task_execution_id == id)
        assert [1, 2, 3] == [event.version for event in history]
    assert all(event.transaction_id for event in rows(postgres, EVENTS))


# --- recovery, ends and pipelines --------------------------------------------------------------------------------


def test_only_an_expired_lease_is_taken_back(store: Store, clock: Clock) -> None:
    """A process that starts anew knows nothing of the others, and takes nothing from them."""
    claimed, running = REACH[Status.CLAIMED](store, clock), REACH[Status.RUNNING](store, clock)
    before = execution(store, claimed.id), execution(store, running.id)
    assert [] == store.alone(executions.recover).moved
    assert before == (execution(store, claimed.id), execution(store, running.id))
    clock.now = execution(store, running.id).lease_expires_at
    assert running.id not in store.alone(executions.recover).ids
    clock.pass_(timedelta(microseconds=1))
    assert {running.id} == store.alone(executions.recover).ids


def test_a_lease_outlasts_the_time_that_a_run_may_take(store: Store, clock: Clock) -> None:
    (running,) = begin(store, only(store.alone(executions.create, job(timeout_seconds=900))))
    assert running.lease_expires_at > clock.now + timedelta(seconds=900)


@pytest.mark.parametrize("end", TASK.ends)
def test_every_end_is_an_end_for_the_pipeline_and_for_the_children(store: Store, clock: Clock, end: str) -> None:
    """A state that is forgotten somewhere would keep them waiting for ever."""
    first = step("first", requires_approval=end in ("rejected", "skipped"))
    id, tasks = pipeline(store, first, step("then", "first", rule=TriggerRule.ALL_DONE))
    end_as(store, clock, end, tasks["first"])
    assert (end, "ready") == (status(store, tasks["first"]), status(store, tasks["then"]))
    assert execution(store, tasks["first"]).completed_at == clock.now
    (then,) = begin(store, tasks["then"])
    store.alone(executions.complete, then)
    found = row(store, schema.pipeline_executions, id)
    assert ("completed", 0) == (found.status, found.unfinished)


def end_as(store: Store, clock: Clock, end: str, id: UUID) -> None:
    verb = {"rejected": "reject", "skipped": "skip", "cancelled": "cancel", "completed": "complete", "failed": "fail"}[
        end
    ]
    held = begin(store, id)
    VERBS[verb](Stage.of(store, clock, id, held[0] if held else None))


@pytest.mark.parametrize(
    ("ends", "expected"),
    [
        (("completed", "completed"), PipelineStatus.COMPLETED),
        (("completed", "failed"), PipelineStatus.FAILED),
        (("failed", "completed"), PipelineStatus.FAILED),
        (("completed", "cancelled"), PipelineStatus.FAILED),
        (("rejected", "completed"), PipelineStatus.FAILED),
        (("completed", "skipped"), PipelineStatus.COMPLETED),
        (("skipped", "skipped"), PipelineStatus.COMPLETED),
    ],
)
def test_a_pipeline_ends_as_its_tasks_did(
    store: Store, clock: Clock, ends: tuple[str, str], expected: PipelineStatus
) -> None:
    asked = [end in ("rejected", "skipped") for end in ends]
    id, tasks = pipeline(store, *(step(f"s{n}", requires_approval=ask) for n, ask in enumerate(asked)))
    for number, end in enumerate(ends):
        end_as(store, clock, end, tasks[f"s{number}"])
    assert expected == row(store, schema.pipeline_executions, id).status
    of_the_pipeline = rows(store, EVENTS, EVENTS.c.task_execution_id.is_(None))
    assert ["PipelineStarted", f"Pipeline{expected.capitalize()}"] == [event.event_type for event in of_the_pipeline]


@pytest.mark.parametrize("verb", ["pause", "cancel"])
def test_what_belongs_to_a_halted_pipeline_is_neither_claimed_nor_begun_nor_rung(store: Store, verb: str) -> None:
    id, tasks = pipeline(store, step("a"))
    apply: Any = getattr(pipelines, verb)
    store.alone(apply, [id])
    assert ([], [], []) == (
        claim(store),
        begin(store, tasks["a"]),
        store.alone(outbox.ring, queue="default", limit=10),
    )
    if verb == "pause":
        store.alone(pipelines.resume, [id])
        assert [tasks["a"]] == [held.id for held in claim(store)]


def test_the_children_of_a_failure_do_not_run_unless_they_ask_for_it(store: Store, clock: Clock) -> None:
    usual = {"plain": step("plain", "first"), "after": step("after", "plain")}
    _, tasks = pipeline(store, step("first"), *usual.values(), step("anyway", "first", rule=TriggerRule.ALL_DONE))
    end_as(store, clock, "failed", tasks["first"])
    assert {"plain": "skipped", "after": "skipped", "anyway": "ready"} == {
        name: status(store, tasks[name]) for name in ("plain", "after", "anyway")
    }
    assert {clock.now} == {execution(store, tasks[name]).completed_at for name in usual}


# --- retries and deferrals ---------------------------------------------------------------------------------------


def test_the_number_of_attempts_is_the_number_of_runs(store: Store, clock: Clock) -> None:
    id = only(store.alone(executions.create, job(max_attempts=3)))
    runs = 0
    while status(store, id) == "ready":
        clock.pass_(HOUR)
        (running,) = begin(store, id)
        runs += 1
        with store.begin() as tx:
            executions.settle(tx, [executions.given_up(tx, running, BOOM)])
    assert (3, "failed", 3) == (runs, status(store, id), execution(store, id).attempt)


@pytest.mark.parametrize("backoff", ["fixed", "linear", "exponential"])
def test_no_chance_makes_a_delay_longer_than_its_cap(backoff: Any) -> None:
    policy = Retry(backoff, delay_seconds=10, cap_seconds=25, jitter=0.5)
    delays = [policy.delay(attempt, chance / 10) for attempt in range(1, 200) for chance in range(10)]
    assert max(delays) <= timedelta(seconds=25)
    assert min(delays) >= timedelta(seconds=5)


def test_a_deferral_is_a_row_and_costs_neither_an_attempt_nor_time(store: Store, clock: Clock) -> None:
    (running,) = begin(store, only(store.alone(executions.create, job(timeout_seconds=60))))
    store.alone(executions.defer, running, until=clock.now + DAY)
    found = execution(store, running.id)
    assert ("deferred", clock.now + DAY, None) == (found.status, found.resume_at, found.lease)
    assert [] == rows(store, OUTBOX)
    clock.pass_(DAY)
    assert {running.id} == store.alone(executions.resume_deferred).ids
    (again,) = begin(store, running.id)
    assert (1, clock.now + timedelta(seconds=90)) == (again.attempt, again.lease_expires_at)


def test_a_claim_of_what_was_deferred_can_be_held_on_to(store: Store, clock: Clock) -> None:
    """What it ran before the deferral is no part of its time now."""
    (running,) = begin(store, only(store.alone(executions.create, job(timeout_seconds=60))))
    store.alone(executions.defer, running, until=clock.now + DAY)
    clock.pass_(DAY)
    store.alone(executions.resume_deferred)
    (claimed,) = claim(store, hold_for=timedelta(seconds=5))
    kept = store.alone(executions.heartbeat, [claimed], hold_for=MINUTE)
    assert {claimed.id: clock.now + MINUTE} == kept


# --- what ended, and what is said of it later --------------------------------------------------------------------


def test_what_came_of_a_run_is_written_with_its_end(store: Store) -> None:
    (running,) = begin(store, only(store.alone(executions.create, job())))
    store.alone(executions.complete, running, Outcome({"rows": 7}, ("crm",), ({"try": "again"},)))
    found = execution(store, running.id)
    assert ("completed", {"success": True, "rows": 7}, ["crm"], [{"try": "again"}]) == (
        found.status, found.outcome, found.services_touched, found.suggestions,
    )  # fmt: skip
    assert found.completed_at == found.updated_at


def test_what_is_thought_of_after_the_end_is_an_annotation(store: Store, clock: Clock) -> None:
    id = REACH[Status.FAILED](store, clock).id
    before = execution(store, id)
    note = {"id": uuid4(), "task_execution_id": id, "kind": "suggestion", "body": {"try": "later"}, "actor": "ann"}
    with store.database.engine.connect() as connection:
        connection.execute(sa.insert(schema.annotations).values(note))
    assert [{"try": "later"}] == [said.body for said in rows(store, schema.annotations)]
    assert before == execution(store, id)


def test_a_service_is_found_by_its_very_name(store: Store) -> None:
    found = {}
    for services in (("kuma",), ("kuma2",), ("portainer", "kuma"), ("ku%",), ("KUMA",), ('"kuma"',)):
        (running,) = begin(store, only(store.alone(executions.create, job())))
        store.alone(executions.complete, running, Outcome(services_touched=services))
        found[running.id] = services
    assert [("portainer", "kuma"), ("kuma",)] == [found[e.id] for e in store.alone(audit.by_service, "kuma").rows]
    for name in ("ku%", "KUMA", '"kuma"', "kuma2"):
        assert [(name,)] == [found[e.id] for e in store.alone(audit.by_service, name).rows]


def test_a_total_counts_what_the_pages_with_the_same_filters_show(store: Store) -> None:
    for number in range(7):
        (running,) = begin(store, only(store.alone(executions.create, job())))
        store.alone(executions.complete, running, Outcome({"action_type": f"a{number % 2}"}, ("crm",)))
    for filters in ({"intent": "a0"}, {"intent": "a1", "service": "crm"}, {"service": "crm"}, {"status": "failed"}):
        shown: list[UUID] = []
        cursor = None
        while True:
            page = store.alone(audit.query, cursor=cursor, limit=2, **filters)  # type: ignore[arg-type]  # a table of filters
            shown += [found.id for found in page.rows]
            if (cursor := page.cursor) is None:
                break
        assert store.alone(audit.count, **filters) == len(shown) == len(set(shown))  # type: ignore[arg-type]  # as above


def test_a_filter_that_is_not_known_is_refused(store: Store) -> None:
    views: list[Any] = [execution_views.page, audit.query, audit.count, event_views.recent]
    for view in views:
        with pytest.raises(TypeError, match="colour"):
            store.alone(view, colour="blue")


def test_priority_one_is_first_and_then_age_decides(store: Store, clock: Clock) -> None:
    ids = {}
    for name, priority in (("a", 3), ("b", 5), ("c", 1), ("d", 3), ("e", 1)):
        ids[only(store.alone(executions.create, job(name, priority=priority)))] = name
        clock.pass_(MINUTE)
    assert ["c", "e", "a", "d", "b"] == [ids[claim(store, limit=1)[0].id] for _ in range(5)]


# --- pausing -----------------------------------------------------------------------------------------------------


def test_what_somebody_paused_goes_on_only_when_somebody_says_so(store: Store, clock: Clock) -> None:
    by_hand, until, short = (only(store.alone(executions.create, job())) for _ in range(3))
    store.alone(executions.pause, [by_hand])
    store.alone(executions.pause, [until], resume_after=clock.now + HOUR)
    store.alone(executions.pause, [short], reason="insufficient_capacity")
    assert {short} == store.alone(executions.resume_paused, limit=10).ids
    clock.pass_(HOUR)
    assert {until} == store.alone(executions.resume_paused, limit=10).ids
    clock.pass_(DAY * 365)
    assert set() == store.alone(executions.resume_paused, limit=10).ids
    assert [by_hand] == [entry.task_execution_id for entry in rows(store, PAUSES)]


def test_resuming_takes_the_entry_away_and_puts_the_doorbell_up(store: Store, clock: Clock) -> None:
    ids = [only(store.alone(executions.create, job(priority=priority))) for priority in (3, 1, 2)]
    store.alone(executions.pause, ids, reason="insufficient_capacity")
    assert (3, 0) == (len(rows(store, PAUSES)), len(rows(store, OUTBOX)))
    resumed = [only(store.alone(executions.resume_paused, limit=1)) for _ in range(3)]
    assert [ids[1], ids[2], ids[0]] == resumed
    assert (0, 3) == (len(rows(store, PAUSES)), len(rows(store, OUTBOX)))
    assert set() == store.alone(executions.resume_paused, limit=10).ids


def test_what_ended_while_it_was_paused_can_be_purged(store: Store, clock: Clock) -> None:
    stage = REACH[Status.PAUSED](store, clock)
    VERBS["cancel"](stage)
    assert [] == rows(store, PAUSES)
    clock.pass_(DAY)
    assert 1 == store.alone(retention.delete_older_than, clock.now, 10).task_executions


# --- words and keys ----------------------------------------------------------------------------------------------


def test_the_states_that_a_table_takes_are_those_of_its_lifecycle() -> None:
    for name, lifecycle in LIFECYCLES.items():
        (check,) = (c for c in schema.metadata.tables[name].constraints if c.name == f"ck_{name}_status")
        assert isinstance(check, sa.CheckConstraint)
        assert lifecycle.states == tuple(re.findall(r"'(\w+)'", str(check.sqltext)))
    assert Status.PAUSED not in TASK.ends
    assert PipelineStatus.PAUSED not in PIPELINE.ends


def test_names_of_events_have_one_spelling() -> None:
    spelled = r"(Task|Pipeline)([A-Z][a-z]+)+"
    assert [] == [name for name in (*TASK.events, *PIPELINE.events, *NOTES) if not re.fullmatch(spelled, name)]
    assert (*TASK.events, *PIPELINE.events, *NOTES) == schema.EVENT_TYPES


def test_a_definition_and_its_runs_have_states_of_their_own() -> None:
    (check,) = (c for c in schema.workflows.constraints if c.name == "ck_workflows_status")
    assert isinstance(check, sa.CheckConstraint)
    assert {"draft", "active", "paused", "archived"} == set(re.findall(r"'(\w+)'", str(check.sqltext)))
    assert "running" in PIPELINE.states


# A draft takes its steps along, a schedule the list of its times; neither is history.
MAY_CASCADE = {"workflow_tasks.workflow_id", "schedule_runs.schedule_id"}


def test_no_foreign_key_changes_or_deletes_history() -> None:
    actions = {str(key.parent): key.ondelete for table in schema.metadata.tables.values() for key in table.foreign_keys}
    assert {key: "CASCADE" if key in MAY_CASCADE else "RESTRICT" for key in actions} == actions


def test_every_foreign_key_can_be_followed_back_by_an_index() -> None:
    """Otherwise each row that a purge deletes would cost a pass over the tables that might point to it."""
    lone = [
        str(key.parent)
        for table in schema.metadata.tables.values()
        for key in table.foreign_keys
        if key.parent.name not in {first_column(found) for found in (*table.indexes, *keys_of(table))}
    ]
    assert [] == lone


def keys_of(table: sa.Table) -> list[Any]:
    return [c for c in table.constraints if isinstance(c, sa.PrimaryKeyConstraint | sa.UniqueConstraint)]


def first_column(found: Any) -> str:
    return next((str(column.name) for column in found.columns), "")


def test_a_lost_conflict_is_tried_again_as_a_whole_verb(store: Store) -> None:
    """What the databases report when a transaction has lost, on either engine, and nothing else."""
    lost: dict[str, list[BaseException]] = {
        "sqlite": [busy(sqlite3.SQLITE_BUSY), busy(sqlite3.SQLITE_BUSY_SNAPSHOT), busy(sqlite3.SQLITE_LOCKED)],
        "postgresql": [psycopg.errors.SerializationFailure(), psycopg.errors.DeadlockDetected()],
    }
    name = store.database.engine.dialect.name
    for engine, errors in lost.items():
        assert [engine == name] * len(errors) == [store.database.is_conflict(error) for error in errors]
    assert not store.database.is_conflict(busy(sqlite3.SQLITE_FULL))
    assert not store.database.is_conflict(psycopg.errors.UniqueViolation())


def busy(code: int) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("lost")
    error.sqlite_errorcode = code
    return error
