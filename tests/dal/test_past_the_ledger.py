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
from penstock.dal.guards import APPEND_ONLY, LIFECYCLES, NEVER_TRUNCATED
from penstock.dal.store import Store
from penstock.domain.lifecycle import TASK, TOOL
from tests.acting import Clock, begin, by_hand, event_types, execution, job, only, row, rows, run, step, store_at
from tests.databases import Databases
from tests.migrations.rows import ROWS, inserts
from tests.reaching import REACH

EXECUTIONS, EVENTS, LOG = schema.task_executions, schema.execution_events, schema.purge_log
HISTORY = {"purge_log", *LIFECYCLES, *APPEND_ONLY}
INSERTS: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
DRIVERS_REFUSALS = (psycopg.errors.RestrictViolation, sqlite3.IntegrityError)
OPEN_PURGE = "INSERT INTO purge_log (id, actor, cutoff) VALUES ('{}', 'ann', '{}')"


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


def refused(store: Store, statement: Any, says: str = ".", *, as_a_function: bool = True) -> None:
    """That the database refuses, as an integrity error that says why, and that nothing has changed.

    On PostgreSQL the statement passes for one of a function, so that it meets what is behind the first refusal.
    """
    before = {table: rows(store, schema.metadata.tables[table]) for table in HISTORY}
    with by_hand(store) as connection:
        if not as_a_function and knows_functions(store):
            connection.exec_driver_sql("SET row_security = on")
        with pytest.raises(IntegrityError, match=says):
            connection.execute(sa.text(statement) if isinstance(statement, str) else statement)
    assert before == {table: rows(store, schema.metadata.tables[table]) for table in HISTORY}


def knows_functions(store: Store) -> bool:
    return store.database.engine.dialect.name == "postgresql"


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
        columns = [column.name for column in schema.metadata.tables[table].c if not column.computed]
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
    with pytest.raises(IntegrityError, match="only what ended before its cutoff"):
        purge(store, clock.now + timedelta(days=1), *whole(id))
    assert state == execution(store, id).status


@pytest.mark.parametrize("state", TASK.ends)
def test_a_purge_on_record_deletes_what_ended_before_its_cutoff_and_nothing_younger(
    store: Store, clock: Clock, state: Any
) -> None:
    id = REACH[state](store, clock).id
    ended_at = execution(store, id).completed_at
    with pytest.raises(IntegrityError, match="only what ended before its cutoff"):
        purge(store, ended_at, *whole(id))
    assert state == execution(store, id).status
    purge(store, ended_at + timedelta(microseconds=1), *whole(id))
    assert [] == rows(store, EXECUTIONS, EXECUTIONS.c.id == id)


def test_a_purge_on_record_deletes_a_pipeline_that_ended_before_its_cutoff_and_no_younger_one(
    store: Store, clock: Clock
) -> None:
    id = store.alone(pipelines.start, pipelines.NewPipeline("p", [step("a")])).pipelines[0].id
    alone = f"DELETE FROM pipeline_executions WHERE id = '{id}'"
    (task,) = rows(store, EXECUTIONS)
    with pytest.raises(IntegrityError, match="only what ended before its cutoff"):
        purge(store, clock.now + timedelta(days=1), alone)
    store.alone(pipelines.cancel, [id])
    ended_at = row(store, schema.pipeline_executions, id).completed_at
    events = f"DELETE FROM execution_events WHERE pipeline_execution_id = '{id}'"
    with pytest.raises(IntegrityError, match="only what ended before its cutoff"):
        purge(store, ended_at, events, *whole(task.id), alone)
    purge(store, ended_at + timedelta(microseconds=1), events, *whole(task.id), alone)
    assert [] == rows(store, schema.pipeline_executions)


def test_a_purge_that_is_closed_lets_nothing_more_go(store: Store, ended: UUID) -> None:
    late = execution(store, ended).completed_at + timedelta(days=1)
    closing = "UPDATE purge_log SET closed_at = opened_at, digest = '' WHERE closed_at IS NULL"
    with pytest.raises(IntegrityError, match="purge on record"):
        purge(store, late, closing, *whole(ended))
    assert "completed" == execution(store, ended).status


