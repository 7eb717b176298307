"""On PostgreSQL, what a login may do. Whoever it is, unless it owns the tables, it writes none: it calls functions."""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import uuid4

import psycopg
import pytest
import sqlalchemy as sa

from penstock.dal import executions, pipelines, retention, schema
from penstock.dal.dialect import open_database
from penstock.dal.ledger.functions import FILES
from penstock.dal.store import Store
from penstock.dal.views import health
from tests.acting import MINUTE, Clock, event_types, execution, job, only, rows, step
from tests.dal.places import LOGINS, Place

TABLES = (*schema.metadata.tables, "alembic_version")
DENIED = psycopg.errors.InsufficientPrivilege


def everything(store: Store) -> dict[str, list[Any]]:
    """Every row that matters, to see that nothing has changed."""
    return {name: rows(store, table) for name, table in schema.metadata.tables.items()}


# --- tables ------------------------------------------------------------------------------------------------------


def writes(table: str, column: str) -> list[str]:
    """Each way to write a table."""
    return [
        f"INSERT INTO penstock.{table} DEFAULT VALUES",
        f"INSERT INTO penstock.{table} DEFAULT VALUES ON CONFLICT DO NOTHING",
        f"UPDATE penstock.{table} SET {column} = {column}",
        f"DELETE FROM penstock.{table}",
        f"TRUNCATE penstock.{table} CASCADE",
        f"COPY penstock.{table} FROM STDIN",
        f"MERGE INTO penstock.{table} USING (SELECT 1) AS x ON false WHEN NOT MATCHED THEN INSERT DEFAULT VALUES",
        f"MERGE INTO penstock.{table} USING (SELECT 1) AS x ON true WHEN MATCHED THEN DELETE",
    ]


def first_column(table: str) -> str:
    """The first column that could be written at all."""
    described = schema.metadata.tables.get(table)
    if described is None:
        return "version_num"
    return next(column.name for column in described.c if not column.identity and not column.computed)


@pytest.mark.parametrize("who", LOGINS)
def test_no_login_writes_any_table_in_any_way(place: Place, who: str) -> None:
    before = everything(place.owner)
    with place.connect(who) as session:
        for table in TABLES:
            for statement in writes(table, first_column(table)):
                with pytest.raises(DENIED):
                    session.execute(statement.encode())
    assert before == everything(place.owner)


@pytest.mark.parametrize("who", LOGINS)
def test_no_login_moves_a_sequence(place: Place, who: str) -> None:
    with place.owner.database.engine.connect() as owner:
        sequences = owner.exec_driver_sql(
            "SELECT relname FROM pg_class WHERE relkind = 'S' AND relnamespace = 'penstock'::regnamespace"
        ).scalars()
        names = list(sequences)
    assert names
    with place.connect(who) as session:
        for name in names:
            for call in ("nextval('penstock.{}')", "setval('penstock.{}', 1)"):
                with pytest.raises(DENIED):
                    session.execute(f"SELECT {call.format(name)}".encode())


@pytest.mark.parametrize("who", LOGINS)
def test_tables_are_read_by_the_reader_alone(place: Place, who: str) -> None:
    with place.connect(who) as session:
        for table in (*TABLES, "task_overview"):
            if "penstock_reader" in LOGINS[who]:
                session.execute(f"SELECT * FROM penstock.{table}".encode())
            else:
                with pytest.raises(DENIED):
                    session.execute(f"SELECT * FROM penstock.{table}".encode())


# --- functions ---------------------------------------------------------------------------------------------------

FUNCTIONS = """
    SELECT p.oid::regprocedure::text, has_function_privilege(%s, p.oid, 'EXECUTE')
    FROM pg_proc p WHERE p.pronamespace = 'penstock'::regnamespace AND p.prorettype <> 'trigger'::regtype
"""
INTERNAL = {
    "check_payload", "check_range", "end_pipelines", "failure_of", "follow", "results_of", "resume_locked", "ring_at",
    "settled_before", "started_before",
}  # fmt: skip


def plain(signature: str) -> str:
    """The name of a function alone."""
    return signature.removeprefix("penstock.").partition("(")[0].strip('"')


def may_call(place: Place, who: str) -> set[str]:
    with place.owner.database.engine.connect() as owner:
        found = owner.exec_driver_sql(FUNCTIONS, (place.logins[who],)).all()
    return {plain(name) for name, allowed in found if allowed}


def test_each_function_is_granted_to_a_role_or_called_by_functions_only(place: Place) -> None:
    with place.owner.database.engine.connect() as owner:
        found = owner.exec_driver_sql(FUNCTIONS, (place.logins["nobody"],)).all()
    every = {plain(name) for name, _ in found}
    assert every == may_call(place, "all roles") | INTERNAL
    assert set() == may_call(place, "nobody")


