"""Every way around the ledger that somebody might try, by mistake or on purpose: the database refuses it.

What is tried here is tried as raw SQL. `test_logins.py` tries what depends on who has logged in.
"""

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError

from penstock.dal import executions, pipelines, schema
from penstock.dal.guards import APPEND_ONLY, LIFECYCLES, NEVER_TRUNCATED, PURGER
from penstock.dal.store import Store, Tx
from penstock.domain.lifecycle import TASK, TOOL
from tests.acting import Clock, begin, event_types, execution, job, only, row, rows, step, store_at
from tests.databases import Databases
from tests.migrations.rows import ROWS, inserts
from tests.reaching import REACH

EXECUTIONS, EVENTS, LOG = schema.task_executions, schema.execution_events, schema.purge_log
HISTORY = {"purge_log", *LIFECYCLES, *APPEND_ONLY}
INSERTS: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
DRIVERS_REFUSALS = (psycopg.errors.RestrictViolation, sqlite3.IntegrityError)
OPEN_PURGE = "INSERT INTO purge_log (id, actor, cutoff) VALUES ('{}', 'ann', '2000-01-01T00:00:00.000000Z')"


@pytest.fixture
def lite(databases: Databases, clock: Clock) -> Iterator[Store]:
    """A store for what only SQLite can show."""
    with databases.migrated("sqlite") as url:
        made = store_at(url, clock)
        yield made
        made.database.engine.dispose()


@pytest.fixture
def ended(store: Store) -> UUID:
    """An execution that has completed."""
    return finish(store)


def finish(store: Store) -> UUID:
    (running,) = begin(store, only(store.alone(executions.create, job())))
    store.alone(executions.complete, running)
    return running.id


def run(store: Store, *statements: str) -> None:
    with store.database.engine.connect() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def refused(store: Store, statement: Any, says: str = ".") -> None:
    """That the database refuses, as an integrity error that says why, and that nothing has changed."""
    before = {table: rows(store, schema.metadata.tables[table]) for table in HISTORY}
    with (
        pytest.raises(IntegrityError, match=says),
        store.database.engine.connect() as connection,
        connection.begin(),
    ):
        connection.execute(sa.text(statement) if isinstance(statement, str) else statement)
    assert before == {table: rows(store, schema.metadata.tables[table]) for table in HISTORY}


# --- replacing ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", TASK.ends)
def test_an_upsert_cannot_change_what_has_ended(store: Store, clock: Clock, end: Any) -> None:
    id = REACH[end](store, clock).id
    insert = INSERTS[store.database.engine.dialect.name](EXECUTIONS).values(
        id=id, name="other", task_type="noop", created_by="nobody"
    )
    refused(store, insert.on_conflict_do_update(index_elements=["id"], set_={"status": "ready", "completed_at": None}))
    refused(store, insert.on_conflict_do_update(index_elements=["id"], set_={"name": "other"}))


def test_a_merge_cannot_change_what_has_ended(postgres: Store) -> None:
    id = finish(postgres)
    merge = "MERGE INTO task_executions e USING (VALUES (1)) v ON e.id = '{}' WHEN MATCHED THEN {}"
    refused(postgres, merge.format(id, "UPDATE SET name = 'other'"), "cannot be changed")
    refused(postgres, merge.format(id, "DELETE"), "only a purge on record")


@pytest.fixture(params=["OFF", "ON"])
def recursive(request: pytest.FixtureRequest, lite: Store) -> Store:
    """With and without triggers that fire on what a REPLACE deletes."""

    def set_(raw: sqlite3.Connection, _record: Any) -> None:
        raw.execute(f"PRAGMA recursive_triggers = {request.param}")

    sa.event.listen(lite.database.engine, "connect", set_)
    return lite