def test_a_purge_of_another_transaction_lets_nothing_go(postgres: Store) -> None:
    id = finish(postgres)
    run(postgres, OPEN_PURGE.format(uuid4(), "2199-01-01"))
    for statement in whole(id):
        if "execution_events" in statement or "task_executions" in statement:
            refused(postgres, statement, "purge on record")


def test_a_table_that_is_called_like_the_record_of_purges_is_not_believed(postgres: Store) -> None:
    """The guard names the schema, and its search path is its own."""
    id = finish(postgres)
    forged = (
        "CREATE TEMP TABLE purge_log AS SELECT now() + interval '200 years' AS cutoff, NULL::timestamptz AS closed_at"
    )
    statements = [
        f"{forged}, pg_current_xact_id() AS transaction_id",
        "SET LOCAL search_path = pg_temp, penstock",
        *whole(id),
    ]
    with pytest.raises(IntegrityError, match="purge on record"):
        together(postgres, *statements)
    assert "completed" == execution(postgres, id).status


def whole(id: UUID) -> list[str]:
    """Deletes an execution with all that hangs on it, leaves first."""
    hanging = ("execution_events", "task_outbox", "pause_queue")
    return [
        *(f"DELETE FROM {table} WHERE task_execution_id = '{id}'" for table in hanging),
        f"DELETE FROM task_dependencies WHERE child_id = '{id}'",
        f"DELETE FROM task_executions WHERE id = '{id}'",
    ]


def purge(store: Store, cutoff: datetime, *statements: str) -> None:
    """Runs these statements in one transaction, under an open record."""
    instant = cutoff.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    together(store, OPEN_PURGE.format(uuid4(), instant), *statements)


def together(store: Store, *statements: str) -> None:
    """Runs these statements as one transaction."""
    with by_hand(store) as connection:
        connection.exec_driver_sql("BEGIN")
        try:
            for statement in statements:
                connection.exec_driver_sql(statement)
        except BaseException:
            connection.exec_driver_sql("ROLLBACK")
            raise
        connection.exec_driver_sql("COMMIT")


