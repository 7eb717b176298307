"""Head is what the code describes: the tables of the schema, the guards of the lifecycle, and what --sql prints."""

import sqlite3
from io import StringIO

import psycopg
import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from penstock.dal import guards
from penstock.dal.schema import metadata
from tests.databases import alembic_config
from tests.migrations.catalog import kinds, objects
from tests.migrations.revisions import connected, execute, version

GUARDS = {"sqlite": guards.sqlite, "postgresql": guards.postgresql}
ONLY_MIGRATED = ("view", "grant")


def test_head_has_the_tables_and_indexes_and_checks_that_the_schema_describes(
    database_url: str, empty_database_url: str
) -> None:
    described = _described(empty_database_url)
    with connected(database_url) as connection:
        _same(
            kinds(described, "table", "column", "constraint", "index", "sequence"),
            kinds(objects(connection), "table", "column", "constraint", "index", "sequence"),
        )


def test_head_has_the_guards_that_the_lifecycle_generates(database_url: str, empty_database_url: str) -> None:
    described = _described(empty_database_url)
    with connected(database_url) as connection:
        _same(kinds(described, "trigger", "function"), kinds(objects(connection), "trigger", "function"))


def test_head_has_nothing_else_but_the_overview_and_the_rights_to_purge(
    database_url: str, empty_database_url: str
) -> None:
    described = _described(empty_database_url)
    with connected(database_url) as connection:
        rest = {name: text for name, text in objects(connection).items() if name not in described}
    assert rest == kinds(rest, *ONLY_MIGRATED)
    assert ["view task_overview"] == [*kinds(rest, "view")]


@pytest.mark.filterwarnings("ignore:Did not recognize type 'xid8'")
def test_alembic_finds_no_difference_to_the_schema(database_url: str) -> None:
    with connected(database_url) as connection:
        migration = MigrationContext.configure(connection, opts={"compare_type": True})
        assert [] == compare_metadata(migration, metadata)


def test_the_generated_sql_makes_the_same_database(database_url: str, empty_database_url: str) -> None:
    config = alembic_config(empty_database_url)
    config.output_buffer = StringIO()
    command.upgrade(config, "head", sql=True)
    _run_with_the_driver(empty_database_url, config.output_buffer.getvalue())
    with connected(database_url) as migrated, connected(empty_database_url) as generated:
        assert objects(migrated) == objects(generated)
        assert version(migrated) == version(generated)


def test_the_generated_sql_of_the_way_back_leaves_nothing(database_url: str) -> None:
    config = alembic_config(database_url)
    config.output_buffer = StringIO()
    command.downgrade(config, "head:base", sql=True)
    _run_with_the_driver(database_url, config.output_buffer.getvalue())
    with connected(database_url) as connection:
        assert {} == objects(connection)


def _described(url: str) -> dict[str, str]:
    """What the code of today makes of an empty database."""
    with connected(url) as connection:
        metadata.create_all(connection)
        execute(connection, [guard.create for guard in GUARDS[connection.dialect.name]()])
        return objects(connection)


def _same(described: dict[str, str], live: dict[str, str]) -> None:
    differing = sorted(dict(described.items() ^ live.items()))
    first = [f"\n  {name}\n    code: {described.get(name)}\n    head: {live.get(name)}" for name in differing[:3]]
    assert [] == differing, f"The code has changed: write a revision (see migrations/README.md).{''.join(first)}"


def _run_with_the_driver(url: str, text: str) -> None:
    address = sa.make_url(url)
    if address.get_backend_name() == "sqlite":
        lite = sqlite3.connect(str(address.database))
        lite.executescript(text)
        lite.close()
    else:
        with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as native:
            native.execute(text.encode())
