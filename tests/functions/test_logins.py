"""A migrated database lets the functions and retention in, each with what it needs and no more."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import psycopg
import pytest
import sqlalchemy as sa

from migrate.app import handler
from penstock import wiring
from penstock.dal import executions, idempotency, retention
from penstock.dal.store import Store
from penstock.dal.views import health
from tests import servers
from tests.acting import MINUTE, Clock, begin, create, execution, job, store_at
from tests.databases import SERVERS, Databases
from tests.functions.conftest import LambdaContext
from tests.functions.payloads import event

SETTINGS = "SELECT setconfig FROM pg_db_role_setting JOIN pg_roles ON setrole = pg_roles.oid WHERE rolname = '{role}'"
# Which the test has replaced.
CLOCK = "the function now is not the one of this version"
MEMBER = "SELECT pg_has_role('{member}', '{role}', 'MEMBER')"


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest) -> str:
    return servers.start(SERVERS[request.param]).replace("+psycopg", "")


@contextmanager
def role(server: str, name: str, options: str | None = None) -> Iterator[str]:
    """A role of the cluster, made here if it has *options*; whoever has made it, it is gone afterwards."""
    with psycopg.connect(server, autocommit=True) as admin:
        if options is not None:
            admin.execute(f"CREATE ROLE {name} {options}".encode())
        yield name
        admin.execute(f"DROP ROLE IF EXISTS {name}".encode())


@pytest.fixture
def functions(server: str) -> Iterator[str]:
    with role(server, f"functions_{uuid4().hex}") as name:
        yield name


@pytest.fixture
def purger(server: str) -> Iterator[str]:
    with role(server, f"retention_{uuid4().hex}") as name:
        yield name


@pytest.fixture
def url(request: pytest.FixtureRequest, functions: str, purger: str, databases: Databases) -> Iterator[str]:
    """An empty database; it goes before the roles that it knows of."""
    with databases.empty(request.node.callspec.params["server"]) as found:
        yield found


def migrate(url: str, functions: str, purger: str) -> Any:
    logins = {"DATABASE_FUNCTIONS_LOGIN": functions, "DATABASE_RETENTION_LOGIN": purger}
    wiring.compose({"DATABASE_URL": url, **logins})
    try:
        return handler(event("migrate.upgrade"), LambdaContext())
    finally:
        wiring.compose({})


def login_as(url: str, login: str) -> str:
    return sa.make_url(url).set(username=login).render_as_string(hide_password=False)


@contextmanager
def store_of(url: str, login: str, clock: Clock) -> Iterator[Store]:
    store = store_at(login_as(url, login), clock)
    try:
        yield store
    finally:
        store.database.engine.dispose()


def ask(url: str, question: str, **names: str) -> list[Any]:
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        return [row[0] for row in connection.execute(question.format(**names).encode())]


def finish(store: Store) -> Any:
    (running,) = begin(store, *store.alone(create, job()))
    store.alone(executions.complete, running)
    return running.id


def test_the_functions_do_their_work_and_cannot_purge(url: str, functions: str, purger: str, clock: Clock) -> None:
    migrate(url, functions, purger)
    with store_of(url, functions, clock) as store:
        done = finish(store)
        assert "completed" == execution(store, done).status
        with store.read() as tx:
            assert ([CLOCK], True) == (health.weaknesses(tx), health.schema_revision(tx) is not None)
        clock.pass_(MINUTE)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            store.alone(retention.delete_older_than, clock.now, 10)


def test_retention_purges_and_forgets_and_does_no_work(url: str, functions: str, purger: str, clock: Clock) -> None:
    migrate(url, functions, purger)
    with store_of(url, functions, clock) as store:
        finish(store)
    with store_of(url, purger, clock) as store:
        clock.pass_(MINUTE)
        assert 1 == store.alone(retention.delete_older_than, clock.now, 10).task_executions
        assert 0 == store.alone(idempotency.forget_expired, 10)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            store.alone(create, job())


def test_a_second_time_changes_nothing(url: str, functions: str, purger: str) -> None:
    asked = """
        SELECT relacl::text FROM pg_class WHERE relnamespace = 'penstock'::regnamespace
            AND relname IN ('task_executions', 'alembic_version') ORDER BY relname
    """
    answers = []
    for _ in range(2):
        migrate(url, functions, purger)
        answers.append((ask(url, asked), ask(url, SETTINGS, role=functions)))
    assert answers[0] == answers[1]


def test_a_login_that_is_made_here_bounds_its_statements(url: str, functions: str, purger: str) -> None:
    migrate(url, functions, purger)
    bounds = [["statement_timeout=25s", "idle_in_transaction_session_timeout=15s"]]
    assert bounds == ask(url, SETTINGS, role=functions)


def test_a_login_that_is_there_keeps_what_it_has(url: str, functions: str, purger: str, server: str) -> None:
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(f"CREATE ROLE {functions} LOGIN; ALTER ROLE {functions} SET statement_timeout = '3s'".encode())
    migrate(url, functions, purger)
    assert [["statement_timeout=3s"]] == ask(url, SETTINGS, role=functions)


def test_where_tokens_of_iam_open_the_door_a_login_that_is_made_here_takes_them(
    url: str, functions: str, purger: str, server: str
) -> None:
    with role(server, "rds_iam", ""):
        migrate(url, functions, purger)
        assert [True] == ask(url, MEMBER, member=functions, role="rds_iam")


def test_a_table_of_somebody_else_in_the_same_schema_stays_closed(url: str, functions: str, purger: str) -> None:
    with psycopg.connect(url.replace("+psycopg", "")) as owner:
        owner.execute("CREATE TABLE invoices (id int)")
    migrate(url, functions, purger)
    allowed = ask(url, "SELECT has_table_privilege('{login}', 'invoices', 'SELECT')", login=functions)
    assert [False] == allowed


def test_the_number_of_the_revision_can_be_read_and_not_written(url: str, functions: str, purger: str) -> None:
    migrate(url, functions, purger)
    rights = """
        SELECT has_table_privilege('{login}', 'penstock.alembic_version', unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']))
    """
    assert [True, False, False, False] == ask(url, rights, login=functions)


def test_an_owner_who_may_make_no_roles_lets_in_logins_that_are_there(
    url: str, functions: str, purger: str, server: str
) -> None:
    """As on a server where an administrator makes them, and gives them their roles."""
    migrate(url, functions, purger)
    with role(server, f"owner_{uuid4().hex}", "LOGIN") as owner, psycopg.connect(server, autocommit=True) as admin:
        other = servers.create_database(server, f"owned_{uuid4().hex}")
        name = sa.make_url(other).database or ""
        admin.execute(f"ALTER DATABASE {name} OWNER TO {owner}".encode())
        try:
            migrate(login_as(other.replace("postgresql://", "postgresql+psycopg://"), owner), functions, purger)
            assert [True] == ask(other, MEMBER, member=purger, role="penstock_purger")
        finally:
            servers.drop_database(server, name)


def test_an_engine_without_logins_has_nobody_to_let_in(databases: Databases) -> None:
    with databases.empty("sqlite") as url:
        assert [] == migrate(url, "functions", "purger")["pending"]
