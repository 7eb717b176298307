"""The role that may purge belongs to the cluster, while the databases of a cluster come and go.

The statements run here under the name of a role of the test's own: the other databases depend on the real one.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
import sqlalchemy as sa
from alembic import command

from tests import servers
from tests.databases import SERVERS, Databases, alembic_config
from tests.migrations.catalog import kinds, objects
from tests.migrations.revisions import connected, down, execute, revisions, up

WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'transactionid'"
PURGER = "penstock_purge"
[PURGE_LOG] = [revision for revision in revisions() if Path(revision.path).stem.endswith("purge_log")]
MEMBERS = """
SELECT member::regrole::text FROM pg_auth_members JOIN pg_roles r ON r.oid = roleid
WHERE r.rolname = '{role}' AND {usable}
"""


@pytest.fixture(params=SERVERS)
def kind(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def role(kind: str) -> Iterator[str]:
    """A name for a role; whoever has it when the databases of the test are gone, goes too."""
    with new_role(kind) as name:
        yield name


@contextmanager
def new_role(kind: str) -> Iterator[str]:
    name = f"{PURGER}_{uuid4().hex}"
    yield name
    with psycopg.connect(servers.start(SERVERS[kind]).replace("+psycopg", ""), autocommit=True) as server:
        server.execute(f"DROP ROLE IF EXISTS {name}".encode())


@pytest.fixture
def url(kind: str, role: str, databases: Databases) -> Iterator[str]:
    with databases.migrated(kind) as found:
        yield found


@pytest.fixture
def other_url(kind: str, role: str, databases: Databases) -> Iterator[str]:
    with databases.migrated(kind) as found:
        yield found


def renamed(statements: list[str], role: str) -> list[str]:
    return [statement.replace(PURGER, role) for statement in statements]


def go_up(url: str, role: str) -> None:
    with connected(url) as connection:
        execute(connection, renamed(up(PURGE_LOG, "postgresql"), role))


def go_down(url: str, role: str) -> None:
    with connected(url) as connection:
        execute(connection, renamed(down(PURGE_LOG, "postgresql"), role))


def exists(url: str, role: str) -> bool:
    with connected(url) as connection:
        return role in connection.exec_driver_sql("SELECT rolname FROM pg_roles").scalars()


def members(url: str, role: str) -> list[str]:
    with connected(url) as connection:
        version = connection.dialect.server_version_info or ()
        usable = "set_option" if version >= (16,) else "true"
        return list(connection.exec_driver_sql(MEMBERS.format(role=role, usable=usable)).scalars())


def test_it_may_read_and_delete_history_and_write_the_log_of_purges_and_no_more(url: str, role: str) -> None:
    go_up(url, role)
    with connected(url) as connection:
        grants = {
            name.removeprefix(f"grant {role} "): what for name, what in kinds(objects(connection), "grant").items()
        }
    history = (
        "annotations execution_events holds pause_queue pipeline_executions schedule_runs task_dependencies"
        " task_executions task_outbox tool_executions"
    )
    more = {"slots": "SELECT", "purge_log": "INSERT, SELECT, UPDATE", "schema": "USAGE"}
    expected = {**dict.fromkeys(history.split(), "DELETE, SELECT"), **more}
    assert expected == {name: what for name, what in grants.items() if not name.startswith("grant")}


def test_it_is_made_once_and_given_to_whoever_made_it(url: str, role: str) -> None:
    go_up(url, role)
    go_up(url, role)
    assert ["postgres"] == members(url, role)


def test_it_goes_with_the_last_database_that_depends_on_it(url: str, other_url: str, role: str) -> None:
    go_up(url, role)
    go_up(other_url, role)
    go_down(url, role)
    assert exists(url, role)
    go_down(other_url, role)
    assert not exists(url, role)


def test_two_databases_may_make_it_at_the_same_time(url: str, other_url: str, role: str) -> None:
    """The second cannot see the first one's role before it is committed, and then finds its name taken."""
    with psycopg.connect(url.replace("+psycopg", "")) as first, ThreadPoolExecutor() as second:
        for statement in renamed(up(PURGE_LOG, "postgresql"), role):
            first.execute(statement.encode())
        waiting = second.submit(go_up, other_url, role)
        with psycopg.connect(other_url.replace("+psycopg", ""), autocommit=True) as observer:
            while observer.execute(WAITING).fetchone() != (1,):
                assert not waiting.done()
        first.commit()
        waiting.result(timeout=60)
    assert ["postgres"] == members(url, role)


def test_an_owner_who_is_no_superuser_migrates(kind: str, role: str, databases: Databases) -> None:
    """On 16 and later who makes a role is its administrator, and still has to be given the use of it."""
    with new_role(kind) as owner, databases.empty(kind) as url:
        name = sa.make_url(url).database
        with connected(url) as connection:
            execute(connection, [f"CREATE ROLE {owner} LOGIN CREATEROLE", f"ALTER DATABASE {name} OWNER TO {owner}"])
        own = sa.make_url(url).set(username=owner).render_as_string(hide_password=False)
        command.upgrade(alembic_config(own), "head")
        go_up(own, role)
        assert owner in members(url, role)
        command.downgrade(alembic_config(own), "base")