def test_a_replace_cannot_take_the_place_of_history(recursive: Store, clock: Clock) -> None:
    id = finish(recursive)
    pipeline = recursive.alone(pipelines.start, pipelines.NewPipeline("p", [step("a"), step("b", "a")])).pipelines[0].id
    edge = rows(recursive, schema.task_dependencies)[0]
    event = rows(recursive, EVENTS, EVENTS.c.task_execution_id == id)[0]
    started = rows(recursive, EVENTS, EVENTS.c.task_execution_id.is_(None))[0]
    run(
        recursive,
        f"INSERT INTO annotations (id, task_execution_id, actor) VALUES ('{id}', '{id}', 'ann')",
        f"INSERT INTO tool_executions (id, task_execution_id, tool_name) VALUES ('{id}', '{id}', 'grep')",
        f"INSERT INTO purge_log (id, actor, cutoff) VALUES ('{id}', 'ann', '2000-01-01T00:00:00.000000Z')",
    )
    columns = "event_type, to_status, version, actor"
    for table, values in {
        "task_executions": f"(id, name, task_type, created_by) VALUES ('{id}', 'other', 'noop', 'nobody')",
        "pipeline_executions": f"(id, name, created_by) VALUES ('{pipeline}', 'other', 'nobody')",
        "task_dependencies": f"(parent_id, child_id) VALUES ('{edge.parent_id}', '{edge.child_id}')",
        "annotations": f"(id, task_execution_id, actor) VALUES ('{id}', '{id}', 'nobody')",
        "tool_executions": f"(id, task_execution_id, tool_name) VALUES ('{id}', '{id}', 'other')",
        "purge_log": f"(id, actor, cutoff) VALUES ('{id}', 'nobody', '2000-01-01T00:00:00.000000Z')",
    }.items():
        for verb in ("INSERT OR REPLACE", "REPLACE"):
            refused(recursive, f"{verb} INTO {table} {values}", "cannot be replaced")
    for subject in (
        f"(sequence_num, task_execution_id, {columns}) VALUES ({event.sequence_num}, '{id}', 'TaskFailed', 'failed', 99, 'x')",
        f"(task_execution_id, {columns}) VALUES ('{id}', 'TaskFailed', 'failed', {event.version}, 'x')",
        f"(pipeline_execution_id, {columns}) VALUES ('{pipeline}', 'PipelineFailed', 'failed', {started.version}, 'x')",
    ):
        refused(recursive, f"INSERT OR REPLACE INTO execution_events {subject}", "cannot be replaced")


def test_a_replace_by_the_number_of_a_row_cannot_either(recursive: Store) -> None:
    """SQLite numbers rows by itself, and lets them be replaced under that number."""
    run(recursive, *inserts(ROWS))
    for table in sorted(HISTORY):
        columns = [column.name for column in schema.metadata.tables[table].c]
        key = next(iter(schema.metadata.tables[table].primary_key.columns)).name
        other = [f"'{uuid4()}'" if name == key and name != "sequence_num" else name for name in columns]
        replace = f"INSERT OR REPLACE INTO {table} (rowid, {', '.join(columns)}) SELECT rowid, {', '.join(other)} FROM {table}"
        refused(recursive, replace, "cannot be replaced")


def test_a_resolution_of_conflicts_does_not_resolve_a_refusal(recursive: Store) -> None:
    id = finish(recursive)
    for resolution in ("REPLACE", "IGNORE", "FAIL", "ROLLBACK", "ABORT"):
        refused(recursive, f"UPDATE OR {resolution} task_executions SET status = 'ready' WHERE id = '{id}'")
        refused(recursive, f"UPDATE OR {resolution} execution_events SET actor = 'nobody'")


def test_verbs_work_with_recursive_triggers_too(recursive: Store) -> None:
    """The trigger that keeps updated_at writes to its own table, and does not start itself again."""
    assert "completed" == execution(recursive, finish(recursive)).status
    run(
        recursive,
        f"INSERT INTO sessions (id, client_id) VALUES ('{uuid4()}', 'c')",
        "UPDATE sessions SET client_id = 'd'",
    )
    assert ["d"] == [session.client_id for session in rows(recursive, schema.sessions)]


# --- deleting ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", sorted(HISTORY))
def test_history_cannot_be_deleted_outside_a_purge(store: Store, table: str) -> None:
    run(store, *inserts({"purge_log"} if table == "purge_log" else ROWS.keys() - {"purge_log"}))
    refused(store, f"DELETE FROM {table}", "purge")


@pytest.mark.parametrize("state", TASK.states)
def test_no_state_makes_an_execution_deletable(store: Store, clock: Clock, state: Any) -> None:
    id = REACH[state](store, clock).id
    refused(store, f"DELETE FROM task_executions WHERE id = '{id}'", "only a purge on record deletes")