@pytest.mark.parametrize(
    ("who", "may", "may_not"),
    [
        ("client", {"enqueue", "create", "start_pipelines", "cancel"}, {"claim", "settle", "approve", "delete_older_than"}),
        ("worker", {"claim", "begin", "start", "settle", "release", "heartbeat"}, {"create", "approve", "delete_older_than"}),
        ("operator", {"approve", "reject", "pause", "resume", "skip", "reset", "cancel"}, {"claim", "settle"}),
        ("purger", {"delete_older_than", "forget_keys"}, {"create", "claim", "settle", "cancel"}),
        ("reader", {"now"}, {"create", "claim", "settle", "cancel", "delete_older_than"}),
    ],
)  # fmt: skip
def test_a_role_calls_what_it_is_for(place: Place, who: str, may: set[str], may_not: set[str]) -> None:
    allowed = may_call(place, who)
    assert set() == may - allowed
    assert set() == may_not & allowed


def test_the_client_the_worker_and_the_purger_do_their_work(place: Place, clock: Clock) -> None:
    with place.store("client", clock) as client:
        id = only(client.alone(executions.create, job()))
    with place.store("worker", clock) as worker:
        (held,) = worker.alone(executions.begin_next, queue="default", limit=10, worker="worker")
        worker.alone(executions.complete, held)
    assert "completed" == execution(place.owner, id).status
    clock.pass_(MINUTE)
    with place.store("purger", clock) as purger:
        assert 2 == purger.alone(retention.delete_older_than, clock.now, 10).task_executions


def test_an_event_names_the_login_that_wrote_it(place: Place, clock: Clock) -> None:
    with place.store("client", clock) as client:
        id = only(client.alone(executions.create, job()))
    events = schema.execution_events
    logins = {event.login for event in rows(place.owner, events, events.c.task_execution_id == id)}
    assert {place.logins["client"]} == logins


def test_a_moment_on_record_is_the_server_s(place: Place, clock: Clock) -> None:
    """A worker whose clock is ahead neither stretches its lease nor dates what it does."""
    ahead = Clock(clock.now + 1_000 * MINUTE)
    with place.store("all roles", clock) as store:
        wrong = Store(store.database, "wrong", ahead, store.new_id, store.chance)
        id = only(wrong.alone(executions.create, job()))
        (held,) = wrong.alone(executions.begin, [id], worker="worker")
        kept = wrong.alone(executions.heartbeat, [held], hold_for=MINUTE)
    assert clock.now == execution(place.owner, id).created_at
    assert kept[id] < ahead.now


# --- ways around -------------------------------------------------------------------------------------------------

ATTACKS: Mapping[str, list[str]] = {
    "H4 forge an event": [
        (
            "INSERT INTO penstock.execution_events (task_execution_id, event_type, to_status, version, actor, created_at)"
            " VALUES ('{done}', 'TaskFailed', 'failed', 99, 'ceo', '2001-01-01')"
        )
    ],
    "H4 insert a whole completed job": [
        (
            "INSERT INTO penstock.task_executions (id, name, task_type, status, completed_at, created_by, approved_by)"
            " VALUES (gen_random_uuid(), 'n', 't', 'completed', '2001-01-01', 'ceo', 'ceo')"
        )
    ],
    "H4 backdate an end": ["UPDATE penstock.task_executions SET completed_at = '2001-01-01'"],
    "H4 add an edge to ended work": [
        "INSERT INTO penstock.task_dependencies (parent_id, child_id) VALUES (gen_random_uuid(), '{done}')"
    ],
    "H4 drop a legal hold": ["DELETE FROM penstock.holds"],
    "H3 open a purge and delete": [
        "INSERT INTO penstock.purge_log (id, actor, cutoff) VALUES (gen_random_uuid(), 'm', '2100-01-01')",
        "DELETE FROM penstock.execution_events",
    ],
    "H3 forge a purge record": [
        (
            "INSERT INTO penstock.purge_log (id, actor, cutoff, closed_at, digest)"
            " VALUES (gen_random_uuid(), 'm', '2001-01-01', now(), 'd')"
        )
    ],
    "disable the triggers": ["ALTER TABLE penstock.task_executions DISABLE TRIGGER ALL"],
    "drop a trigger": ["DROP TRIGGER task_executions_guard ON penstock.task_executions"],
    "drop a table": ["DROP TABLE penstock.execution_events"],
    "replay without triggers": ["SET session_replication_role = replica"],
    "become the owner": ["SET ROLE postgres"],
    "replace a guard": [
        "CREATE OR REPLACE FUNCTION penstock.append_only() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END'"
    ],
    "replace the clock": [
        "CREATE OR REPLACE FUNCTION penstock.now() RETURNS timestamptz LANGUAGE sql AS 'SELECT ''2001-01-01''::timestamptz'"
    ],
    "replace a verb": ["ALTER FUNCTION penstock.settle(jsonb, text, interval) SECURITY INVOKER"],
    "create in the schema": ["CREATE TABLE penstock.mine (id integer)"],
    "call what is internal": ["SELECT * FROM penstock.end_pipelines('{{}}', 'm', now())"],
    "add a rule": ["CREATE RULE mine AS ON UPDATE TO penstock.task_executions DO INSTEAD NOTHING"],
    "grant oneself": [
        "GRANT ALL ON penstock.task_executions TO CURRENT_USER",  # PostgreSQL warns, and grants nothing
        "UPDATE penstock.task_executions SET outcome = NULL",
    ],
}