@pytest.mark.parametrize("command", ["TRUNCATE {}", "TRUNCATE {} CASCADE", "TRUNCATE {} RESTART IDENTITY CASCADE"])
@pytest.mark.parametrize("table", NEVER_TRUNCATED)
def test_history_cannot_be_truncated_not_even_by_a_superuser(postgres: Store, table: str, command: str) -> None:
    run(postgres, *inserts(ROWS))
    with (
        pytest.raises(IntegrityError if "CASCADE" in command else sa.exc.DBAPIError),
        by_hand(postgres) as connection,
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
    closing = "UPDATE purge_log SET closed_at = opened_at, digest = '' WHERE cutoff >= '2001-01-01'"
    purge(store, datetime(2001, 1, 1, tzinfo=UTC), closing)
    refused(store, "UPDATE purge_log SET digest = 'other' WHERE closed_at IS NOT NULL")
    refused(store, "UPDATE purge_log SET closed_at = NULL, digest = NULL WHERE closed_at IS NOT NULL")


# --- rewriting ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", sorted(APPEND_ONLY))
def test_what_is_only_added_to_cannot_be_changed_in_any_column(store: Store, table: str) -> None:
    run(store, *inserts(ROWS))
    for column in schema.metadata.tables[table].c:
        if not column.identity and not column.computed:
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


EVENT = (
    "INSERT INTO execution_events (task_execution_id, pipeline_execution_id, event_type, version, event_data, actor)"
    " VALUES ({task}, {pipeline}, '{type}', {version}, '{data}', 'ann')"
)
NOTED = {"task": "NULL", "pipeline": "NULL", "type": "TaskNoted", "version": "NULL", "data": "{}"}
BELL = "INSERT INTO task_outbox (task_execution_id, queue, priority, available_at, ring_at) VALUES ({}, 'q', {}, '{}', '{}')"
EARLY, LATE = "2100-01-01T00:00:00.000000Z", "2100-01-02T00:00:00.000000Z"
NOTHING = "'00000000-0000-7000-8000-00000000ffff'"
# By the rule that each of them breaks.
UNFIT = {
    "ck_execution_events_event_data": [EVENT.format(**{**NOTED, "task": "{id}", "data": "[1]"})],
    "ck_execution_events_event_type": [
        EVENT.format(**{**NOTED, "task": "{id}", "type": unknown, "version": 99})
        for unknown in ("task_completed", "task.completed", "TASKCOMPLETED", "TaskVanished")
    ],
    "ck_execution_events_noted": [
        EVENT.format(**{**NOTED, "task": "{id}", "version": 99}),
        EVENT.format(**{**NOTED, "task": "{id}", "type": "TaskCompleted"}),
    ],
    "ck_execution_events_subject": [EVENT.format(**NOTED)],
    "fk_execution_events_pipeline_execution_id": [EVENT.format(**{**NOTED, "pipeline": NOTHING})],
    "fk_execution_events_task_execution_id": [EVENT.format(**{**NOTED, "task": NOTHING})],
    "ck_task_outbox_priority": [BELL.format("{id}", 0, EARLY, EARLY), BELL.format("{id}", 6, EARLY, EARLY)],
    "ck_task_outbox_ring_at": [BELL.format("{id}", 3, LATE, EARLY)],
    "fk_task_outbox_task_execution_id": [BELL.format(NOTHING, 3, EARLY, EARLY)],
}


@pytest.mark.parametrize("broken", UNFIT)
def test_what_breaks_a_rule_of_a_table_that_functions_write_is_refused(store: Store, ended: UUID, broken: str) -> None:
    """By that rule in a file. On a server, where it would be looked up for each row, because no function writes it."""
    says = "written by the functions" if knows_functions(store) else broken.replace("fk_", "foreign key|")
    for statement in UNFIT[broken]:
        refused(store, statement.replace("{id}", f"'{ended}'"), f"(?i){says}", as_a_function=False)


def test_every_rule_that_only_functions_keep_on_a_server_is_broken_here() -> None:
    tables = [schema.metadata.tables[name] for name in schema.WRITTEN_BY_FUNCTIONS]
    rules = (sa.CheckConstraint, sa.ForeignKeyConstraint)
    assert set(UNFIT) == {str(each.name) for table in tables for each in table.constraints if isinstance(each, rules)}


def test_an_event_of_nobody_is_refused(store: Store, ended: UUID) -> None:
    nobody = EVENT.format(**{**NOTED, "task": f"'{ended}'"}).replace("'ann'", "NULL")
    refused(store, nobody, "actor")


# What no execution may say, whoever writes it, by the rule that it breaks.
UNRULY: dict[str, list[dict[str, str]]] = {
    "attempt": [{"attempt": "0"}, {"attempt": "4", "max_attempts": "3"}],
    "config": [{"config": "'[1]'"}],
    "deferred": [{"status": "'deferred'"}],
    "ended": [
        {"completed_at": f"'{EARLY}'"},
        *({"status": f"'{status}'"} for status in TASK.ends),
        {"status": "'ready'", "completed_at": f"'{EARLY}'"},
    ],
    "expires": [
        {"lease_expires_at": f"'{EARLY}'"},
        *({"status": f"'{status}'", "lease": NOTHING} for status in TASK.held),
    ],
    "held": [
        {"lease": NOTHING, "lease_expires_at": f"'{EARLY}'"},
        *({"status": f"'{status}'"} for status in TASK.held),
    ],
    "outcome": [{"outcome": "'[1]'"}],
    "priority": [{"priority": "0"}, {"priority": "6"}],
    "ready": [
        {"status": "'ready'", "waiting_on": "1", "pipeline_execution_id": "{pipeline}"},
        {"status": "'ready'", "requires_approval": "true"},
    ],
    "retry": [{"retry": "'[1]'"}],
    "status": [{"status": "'lost'"}, {"status": "'READY'"}],
    "timeout_seconds": [{"timeout_seconds": "0"}, {"timeout_seconds": "86401"}],
    "trigger_rule": [{"trigger_rule": "'sometimes'"}],
    "waiting_on": [{"waiting_on": "-1"}, {"waiting_on": "1"}],
}


@pytest.mark.parametrize("broken", UNRULY)
def test_an_execution_that_breaks_a_rule_is_refused_whoever_writes_it(store: Store, broken: str) -> None:
    """On a server the guard keeps the rules that are CHECKs in a file: for a function too, had it a mistake."""
    pending = "INSERT INTO task_executions (id, name, task_type, created_by{}) VALUES ('{}', 'n', 't', 'ann'{})"
    pipeline = store.alone(pipelines.start, pipelines.NewPipeline("p", [step("a")])).pipelines[0].id
    id = uuid4()
    run(store, pending.format("", id, ""))
    for unruly in UNRULY[broken]:
        values = {name: value.replace("{pipeline}", f"'{pipeline}'") for name, value in unruly.items()}
        names, given = (", ".join(["", *each]) for each in (values, values.values()))
        insert = pending.format(names, uuid4(), given)
        refused(store, insert, f"ck_task_executions_{broken}")
        if knows_functions(store):
            refused(store, insert, "written by the functions", as_a_function=False)
        changes = ", ".join(f"{name} = {value}" for name, value in values.items())
        update = f"UPDATE task_executions SET {changes}, version = version + 1 WHERE id = '{id}'"
        # In a file the trigger that knows the legal moves may come first.
        refused(store, update, f"ck_task_executions_{broken}" if knows_functions(store) else ".")


def test_every_rule_of_an_execution_is_broken_here() -> None:
    assert {f"ck_task_executions_{rule}" for rule in UNRULY} == set(schema.RULES["task_executions"])


def test_an_execution_has_one_doorbell_and_one_pause_entry_at_most(store: Store) -> None:
    ready = only(store.alone(executions.create, job()))
    bell = "INSERT INTO task_outbox (task_execution_id, queue) VALUES ('{}', 'default')"
    refused(store, bell.format(ready))
    paused = only(store.alone(executions.create, job()))
    store.alone(executions.pause, [paused])
    refused(store, f"INSERT INTO pause_queue (task_execution_id, reason) VALUES ('{paused}', 'manual_pause')")


def test_what_points_to_nothing_is_refused_on_every_connection(store: Store) -> None:
    """Events and doorbells are tried above: on a server they have no foreign keys."""
    for table, names, values in (
        ("tool_executions", "id, task_execution_id, tool_name", f"'{uuid4()}', '{uuid4()}', 'x'"),
        ("pause_queue", "task_execution_id, reason", f"'{uuid4()}', 'manual_pause'"),
        ("annotations", "id, task_execution_id, actor", f"'{uuid4()}', '{uuid4()}', 'x'"),
        ("task_executions", "id, task_id, name, task_type, created_by", f"'{uuid4()}', '{uuid4()}', 'n', 't', 'x'"),
    ):
        refused(store, f"INSERT INTO {table} ({names}) VALUES ({values})", "(?i)foreign key")


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
    with by_hand(store) as connection:
        raw: Any = connection.connection.driver_connection
        with pytest.raises(DRIVERS_REFUSALS, match="has ended"):
            raw.execute(statement)
    assert issubclass(psycopg.errors.RestrictViolation, psycopg.IntegrityError)


# --- the catalogue and the settings ------------------------------------------------------------------------------

NEW_WORKFLOW = "INSERT INTO workflows (id, name, version, definition, status) VALUES ('{}', 'w', {}, '{{}}', '{}')"
PUBLISHED = ("active", "paused", "archived")


@pytest.mark.parametrize("status", PUBLISHED)
def test_a_workflow_that_has_been_active_is_neither_deleted_nor_rewritten(store: Store, status: str) -> None:
    run(store, NEW_WORKFLOW.format(uuid4(), 1, status))
    before = rows(store, schema.workflows)
    refused(store, "DELETE FROM workflows", "only a draft can be deleted")
    for change in ("name = 'other'", "version = 2", """definition = '{"steps": []}'"""):
        refused(store, f"UPDATE workflows SET {change}", "keeps its name, version and definition")
    refused(store, "UPDATE workflows SET status = 'draft'", "draft again")
    assert before == rows(store, schema.workflows)
    run(store, *(f"UPDATE workflows SET status = '{other}', description = 'd'" for other in PUBLISHED))


def test_a_draft_of_a_workflow_may_be_rewritten_and_deleted(store: Store) -> None:
    run(store, NEW_WORKFLOW.format(uuid4(), 1, "draft"))
    run(store, """UPDATE workflows SET name = 'other', version = 2, definition = '{"steps": []}'""")
    assert [("other", 2)] == [(found.name, found.version) for found in rows(store, schema.workflows)]
    run(store, "DELETE FROM workflows")
    assert [] == rows(store, schema.workflows)


def test_the_versions_of_a_workflow_begin_at_one(store: Store) -> None:
    refused(store, NEW_WORKFLOW.format(uuid4(), 0, "draft"), "version")


def test_a_replace_cannot_take_the_place_of_an_active_workflow(recursive: Store) -> None:
    id = uuid4()
    run(recursive, NEW_WORKFLOW.format(id, 1, "active"), NEW_WORKFLOW.format(uuid4(), 2, "draft"))
    replace = NEW_WORKFLOW.replace("INSERT", "REPLACE")
    for taken, version in ((id, 3), (uuid4(), 1)):
        refused(recursive, replace.format(taken, version, "draft"), "only a draft can be replaced")
    run(recursive, replace.format(uuid4(), 2, "draft"))


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("string", ("", "1.5", "{not json")),
        ("integer", ("0", "-7", "12345678901234567890123")),
        ("float", ("0", "1.5", "-2e10", "3.25E-7")),
        ("boolean", ("true", "false")),
        ("json", ("null", "1", '"text"', '{"a": [1, 2]}')),
    ],
)
def test_a_setting_may_have_any_value_of_its_kind(store: Store, kind: str, values: tuple[str, ...]) -> None:
    run(store, *(SET.format(number, value, kind) for number, value in enumerate(values)))
    assert list(values) == [found.value for found in rows(store, schema.configurations)]


