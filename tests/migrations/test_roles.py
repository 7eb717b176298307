"""The roles of the schema belong to the cluster, while the databases of a cluster come and go.

Where a test would take rights from the roles of other databases, its statements run under names of their own.
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

from penstock.dal.schema import metadata
from tests import servers
from tests.databases import SERVERS, Databases, alembic_config
from tests.migrations.catalog import kinds, objects
from tests.migrations.revisions import connected, down, execute, revisions, up

WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'transactionid'"
ROLES = ("penstock_reader", "penstock_client", "penstock_worker", "penstock_operator", "penstock_purger")
[MAKING] = [revision for revision in revisions() if Path(revision.path).stem.endswith("_roles")]
WRITES = """
SELECT r.rolname || ' ' || c.relname FROM pg_roles r, pg_class c, unnest(ARRAY['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) w
WHERE r.rolname = ANY (%s) AND c.relnamespace = 'penstock'::regnamespace AND c.relkind IN ('r', 'v')
    AND has_table_privilege(r.oid, c.oid, w)
"""
READS = """
SELECT r.rolname, c.relname FROM pg_roles r, pg_class c
WHERE r.rolname = ANY (%s) AND c.relnamespace = 'penstock'::regnamespace AND c.relkind IN ('r', 'v')
    AND has_table_privilege(r.oid, c.oid, 'SELECT')
"""


@pytest.fixture(params=SERVERS)
def kind(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def prefix(kind: str) -> Iterator[str]:
    """What the test's own roles are called in the place of penstock; they go when its databases are gone."""
    name = f"t{uuid4().hex}"
    yield name
    with administrator(kind) as server:
        for role in ROLES:
            server.execute(f"DROP ROLE IF EXISTS {role.replace('penstock', name)}".encode())


@pytest.fixture
def url(kind: str, prefix: str, databases: Databases) -> Iterator[str]:
    with databases.migrated(kind) as found:
        yield found


@pytest.fixture
def other_url(kind: str, prefix: str, databases: Databases) -> Iterator[str]:
    with databases.migrated(kind) as found:
        yield found


@contextmanager
def administrator(kind: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(servers.start(SERVERS[kind]).replace("+psycopg", ""), autocommit=True) as server:
        yield server


@contextmanager
def new_owner(kind: str) -> Iterator[str]:
    """Who may make roles and is no superuser."""
    name = f"owner_{uuid4().hex}"
    with administrator(kind) as server:
        server.execute(f"CREATE ROLE {name} LOGIN CREATEROLE".encode())
        yield name
        server.execute(f"DROP ROLE {name}".encode())


def renamed(statements: list[str], prefix: str) -> list[str]:
    return [statement.replace("penstock_", f"{prefix}_") for statement in statements]


def go_up(url: str, prefix: str) -> None:
    with connected(url) as connection:
        execute(connection, renamed(up(MAKING, "postgresql"), prefix))


def go_down(url: str, prefix: str) -> None:
    with connected(url) as connection:
        execute(connection, renamed(down(MAKING, "postgresql"), prefix))


def own_roles(url: str, prefix: str) -> dict[str, bool]:
    """The test's own roles, and whether one can log in."""
    with connected(url) as connection:
        found = connection.exec_driver_sql("SELECT rolname, rolcanlogin FROM pg_roles").all()
    return {name: may for name, may in found if name.startswith(prefix)}


def own_rights(url: str, prefix: str) -> dict[str, str]:
    asked = f"""
        SELECT r.rolname || ' ' || c.relname, g.privilege_type FROM pg_class c, aclexplode(c.relacl) g
            JOIN pg_roles r ON r.oid = g.grantee WHERE r.rolname LIKE '{prefix}%'
        UNION ALL SELECT r.rolname || ' in ' || n.nspname, g.privilege_type FROM pg_namespace n, aclexplode(n.nspacl) g
            JOIN pg_roles r ON r.oid = g.grantee WHERE r.rolname LIKE '{prefix}%'
    """
    with connected(url) as connection:
        rows = connection.exec_driver_sql(asked, execution_options={"no_parameters": True})
        return {name.removeprefix(f"{prefix}_"): right for name, right in rows}


def test_there_are_five_of_which_one_may_read_and_none_may_write(url: str) -> None:
    with psycopg.connect(url.replace("+psycopg", "")) as session:
        reads = session.execute(READS, [list(ROLES)]).fetchall()
        assert [] == session.execute(WRITES, [list(ROLES)]).fetchall()
    assert {("penstock_reader", table) for table in (*metadata.tables, "task_overview", "alembic_version")} == set(
        reads
    )
    with connected(url) as connection:
        usage = {name: right for name, right in kinds(objects(connection), "grant").items() if name.endswith(" schema")}
    assert {f"grant {role} schema": "USAGE" for role in ROLES} == usage


def test_they_cannot_log_in_and_are_made_once(url: str, prefix: str) -> None:
    go_up(url, prefix)
    go_up(url, prefix)
    assert {role.replace("penstock", prefix): False for role in ROLES} == own_roles(url, prefix)


def test_on_the_way_down_they_lose_their_rights_here_and_stay_for_others(url: str, other_url: str, prefix: str) -> None:
    go_up(url, prefix)
    go_up(other_url, prefix)
    given = own_rights(url, prefix)
    assert "USAGE" == given["client in penstock"]
    go_down(url, prefix)
    assert {} == own_rights(url, prefix)
    assert given == own_rights(other_url, prefix)
    assert len(ROLES) == len(own_roles(url, prefix))


def test_two_databases_may_make_them_at_the_same_time(url: str, other_url: str, prefix: str) -> None:
    """The second cannot see the first one's roles before they are committed, and then finds their names taken."""
    with psycopg.connect(url.replace("+psycopg", "")) as first, ThreadPoolExecutor() as second:
        for statement in renamed(up(MAKING, "postgresql"), prefix):
            first.execute(statement.encode())
        waiting = second.submit(go_up, other_url, prefix)
        with psycopg.connect(other_url.replace("+psycopg", ""), autocommit=True) as observer:
            while observer.execute(WAITING).fetchone() != (1,):
                assert not waiting.done()
        first.commit()
        waiting.result(timeout=60)
    assert own_rights(url, prefix) == own_rights(other_url, prefix)


def test_an_owner_who_is_no_superuser_migrates_and_lets_a_login_in(
    kind: str, prefix: str, databases: Databases
) -> None:
    """On 16 and later who makes a role is its administrator, and may give it to others."""
    with new_owner(kind) as owner, databases.empty(kind) as url:
        name = sa.make_url(url).database
        with administrator(kind) as server:
            server.execute(f"ALTER DATABASE {name} OWNER TO {owner}".encode())
        own = sa.make_url(url).set(username=owner).render_as_string(hide_password=False)
        command.upgrade(alembic_config(own), "head")
        go_up(own, prefix)
        with connected(own) as connection:
            execute(connection, [f"CREATE ROLE {prefix}_login LOGIN", f"GRANT {prefix}_reader TO {prefix}_login"])
            assert connection.exec_driver_sql(
                f"SELECT pg_has_role('{prefix}_login', '{prefix}_reader', 'USAGE')"
            ).scalar()
            execute(connection, [f"DROP ROLE {prefix}_login"])
        go_down(own, prefix)
        command.downgrade(alembic_config(own), "base")
        with connected(own) as connection:
            execute(connection, [f"DROP ROLE {role.replace('penstock', prefix)}" for role in ROLES])