def attempt(session: psycopg.Connection[Any], statements: Iterable[str]) -> None:
    for statement in statements:
        session.execute(statement.encode())


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_login_with_every_role_cannot_rewrite_history(place: Place, attack: str) -> None:
    before = everything(place.owner)
    with place.connect("all roles") as session, pytest.raises(DENIED):
        attempt(session, [statement.format(done=place.done) for statement in ATTACKS[attack]])
    assert before == everything(place.owner)


HOSTILE = """
    CREATE SCHEMA hostile;
    CREATE FUNCTION hostile.always(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT true';
    CREATE FUNCTION hostile.never(uuid, uuid) RETURNS boolean LANGUAGE sql AS 'SELECT false';
    CREATE OPERATOR hostile.= (LEFTARG = text, RIGHTARG = text, FUNCTION = hostile.always);
    CREATE OPERATOR hostile.= (LEFTARG = uuid, RIGHTARG = uuid, FUNCTION = hostile.never);
    CREATE FUNCTION hostile.format(text, text) RETURNS text LANGUAGE sql AS 'SELECT ''other''';
    CREATE FUNCTION hostile.now() RETURNS timestamptz LANGUAGE sql AS 'SELECT ''2001-01-01''::timestamptz';
    CREATE FUNCTION hostile.greatest(timestamptz, timestamptz) RETURNS timestamptz LANGUAGE sql AS 'SELECT $1';
    CREATE TABLE hostile.purge_log (closed_at timestamptz, transaction_id xid8, cutoff timestamptz);
    INSERT INTO hostile.purge_log VALUES (NULL, pg_current_xact_id(), 'infinity');
"""


def test_h5_operators_and_tables_of_one_s_own_mislead_no_function(place: Place, clock: Clock) -> None:
    with place.owner.database.engine.connect() as owner:
        name = sa.make_url(place.url).database
        owner.exec_driver_sql(f"GRANT CREATE ON DATABASE {name} TO {place.logins['all roles']}")
    before = everything(place.owner)
    with place.connect("all roles") as session:
        session.execute(HOSTILE.encode())
        session.execute(
            "CREATE TEMP TABLE task_executions (LIKE penstock.task_executions); CREATE TEMP TABLE purge_log (id uuid)"
        )
        session.execute("SET search_path = hostile, pg_temp, pg_catalog")
        again = f'[{{"id": "{place.done}", "lease": "{uuid4()}", "verb": "fail"}}]'
        assert [] == session.execute("SELECT id FROM penstock.settle(%s::jsonb, 'm')", [again]).fetchall()
        assert [] == session.execute(f"SELECT id FROM penstock.cancel('{{{place.done}}}', 'm')".encode()).fetchall()
        created = session.execute("SELECT penstock.uuid7()").fetchone()
        assert created
        one = f'[{{"id": "{created[0]}", "name": "n", "task_type": "t"}}]'
        session.execute("SELECT id FROM penstock.create(%s::jsonb, 'm')", [one])
    after = everything(place.owner)
    assert before["execution_events"] == after["execution_events"][: len(before["execution_events"])]
    assert clock.now == execution(place.owner, created[0]).created_at


# --- the owner ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("as_a_function", [False, True])
def test_the_guards_are_the_last_judge_over_the_owner(place: Place, *, as_a_function: bool) -> None:
    """Also where the owner passes for a function."""
    before = everything(place.owner)
    for statement in (
        f"UPDATE penstock.task_executions SET outcome = '{{}}' WHERE id = '{place.done}'",
        f"UPDATE penstock.task_executions SET status = 'ready', completed_at = NULL WHERE id = '{place.done}'",
        "UPDATE penstock.execution_events SET actor = 'nobody'",
        "DELETE FROM penstock.execution_events",
        "DELETE FROM penstock.task_executions",
        "TRUNCATE penstock.execution_events",
    ):
        with psycopg.connect(place.url.replace("+psycopg", "")) as session:
            session.execute(f"SET row_security = {'off' if as_a_function else 'on'}".encode())
            with pytest.raises(psycopg.errors.RestrictViolation) as refusal:
                session.execute(statement.encode())
        by_guard = as_a_function or statement.startswith("TRUNCATE")
        assert by_guard == ("by the functions" not in str(refusal.value)), statement
    assert before == everything(place.owner)