@pytest.mark.parametrize("state", [state for state in TASK.states if state not in TASK.ends])
def test_not_even_a_purge_on_record_deletes_what_lives(store: Store, clock: Clock, state: Any) -> None:
    """Everything that points to the row goes before, so that only the guard is in the way."""
    id = REACH[state](store, clock).id
    hanging = ("execution_events", "task_outbox", "pause_queue")
    statements = [
        *(f"DELETE FROM {table} WHERE task_execution_id = '{id}'" for table in hanging),
        f"DELETE FROM task_dependencies WHERE child_id = '{id}'",
        f"DELETE FROM task_executions WHERE id = '{id}'",
    ]
    with pytest.raises(DRIVERS_REFUSALS, match="only what has ended"):
        store.alone(purging, statements)
    assert state == execution(store, id).status


def purging(tx: Tx, statements: list[str]) -> None:
    """Runs these statements as a purge would."""
    tx.must_span()
    tx.session.cursor.execute(OPEN_PURGE.format(uuid4()))
    tx.session.become(PURGER)
    for statement in statements:
        tx.session.cursor.execute(statement)


@pytest.mark.parametrize("command", ["TRUNCATE {}", "TRUNCATE {} CASCADE", "TRUNCATE {} RESTART IDENTITY CASCADE"])
@pytest.mark.parametrize("table", NEVER_TRUNCATED)
def test_history_cannot_be_truncated_not_even_by_a_superuser(postgres: Store, table: str, command: str) -> None:
    run(postgres, *inserts(ROWS))
    with (
        pytest.raises(IntegrityError if "CASCADE" in command else sa.exc.DBAPIError),
        postgres.database.engine.connect() as connection,
    ):
        connection.exec_driver_sql(command.format(table))
    assert rows(postgres, schema.metadata.tables[table])


@pytest.mark.parametrize("table", ["tasks", "workflows"])
def test_truncating_the_catalogue_does_not_cascade_to_history(postgres: Store, table: str) -> None:
    run(postgres, *inserts(ROWS))
    refused(postgres, f"TRUNCATE {table} CASCADE", "cannot be truncated")


def test_a_record_of_a_purge_can_be_neither_rewritten_nor_closed_twice(store: Store) -> None:
    id = uuid4()
    run(store, f"INSERT INTO purge_log (id, actor, cutoff) VALUES ('{id}', 'ann', '2000-01-01T00:00:00.000000Z')")
    refused(store, "UPDATE purge_log SET actor = 'nobody'")
    refused(store, "UPDATE purge_log SET closed_at = opened_at, digest = '', cutoff = '2100-01-01T00:00:00.000000Z'")
    with store.begin() as tx:
        tx.session.cursor.execute(
            f"INSERT INTO purge_log (id, actor, cutoff) VALUES ('{uuid4()}', 'ann', '2001-01-01T00:00:00.000000Z')"
        )
        tx.session.cursor.execute(
            "UPDATE purge_log SET closed_at = opened_at, digest = '' WHERE cutoff >= '2001-01-01'"
        )
    refused(store, "UPDATE purge_log SET digest = 'other' WHERE closed_at IS NOT NULL")
    refused(store, "UPDATE purge_log SET closed_at = NULL, digest = NULL WHERE closed_at IS NOT NULL")


# --- rewriting ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", sorted(APPEND_ONLY))
def test_what_is_only_added_to_cannot_be_changed_in_any_column(store: Store, table: str) -> None:
    run(store, *inserts(ROWS))
    for column in schema.metadata.tables[table].c:
        if not column.identity:
            refused(store, f"UPDATE {table} SET {column.name} = {column.name}", "only ever added to")


def test_a_finished_tool_execution_is_as_final(store: Store, ended: UUID) -> None:
    tool = f"INSERT INTO tool_executions (id, task_execution_id, tool_name) VALUES ('{uuid4()}', '{ended}', 'grep')"
    run(store, tool, *(f"UPDATE tool_executions SET status = '{status}'" for status in ("running", "completed")))
    refused(store, "UPDATE tool_executions SET output = '{}'", "cannot be changed")
    refused(store, "UPDATE tool_executions SET status = 'running'")


@pytest.mark.parametrize("old", [state for state in TOOL.states if state not in TOOL.ends])
def test_a_tool_execution_moves_as_its_table_says(store: Store, ended: UUID, old: str) -> None:
    for new in TOOL.states:
        if new == old:
            continue
        id = uuid4()
        run(
            store,
            f"INSERT INTO tool_executions (id, task_execution_id, tool_name, status) VALUES ('{id}', '{ended}', 'x', '{old}')",
        )
        move = f"UPDATE tool_executions SET status = '{new}' WHERE id = '{id}'"
        if (old, new) in TOOL.pairs:
            run(store, move)
        else:
            refused(store, move)


