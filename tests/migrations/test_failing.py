"""A migration that fails exits with an error, and leaves the database where the one before it left it."""

from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.util import CommandError

from tests.databases import alembic_config
from tests.migrations.catalog import objects
from tests.migrations.commands import alembic, more_revisions, other_revisions
from tests.migrations.revisions import connected, revisions, version

HEAD = revisions()[-1].revision
HALF: tuple[list[str], list[str]] = (
    ["CREATE TABLE half (id INTEGER)", "INSERT INTO half VALUES (1)", "CREATE TABLE half (id INTEGER)"],
    [],
)
WHOLE = (["CREATE TABLE whole (id INTEGER)"], ["DROP TABLE whole", "DROP TABLE whole"])


def test_a_failing_upgrade_exits_non_zero_and_leaves_the_revision_before_it(
    empty_database_url: str, database_url: str, tmp_path: Path
) -> None:
    code, said = alembic(empty_database_url, *more_revisions(tmp_path, HALF), "upgrade", "head")
    assert (1, True) == (code, "half" in said)
    with connected(empty_database_url) as failed, connected(database_url) as healthy:
        assert version(failed) == HEAD
        assert objects(healthy) == objects(failed)
        assert not sa.inspect(failed).has_table("half")


def test_a_failing_downgrade_exits_non_zero_and_leaves_the_revision_in_place(database_url: str, tmp_path: Path) -> None:
    beyond = more_revisions(tmp_path, WHOLE)
    assert alembic(database_url, *beyond, "upgrade", "head")[0] == 0
    with connected(database_url) as connection:
        before = objects(connection), version(connection)

    code, _ = alembic(database_url, *beyond, "downgrade", HEAD)
    assert code == 1
    with connected(database_url) as connection:
        assert before == (objects(connection), version(connection))
        assert sa.inspect(connection).has_table("whole")


def test_a_first_revision_that_fails_leaves_an_empty_database(empty_database_url: str, tmp_path: Path) -> None:
    code, said = alembic(empty_database_url, *other_revisions(tmp_path, HALF), "upgrade", "head")
    assert (1, True) == (code, "half" in said)
    with connected(empty_database_url) as connection:
        inspector = sa.inspect(connection)
        assert [] == inspector.get_table_names()
        assert "penstock" not in inspector.get_schema_names()


def test_it_says_what_it_did_and_needs_no_configuration_but_the_url(empty_database_url: str) -> None:
    code, said = alembic(empty_database_url, "upgrade", "head")
    assert (0, len(revisions())) == (code, said.count("Running upgrade"))
    assert alembic(empty_database_url, "current") == (0, f"{HEAD} (head)\n")


@pytest.mark.parametrize(("url", "reason"), [(None, "set DATABASE_URL"), ("mysql://u@h/d", "not on mysql")])
def test_without_a_database_that_it_knows_it_says_so_and_exits_non_zero(url: str | None, reason: str) -> None:
    for arguments in (["upgrade", "head"], ["upgrade", "head", "--sql"], ["current"]):
        code, said = alembic(url, *arguments)
        assert (255, True, False) == (code, reason in said, "Traceback" in said)


def test_a_database_out_of_reach_is_an_error_that_shows_no_password() -> None:
    code, said = alembic("postgresql://ann:s3cret@127.0.0.1:1/none", "upgrade", "head")
    assert (1, False) == (code, "s3cret" in said)


def test_a_connection_of_the_caller_is_migrated_and_left_open(empty_database_url: str) -> None:
    for isolation in ("AUTOCOMMIT", "SERIALIZABLE"):
        engine = sa.create_engine(empty_database_url, poolclass=sa.NullPool, isolation_level=isolation)
        with engine.connect() as connection:
            config = alembic_config("sqlite:///never-opened.db")
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            assert not connection.in_transaction()
            assert version(connection) == HEAD
            connection.rollback()
            command.downgrade(config, "base")
            assert version(connection) is None


def test_a_failing_migration_is_undone_on_a_connection_in_autocommit_too(
    empty_database_url: str, tmp_path: Path
) -> None:
    engine = sa.create_engine(empty_database_url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        config = Config(more_revisions(tmp_path, HALF)[1])
        config.attributes["connection"] = connection
        with pytest.raises(sa.exc.DBAPIError):
            command.upgrade(config, "head")
        assert version(connection) == HEAD
        assert not sa.inspect(connection).has_table("half")


def test_a_connection_inside_a_transaction_is_refused(empty_database_url: str) -> None:
    with connected(empty_database_url) as connection:
        config = alembic_config(empty_database_url)
        config.attributes["connection"] = connection
        with pytest.raises(CommandError, match="inside a transaction"):
            command.upgrade(config, "head")