@pytest.mark.parametrize(
    "statement",
    [
        (
            "INSERT INTO penstock.task_executions (id, name, task_type, status, created_by)"
            " VALUES (gen_random_uuid(), 'n', 't', 'ready', 'me')"
        ),
        (
            "INSERT INTO penstock.execution_events (task_execution_id, event_type, to_status, version, actor)"
            " VALUES ('{done}', 'TaskFailed', 'failed', 6, 'me')"
        ),
        "INSERT INTO penstock.task_outbox (task_execution_id, queue) VALUES ('{done}', 'default')",
        "INSERT INTO penstock.task_dependencies (parent_id, child_id) VALUES ('{done}', '{done}')",
        "INSERT INTO penstock.tool_executions (id, task_execution_id, tool_name) VALUES (gen_random_uuid(), '{done}', 'grep')",
    ],
)
def test_what_the_owner_inserts_past_the_functions_is_refused(place: Place, statement: str) -> None:
    with psycopg.connect(place.url.replace("+psycopg", "")) as session, pytest.raises(psycopg.errors.RestrictViolation):
        session.execute(statement.format(done=place.done).encode())


# --- health ------------------------------------------------------------------------------------------------------

WEAKENED: Mapping[str, str] = {
    "a guard is disabled": "ALTER TABLE penstock.execution_events DISABLE TRIGGER execution_events_guard",
    "a guard is gone": "DROP TRIGGER task_executions_guard ON penstock.task_executions",
    "a login may write a table": "GRANT UPDATE ON penstock.task_executions TO {login}",
    "a login may write a column": "GRANT UPDATE (outcome) ON penstock.task_executions TO {login}",
    "a login may create in the schema": "GRANT CREATE ON SCHEMA penstock TO {login}",
    "a function is another one": "CREATE OR REPLACE FUNCTION penstock.ring_at(available_at timestamptz, moment timestamptz,"
    " ring_grace interval) RETURNS timestamptz LANGUAGE sql IMMUTABLE AS 'SELECT available_at'",
    "a guard is another one": "CREATE OR REPLACE FUNCTION penstock.append_only() RETURNS trigger LANGUAGE plpgsql"
    " AS 'BEGIN RETURN OLD; END'",
    "a function runs as its caller": "ALTER FUNCTION penstock.settle(jsonb, text, interval) SECURITY INVOKER",
    "a function has lost its search path": "ALTER FUNCTION penstock.settle(jsonb, text, interval) RESET search_path",
}  # fmt: skip


@pytest.fixture
def pristine(place: Place) -> Place:
    """With the clock as it is installed: another one is another function, and health says so."""
    text = (FILES / "now.sql").read_text()
    with psycopg.connect(place.url.replace("+psycopg", ""), autocommit=True) as owner:
        owner.execute(text.encode())
    return place


def protected(place: Place, who: str, clock: Clock) -> bool:
    own = sa.make_url(place.url).set(username=place.logins[who]).render_as_string(hide_password=False)
    store = Store(open_database(own), "m", clock, place.owner.new_id, place.owner.chance)
    with store.read() as tx:
        answer = health.history_protected(tx)
    store.database.engine.dispose()
    return answer


def test_health_says_protected_where_it_is(pristine: Place, clock: Clock) -> None:
    assert protected(pristine, "reader", clock)
    assert protected(pristine, "all roles", clock)


@pytest.mark.parametrize("weakness", WEAKENED)
def test_health_says_unprotected_where_it_is_not(pristine: Place, clock: Clock, weakness: str) -> None:
    statement = WEAKENED[weakness].format(login=pristine.logins["all roles"])
    with psycopg.connect(pristine.url.replace("+psycopg", ""), autocommit=True) as owner:
        owner.execute(statement.encode())
    assert not protected(pristine, "all roles", clock)


def test_the_owner_of_the_tables_is_not_protected_from_himself(pristine: Place) -> None:
    with pristine.owner.read() as tx:
        assert not health.history_protected(tx)


def test_pipelines_too_are_written_by_functions_only(place: Place, clock: Clock) -> None:
    with place.store("client", clock) as client:
        started = client.alone(pipelines.start, pipelines.NewPipeline("p", [step("a"), step("b", "a")]))
    assert ["TaskCreated"] == event_types(place.owner, started.moved[1].id)
