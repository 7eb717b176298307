"""On PostgreSQL, what a login may do: the functions' own cannot get past the guards, and only the purge's role purges."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
import sqlalchemy as sa

from penstock.dal import executions, retention, schema
from penstock.dal.guards import PURGER
from penstock.dal.store import Store
from tests import servers
from tests.acting import MINUTE, Clock, begin, event_types, execution, job, only, rows, store_at
from tests.databases import SERVERS, Databases

OPEN_PURGE = "INSERT INTO purge_log (id, actor, cutoff) VALUES (gen_random_uuid(), 'mallory', '2100-01-01')"
REFUSED = (psycopg.errors.RestrictViolation, psycopg.errors.InsufficientPrivilege)


@contextmanager
def login(kind: str, *memberships: str) -> Iterator[str]:
    """A login of the cluster, gone again when its databases are."""
    name = f"penstock_login_{uuid4().hex}"
    with psycopg.connect(servers.start(SERVERS[kind]).replace("+psycopg", ""), autocommit=True) as server:
        server.execute(f"CREATE ROLE {name} LOGIN".encode())
        for role in memberships:
            server.execute(f"GRANT {role} TO {name}".encode())
        yield name
        server.execute(f"DROP ROLE {name}".encode())


@contextmanager
def store_of(kind: str, databases: Databases, clock: Clock, *memberships: str) -> Iterator[Store]:
    """A store whose login may read and write every table, and owns nothing."""
    with databases.migrated(kind) as template:  # the role of the purge is there once a database has been migrated
        assert template
        with login(kind, *memberships) as name, databases.migrated(kind) as url:
            with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as owner:
                owner.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {name}".encode())
            own = sa.make_url(url).set(username=name).render_as_string(hide_password=False)
            store = store_at(own, clock)
            yield store
            store.database.engine.dispose()


@pytest.fixture(params=SERVERS)
def worker(request: pytest.FixtureRequest, databases: Databases, clock: Clock) -> Iterator[Store]:
    """The login that the functions use."""
    with store_of(request.param, databases, clock) as store:
        yield store


@pytest.fixture(params=SERVERS)
def purger(request: pytest.FixtureRequest, databases: Databases, clock: Clock) -> Iterator[Store]:
    """The login of retention: it may become the role of the purge."""
    with store_of(request.param, databases, clock, PURGER) as store:
        yield store


def finish(store: Store) -> UUID:
    (running,) = begin(store, only(store.alone(executions.create, job())))
    store.alone(executions.complete, running)
    return running.id


def attempt(store: Store, *statements: str) -> None:
    with store.begin() as tx:
        for statement in statements:
            tx.session.cursor.execute(statement)


def test_the_login_of_the_functions_does_all_work(worker: Store) -> None:
    id = finish(worker)
    assert ("completed", 5) == (execution(worker, id).status, len(event_types(worker, id)))


@pytest.mark.parametrize(
    "ways",
    [
        ["TRUNCATE task_executions CASCADE"],
        ["TRUNCATE execution_events"],
        ["ALTER TABLE task_executions DISABLE TRIGGER ALL"],
        ["ALTER TABLE task_executions DISABLE TRIGGER task_executions_guard"],
        ["DROP TRIGGER task_executions_guard ON task_executions"],
        ["DROP TABLE execution_events"],
        ["SET session_replication_role = replica"],
        ["CREATE OR REPLACE FUNCTION penstock_append_only() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END'"],
        ["CREATE TABLE public.purge_log_of_mine (id int)"],
        [f"SET LOCAL ROLE {PURGER}"],
        [f"GRANT {PURGER} TO CURRENT_USER"],
        ["DELETE FROM execution_events"],
        [OPEN_PURGE, "DELETE FROM execution_events"],
        [OPEN_PURGE, "DELETE FROM task_executions"],
        ["UPDATE task_executions SET status = 'ready', completed_at = NULL, version = version + 1"],
        ["UPDATE execution_events SET actor = 'nobody'"],
    ],
    ids=lambda ways: "; ".join(way[:50] for way in ways),
)  # fmt: skip
def test_the_login_of_the_functions_cannot_rewrite_history_in_any_way(worker: Store, ways: list[str]) -> None:
    id = finish(worker)
    before = execution(worker, id), rows(worker, schema.execution_events)
    with pytest.raises(REFUSED):
        attempt(worker, *ways)
    assert before == (execution(worker, id), rows(worker, schema.execution_events))


def test_retention_without_the_role_of_the_purge_deletes_nothing(worker: Store, clock: Clock) -> None:
    finish(worker)
    clock.pass_(MINUTE)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        worker.alone(retention.delete_older_than, clock.now, 10)
    assert (5, []) == (len(rows(worker, schema.execution_events)), rows(worker, schema.purge_log))


def test_retention_with_it_deletes_what_is_old(purger: Store, clock: Clock) -> None:
    finish(purger)
    clock.pass_(MINUTE)
    assert 5 == purger.alone(retention.delete_older_than, clock.now, 10).events


FORGED: dict[str, list[str]] = {
    "no record at all": [],
    "a table of that name in a schema that is looked into first": [
        "CREATE TEMP TABLE purge_log AS SELECT * FROM public.purge_log",
        OPEN_PURGE.replace("purge_log", "pg_temp.purge_log"),
        "UPDATE pg_temp.purge_log SET transaction_id = pg_current_xact_id()",
        f"GRANT SELECT ON pg_temp.purge_log TO {PURGER}",
    ],
    "a record of another transaction": [OPEN_PURGE, "COMMIT", "BEGIN"],
    "a record that borrows the number of another transaction": [
        OPEN_PURGE.replace("cutoff)", "cutoff, transaction_id)").replace("')", "', '3')")
    ],
    "a record that is closed": [
        OPEN_PURGE,
        "UPDATE purge_log SET closed_at = opened_at, digest = '' WHERE closed_at IS NULL",
    ],
}


@pytest.mark.parametrize("forged", FORGED)
def test_the_role_of_the_purge_deletes_only_under_a_record_of_its_own_transaction(purger: Store, forged: Any) -> None:
    finish(purger)
    with pytest.raises(psycopg.errors.RestrictViolation, match="purge on record"):
        attempt(purger, *FORGED[forged], f"SET LOCAL ROLE {PURGER}", "DELETE FROM execution_events")
    assert 5 == len(rows(purger, schema.execution_events))


def test_the_login_of_the_purge_needs_its_role_and_not_only_its_membership(purger: Store) -> None:
    finish(purger)
    with pytest.raises(psycopg.errors.RestrictViolation):
        attempt(purger, OPEN_PURGE, "DELETE FROM execution_events")


def test_the_role_of_the_purge_can_write_nothing_but_its_log(purger: Store) -> None:
    id = finish(purger)
    for statement in (
        f"UPDATE task_executions SET name = 'other' WHERE id = '{id}'",
        f"INSERT INTO execution_events (task_execution_id, event_type, actor) VALUES ('{id}', 'TaskNoted', 'mallory')",
        "DELETE FROM purge_log",
        "DELETE FROM tasks",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            attempt(purger, f"SET LOCAL ROLE {PURGER}", statement)
