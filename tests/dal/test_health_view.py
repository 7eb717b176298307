"""What a database says of itself: its revision, and whether history is safe from the login that asks."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.script import ScriptDirectory

from penstock import world
from penstock.dal import guards
from penstock.dal.dialect import open_database
from penstock.dal.store import Store
from penstock.dal.views import health
from tests.acting import run
from tests.databases import Databases, alembic_config

HISTORY = sorted(guards.NEVER_TRUNCATED)


def protected(store: Store) -> bool:
    with store.read() as tx:
        return health.history_protected(tx)


def revision(store: Store) -> str | None:
    with store.read() as tx:
        return health.schema_revision(tx)


@contextmanager
def opened(url: str | sa.URL) -> Iterator[Store]:
    database = open_database(sa.make_url(url).render_as_string(hide_password=False))
    store = Store(database, "tester", world.now, world.uuid7, world.random)
    yield store
    store.database.engine.dispose()


# --- revision ----------------------------------------------------------------------------------------------------


def test_a_migrated_database_is_at_head(store: Store) -> None:
    assert ScriptDirectory.from_config(alembic_config("")).get_current_head() == revision(store)


def test_an_empty_database_has_no_revision(empty_database_url: str) -> None:
    with opened(empty_database_url) as store:
        assert revision(store) is None


def test_a_database_that_was_taken_back_to_its_base_has_no_revision(database_url: str) -> None:
    command.downgrade(alembic_config(database_url), "base")
    with opened(database_url) as store:
        assert revision(store) is None


# --- protection on a file ----------------------------------------------------------------------------------------


@pytest.fixture
def file(databases: Databases) -> Iterator[Store]:
    with databases.migrated("sqlite") as url, opened(url) as store:
        yield store


def test_history_in_a_file_is_protected_by_its_triggers(file: Store) -> None:
    assert protected(file)


@pytest.mark.parametrize("trigger", sorted(guards.of_history("sqlite")))
def test_history_in_a_file_without_one_of_them_is_not_protected(file: Store, trigger: str) -> None:
    run(file, f"DROP TRIGGER {trigger}")
    assert not protected(file)


def test_an_empty_database_protects_no_history(empty_database_url: str) -> None:
    with opened(empty_database_url) as store:
        assert not protected(store)


# --- protection on a server --------------------------------------------------------------------------------------


@pytest.fixture
def postgres(postgres_url: str) -> Iterator[Store]:
    """With the clock as it is installed: that of a test is another function, and health says so."""
    with opened(postgres_url) as store:
        yield store


@pytest.fixture
def login(postgres: Store) -> Iterator[str]:
    """A login that owns nothing, on the server of the database."""
    name = f"penstock_login_{uuid4().hex}"
    run(postgres, f"CREATE ROLE {name} LOGIN")
    yield name
    run(postgres, f"REASSIGN OWNED BY {name} TO CURRENT_USER", f"DROP OWNED BY {name}", f"DROP ROLE {name}")


@pytest.fixture
def plain(postgres: Store, login: str) -> Iterator[Store]:
    """The database as that login sees it."""
    with opened(postgres.database.engine.url.set(username=login)) as store:
        yield store


def test_history_on_a_server_is_protected_from_a_plain_login(plain: Store) -> None:
    with plain.read() as tx:
        assert [] == health.weaknesses(tx)


def test_history_is_not_protected_from_a_superuser(postgres: Store) -> None:
    assert not protected(postgres)


def test_a_superuser_who_acts_as_a_plain_role_is_still_a_superuser(postgres: Store, login: str) -> None:
    with postgres.begin() as tx:
        tx.session.cursor.execute(f'SET LOCAL ROLE "{login}"')
        assert not health.history_protected(tx)


@pytest.mark.parametrize("table", HISTORY)
def test_history_is_not_protected_from_the_owner_of_a_table(
    postgres: Store, plain: Store, login: str, table: str
) -> None:
    run(postgres, f"ALTER TABLE {table} OWNER TO {login}")
    assert not protected(plain)


def test_history_is_not_protected_from_who_can_become_its_owner(postgres: Store, plain: Store, login: str) -> None:
    owner = f"{login}_owner"
    run(postgres, f"CREATE ROLE {owner}", f"ALTER ROLE {login} NOINHERIT", f"GRANT {owner} TO {login}")
    run(postgres, f"ALTER TABLE purge_log OWNER TO {owner}")
    found = protected(plain)
    run(postgres, f"REASSIGN OWNED BY {owner} TO CURRENT_USER", f"DROP OWNED BY {owner}", f"DROP ROLE {owner}")
    assert not found


@pytest.mark.parametrize("how", ["DISABLE TRIGGER", "ENABLE REPLICA TRIGGER"])
@pytest.mark.parametrize("table", HISTORY)
def test_history_is_not_protected_where_a_guard_does_not_fire(
    postgres: Store, plain: Store, table: str, how: str
) -> None:
    run(postgres, f"ALTER TABLE {table} {how} {table}_guard")
    assert not protected(plain)


@pytest.mark.parametrize("table", HISTORY)
def test_history_is_not_protected_where_it_may_be_truncated(postgres: Store, plain: Store, table: str) -> None:
    run(postgres, f"DROP TRIGGER {table}_keep ON {table}")
    assert not protected(plain)


def test_history_is_not_protected_in_a_session_that_no_guard_watches(postgres: Store, plain: Store, login: str) -> None:
    run(postgres, f"ALTER ROLE {login} SET session_replication_role = replica")
    assert not protected(plain)