def test_neither_id_nor_birth_of_a_live_execution_can_be_changed(store: Store, clock: Clock) -> None:
    id = REACH["ready"](store, clock).id  # type: ignore[index]  # a Status is its text
    refused(store, f"UPDATE task_executions SET id = '{uuid4()}' WHERE id = '{id}'", "keeps its id")
    early = "UPDATE task_executions SET created_at = '2000-01-01T00:00:00.000000Z'"
    refused(store, early, "time of its creation")


def test_events_of_one_execution_cannot_have_the_same_version(store: Store, ended: UUID) -> None:
    double = "INSERT INTO execution_events (task_execution_id, event_type, to_status, version, actor) VALUES"
    refused(store, f"{double} ('{ended}', 'TaskCompleted', 'completed', 5, 'nobody')")


def test_an_event_of_no_known_type_or_of_nobody_is_refused(store: Store, ended: UUID) -> None:
    insert = "INSERT INTO execution_events (task_execution_id, event_type, version, actor) VALUES ({}, '{}', {}, {})"
    for event_type in ("task_completed", "task.completed", "TASKCOMPLETED", "TaskVanished"):
        refused(store, insert.format(f"'{ended}'", event_type, 99, "'ann'"), "event_type")
    refused(store, insert.format(f"'{ended}'", "TaskCompleted", 99, "NULL"), "actor")
    refused(store, insert.format("NULL", "TaskNoted", "NULL", "'ann'"), "subject")
    refused(store, insert.format(f"'{ended}'", "TaskNoted", 99, "'ann'"), "noted")
    refused(store, insert.format(f"'{ended}'", "TaskCompleted", "NULL", "'ann'"), "noted")


def test_an_execution_has_one_doorbell_and_one_pause_entry_at_most(store: Store) -> None:
    ready = only(store.alone(executions.create, job()))
    bell = "INSERT INTO task_outbox (task_execution_id, queue) VALUES ('{}', 'default')"
    refused(store, bell.format(ready))
    paused = only(store.alone(executions.create, job()))
    store.alone(executions.pause, [paused])
    refused(store, f"INSERT INTO pause_queue (task_execution_id, reason) VALUES ('{paused}', 'manual_pause')")


def test_what_points_to_nothing_is_refused_on_every_connection(store: Store) -> None:
    for table, column in (("execution_events", "task_execution_id"), ("tool_executions", "task_execution_id")):
        more = {"execution_events": ("event_type, version, actor", "'TaskCreated', 1, 'x'")}
        names, values = more.get(table, ("id, tool_name", f"'{uuid4()}', 'x'"))
        refused(store, f"INSERT INTO {table} ({column}, {names}) VALUES ('{uuid4()}', {values})", "(?i)foreign key")


def test_a_document_is_json_and_an_object_where_it_must_be_one(store: Store) -> None:
    insert = "INSERT INTO tasks (id, name, title, task_type, config) VALUES ('{}', 'n', 't', 'x', '{}')"
    refused(store, insert.format(uuid4(), "[1]"), "config")
    refused(store, insert.format(uuid4(), '"text"'), "config")
    with pytest.raises(sa.exc.DBAPIError):  # Not an integrity error where the type itself refuses it.
        run(store, insert.format(uuid4(), "{not json"))
    run(store, f"INSERT INTO tasks (id, name, title, task_type) VALUES ('{uuid4()}', 'n', 't', 'x')")
    assert [{}] == [task.config for task in rows(store, schema.tasks)]


def test_every_document_is_checked(store: Store) -> None:
    """A document that is neither of a JSON type nor under a CHECK could hold anything."""
    native = store.database.engine.dialect.name == "postgresql"
    unchecked = [
        f"{table.name}.{column.name}"
        for table in schema.metadata.tables.values()
        for column in table.c
        if isinstance(column.type, sa.JSON)
        and not native
        and f"ck_{table.name}_{column.name}" not in {str(check.name) for check in table.constraints}
    ]
    assert [] == unchecked