SET = "INSERT INTO configurations (key, value, value_type) VALUES ('{}', '{}', '{}')"


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("integer", ("", "x", "1.5", "1e3", "+1", " 1", "1 ", "1\n", "0x10", "007", "[1]", "\u0661")),
        ("float", ("", "x", "1.", ".5", "NaN", "Infinity", " 1.5", "1,5", "1e", "[1.5]", "1.5\n")),
        ("boolean", ("", "1", "TRUE", "yes", "null", " true")),
        ("json", ("", "x", "{", "{a: 1}", "[1,]", "NaN")),
        ("number", ("1",)),
    ],
)
def test_a_setting_has_a_value_of_its_kind(store: Store, kind: str, values: tuple[str, ...]) -> None:
    run(store, SET.format("k", "text", "string"))
    for value in values:
        refused(store, SET.format("other", value, kind), "configurations")
        refused(store, f"UPDATE configurations SET value = '{value}', value_type = '{kind}'", "configurations")


def test_a_setting_that_is_refused_is_not_repeated(postgres: Store) -> None:
    with pytest.raises(IntegrityError) as refusal:
        run(postgres, "INSERT INTO configurations (key, value, value_type) VALUES ('k', chr(123) || 's3cret', 'json')")
    assert "s3cret" not in str(refusal.value.orig)


@pytest.mark.parametrize(
    ("table", "column"),
    [
        (table.name, column.name)
        for table in schema.metadata.sorted_tables
        for column in table.c
        if isinstance(column.type, sa.Boolean)
    ],
)
def test_what_is_true_or_false_is_nothing_else(lite: Store, table: str, column: str) -> None:
    run(lite, *inserts(ROWS))
    for value in ("2", "-1", "'true'", "0.5"):
        refused(lite, f"UPDATE {table} SET {column} = {value}", f"ck_{table}_{column}")


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
