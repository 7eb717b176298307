"""A database that others live in: what is theirs is neither taken for ours nor touched, on the way up and down."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.util import CommandError

from penstock.dal.schema import metadata
from tests.databases import SERVERS, Databases, alembic_config
from tests.migrations.catalog import objects
from tests.migrations.commands import more_revisions
from tests.migrations.revisions import VERSIONS, connected, execute, revisions, version

HEAD = revisions()[-1].revision
# What a team's application has of its own.
TABLES = ("tasks", "sessions", "workflows", "users", "configurations", "alembic_version")
NOT_OURS = ("users", "alembic_version")


@pytest.fixture(params=SERVERS)
def server_kind(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def server_url(server_kind: str, databases: Databases) -> Iterator[str]:
    """An empty database on each PostgreSQL."""
    with databases.empty(server_kind) as url:
        yield url


@pytest.fixture
def file_url(databases: Databases) -> Iterator[str]:
    """An empty file."""
    with databases.empty("sqlite") as url:
        yield url


def move_in(url: str, *tables: str, schema: str = "") -> None:
    """An application makes these tables, with a row in each."""
    with connected(url) as connection:
        for table in tables:
            execute(
                connection, [f"CREATE TABLE {schema}{table} (theirs TEXT)", f"INSERT INTO {schema}{table} VALUES ('x')"]
            )


def everything(url: str) -> dict[str, list[Any]]:
    """Every table of every schema, with its rows."""
    with connected(url) as connection:
        inspector = sa.inspect(connection)
        tables = [
            (schema, table)
            for schema in (["public", "penstock"] if connection.dialect.name == "postgresql" else [None])
            for table in (*inspector.get_table_names(schema), *inspector.get_view_names(schema))
        ]
        return {
            table: list(connection.execute(sa.select(sa.text("*")).select_from(sa.table(table, schema=schema))))
            for schema, table in tables
        }


def schemas(url: str) -> set[str]:
    with connected(url) as connection:
        return set(sa.inspect(connection).get_schema_names()) - {"information_schema"}


# --- PostgreSQL: a schema of our own ------------------------------------------------------------------------------


def test_beside_the_tables_of_an_application_all_of_ours_are_in_a_schema_of_their_own(server_url: str) -> None:
    move_in(server_url, *TABLES, schema="public.")
    before = everything(server_url)
    command.upgrade(alembic_config(server_url), "head")
    with connected(server_url) as connection:
        inspector = sa.inspect(connection)
        assert sorted(TABLES) == sorted(inspector.get_table_names("public"))
        assert sorted([*metadata.tables, "alembic_version"]) == sorted(inspector.get_table_names("penstock"))
        named = connection.exec_driver_sql("SELECT theirs FROM public.alembic_version").scalars().all()
    assert ["x"] == named
    command.downgrade(alembic_config(server_url), "base")
    assert before == everything(server_url)
    assert {"public"} == schemas(server_url)


def test_nothing_of_ours_is_in_public(server_url: str) -> None:
    command.upgrade(alembic_config(server_url), "head")
    inside = "SELECT count(*) FROM {} WHERE {}namespace = 'public'::regnamespace"
    with connected(server_url) as connection:
        for catalogue, column in (("pg_class", "rel"), ("pg_proc", "pro"), ("pg_type", "typ")):
            assert 0 == connection.exec_driver_sql(inside.format(catalogue, column)).scalar()


@pytest.mark.parametrize("search_path", ["public", "other, public", "pg_temp, public", "public, pg_catalog"])
def test_the_search_path_of_whoever_migrates_changes_nothing(
    server_kind: str, server_url: str, databases: Databases, search_path: str
) -> None:
    move_in(server_url, *TABLES, schema="public.")
    with sa.create_engine(server_url, poolclass=sa.NullPool).connect() as connection:
        connection.exec_driver_sql("CREATE SCHEMA other")
        connection.exec_driver_sql(f"SET search_path = {search_path}")
        connection.commit()
        config = alembic_config(server_url)
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    with databases.migrated(server_kind) as usual, connected(usual) as expected, connected(server_url) as found:
        assert objects(expected) == objects(found)


@pytest.mark.parametrize(
    ("made", "name"),
    [
        ("CREATE TABLE penstock.tasks (theirs TEXT)", "tasks"),
        ("CREATE TABLE penstock.barges (theirs TEXT)", "barges"),
        ("CREATE VIEW penstock.barges AS SELECT 1", "barges"),
        ("CREATE SEQUENCE penstock.barges", "barges"),
        ("CREATE TYPE penstock.barges AS ENUM ('a')", "barges"),
        ("CREATE FUNCTION penstock.touch() RETURNS int LANGUAGE sql AS 'SELECT 1'", "touch"),
    ],
)
def test_a_schema_of_our_name_with_something_of_others_in_it_is_refused(server_url: str, made: str, name: str) -> None:
    with connected(server_url) as connection:
        execute(connection, ["CREATE SCHEMA penstock", made])
        before = objects(connection)
    with pytest.raises(
        CommandError, match=rf"the schema penstock has in it what Penstock has not made: {name}; move that"
    ):
        command.upgrade(alembic_config(server_url), "head")
    with connected(server_url) as connection:
        assert before == objects(connection)
        assert version(connection) is None


def test_a_schema_of_our_name_that_is_empty_is_used(server_url: str) -> None:
    """An administrator has made it, for an owner who may not."""
    with connected(server_url) as connection:
        execute(connection, ["CREATE SCHEMA penstock"])
    command.upgrade(alembic_config(server_url), "head")
    with connected(server_url) as connection:
        assert HEAD == version(connection)


def test_on_the_way_down_the_schema_stays_if_somebody_has_something_in_it(server_url: str) -> None:
    command.upgrade(alembic_config(server_url), "head")
    move_in(server_url, "barges", schema="penstock.")
    command.downgrade(alembic_config(server_url), "base")
    assert {"barges": [("x",)]} == everything(server_url)
    with pytest.raises(CommandError, match="barges"):
        command.upgrade(alembic_config(server_url), "head")


# --- SQLite: names that are ours, or are not -----------------------------------------------------------------------


def test_in_a_file_tables_of_other_names_stay_as_they_are(file_url: str) -> None:
    move_in(file_url, *NOT_OURS)
    before = everything(file_url)
    command.upgrade(alembic_config(file_url), "head")
    found = everything(file_url)
    assert {*metadata.tables, *NOT_OURS, "task_overview", VERSIONS["sqlite"]} == set(found) - {"sqlite_sequence"}
    assert before.items() <= found.items()
    command.downgrade(alembic_config(file_url), "base")
    assert before == everything(file_url)


@pytest.mark.parametrize(
    ("made", "names"),
    [
        (["CREATE TABLE tasks (theirs TEXT)"], "tasks"),
        (["CREATE VIEW sessions AS SELECT 1 AS theirs"], "sessions"),
        (["CREATE TABLE task_overview (theirs TEXT)", "CREATE TABLE holds (theirs TEXT)"], "holds, task_overview"),
        (["CREATE INDEX ix_tasks_task_type ON users (theirs)"], "ix_tasks_task_type"),
    ],
)
@pytest.mark.parametrize("target", ["head", "0001"])
def test_in_a_file_a_name_of_ours_that_is_taken_is_refused(
    file_url: str, made: list[str], names: str, target: str
) -> None:
    """Also where the first revision alone would not need it yet."""
    move_in(file_url, "users")
    with connected(file_url) as connection:
        execute(connection, made)
    before = everything(file_url)
    with pytest.raises(
        CommandError, match=rf"under names that Penstock needs: {names}; let Penstock have a file of its own"
    ):
        command.upgrade(alembic_config(file_url), target)
    assert before == everything(file_url)


# --- later revisions -----------------------------------------------------------------------------------------------


@pytest.fixture
def beyond(empty_database_url: str, tmp_path: Path) -> Config:
    """Two revisions beyond head, of which the second makes a table."""
    schema = "penstock." if sa.make_url(empty_database_url).get_backend_name() == "postgresql" else ""
    first = ([f"CREATE TABLE IF NOT EXISTS {schema}locks (id INTEGER)"], [f"DROP TABLE IF EXISTS {schema}locks"])
    second = ([f"CREATE TABLE IF NOT EXISTS {schema}barges (id INTEGER)"], [f"DROP TABLE IF EXISTS {schema}barges"])
    config = Config(more_revisions(tmp_path, first, second)[1])
    config.attributes["url"] = empty_database_url
    return config


def test_a_table_that_a_later_revision_is_about_to_make_and_that_is_there_is_refused_before_any_of_them(
    empty_database_url: str, beyond: Config
) -> None:
    command.upgrade(beyond, HEAD)
    schema = "penstock." if sa.make_url(empty_database_url).get_backend_name() == "postgresql" else ""
    move_in(empty_database_url, "barges", schema=schema)
    before = everything(empty_database_url)
    with pytest.raises(CommandError, match="barges"):
        command.upgrade(beyond, "head")
    assert before == everything(empty_database_url)


def test_what_an_earlier_revision_has_made_is_ours(empty_database_url: str, beyond: Config) -> None:
    command.upgrade(beyond, "head")
    before = everything(empty_database_url)
    command.upgrade(beyond, "head")
    assert before == everything(empty_database_url)
    command.downgrade(beyond, HEAD)
    command.upgrade(beyond, "head")
    assert before == everything(empty_database_url)