def test_a_refusal_is_an_integrity_error_of_the_driver_too(store: Store, ended: UUID) -> None:
    statement = f"UPDATE task_executions SET name = 'other' WHERE id = '{ended}'"
    with store.database.engine.connect() as connection:
        raw: Any = connection.connection.driver_connection
        with pytest.raises(DRIVERS_REFUSALS, match="has ended"):
            raw.execute(statement)
    assert issubclass(psycopg.errors.RestrictViolation, psycopg.IntegrityError)


# --- updated_at --------------------------------------------------------------------------------------------------

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("status", TASK.ends)
def test_whoever_ends_an_execution_past_the_ledger_is_not_stopped_by_the_keeping_of_updated_at(
    store: Store, clock: Clock, status: str
) -> None:
    """Both triggers concern the same row: one keeps updated_at, the other lets nothing change what has ended."""
    clock.now = LONG_AGO
    source = next(old for old, new in TASK.pairs if new == status)
    id = REACH[source](store, clock).id  # type: ignore[index]  # a Status is its text
    now = "'2020-06-01T00:00:00.000000Z'"
    end = f"status = '{status}', version = version + 1, completed_at = {now}, lease = NULL, lease_expires_at = NULL"
    run(store, f"UPDATE task_executions SET {end} WHERE id = '{id}'")
    found = execution(store, id)
    assert status == found.status
    assert found.updated_at >= found.completed_at > LONG_AGO
    refused(store, f"UPDATE task_executions SET updated_at = '2101-01-01T00:00:00.000000Z' WHERE id = '{id}'")


@pytest.mark.parametrize("table", ["tasks", "workflows", "sessions", "configurations", "schedules", "relay_cursors"])
def test_updated_at_follows_a_change_once_and_may_be_set_by_hand(store: Store, table: str) -> None:
    run(store, *inserts(ROWS))
    target = schema.metadata.tables[table]
    key = next(iter(target.primary_key.columns)).name
    run(store, f"UPDATE {table} SET updated_at = '2020-01-01T00:00:00.000000Z'")
    assert [LONG_AGO] == [found.updated_at for found in rows(store, target)]
    run(store, f"UPDATE {table} SET {key} = {key}")
    (kept,) = (found.updated_at for found in rows(store, target))
    assert kept > LONG_AGO
    run(store, f"UPDATE {table} SET updated_at = '2100-01-01T00:00:00.000000Z'", f"UPDATE {table} SET {key} = {key}")
    assert [datetime(2100, 1, 1, tzinfo=UTC)] == [found.updated_at for found in rows(store, target)]


class Ticking(Clock):
    """A clock that moves on by itself, like any other, and is far behind the machine's."""

    def __call__(self) -> datetime:
        self.pass_(timedelta(milliseconds=1))
        return self.now


def test_what_a_verb_reports_of_a_row_is_what_the_row_says_afterwards(database_url: str) -> None:
    """RETURNING is read before a trigger of SQLite has written: verbs set every value themselves."""
    clock = Ticking(LONG_AGO)
    store = store_at(database_url, clock)
    for state, reach in REACH.items():
        id = reach(store, clock).id
        found = execution(store, id)
        last = rows(store, EVENTS, EVENTS.c.task_execution_id == id)[-1]
        assert (state, found.updated_at, found.version) == (state, last.created_at, last.version)
        assert found.updated_at <= clock.now
    store.database.engine.dispose()


def test_pipelines_are_kept_like_executions(store: Store, clock: Clock) -> None:
    clock.now = LONG_AGO
    id = store.alone(pipelines.start, pipelines.NewPipeline("p", [step("a")])).pipelines[0].id
    now = "'2020-06-01T00:00:00.000000Z'"
    run(
        store,
        f"UPDATE pipeline_executions SET status = 'failed', version = version + 1, unfinished = 0, completed_at = {now}"
        f" WHERE id = '{id}'",
    )
    found = row(store, schema.pipeline_executions, id)
    assert found.updated_at >= found.completed_at > LONG_AGO
    for column in ("updated_at", "completed_at", "created_at"):
        refused(store, f"UPDATE pipeline_executions SET {column} = '2101-01-01T00:00:00.000000Z'")


def test_a_refused_change_leaves_no_event(store: Store, ended: UUID) -> None:
    before = event_types(store, ended)
    refused(store, f"UPDATE task_executions SET status = 'ready' WHERE id = '{ended}'")
    assert before == event_types(store, ended)
