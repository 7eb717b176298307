"""Head is what the code describes: the tables of the schema, the guards of the lifecycle, and what --sql prints."""

import sqlite3
from io import StringIO
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateTable

import penstock.dal
from penstock.dal import guards
from penstock.dal.schema import metadata
from tests.databases import alembic_config
from tests.migrations.catalog import kinds, objects
from tests.migrations.revisions import VERSIONS, connected, execute, version

GUARDS = {"sqlite": guards.sqlite, "postgresql": guards.postgresql}
LEDGER = Path(penstock.dal.__file__).parent / "ledger" / "postgresql"
TYPES = LEDGER / "types.sql"
ONLY_MIGRATED = ("view", "grant")
IN_THE_SCHEMA: dict[str, Any] = {
    "version_table_schema": "penstock",
    "include_schemas": True,
    "include_name": lambda name, kind, _parents: name == "penstock" or kind != "schema",
}


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


def test_head_has_nothing_else_but_the_overview_and_the_rights_of_roles(
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
        described, options = metadata, {"version_table": VERSIONS["sqlite"]}
        if connection.dialect.name == "postgresql":
            described, options = _in_its_schema(), IN_THE_SCHEMA
        migration = MigrationContext.configure(connection, opts={"compare_type": True, **options})
        assert [] == compare_metadata(migration, described)


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
        if connection.dialect.name == "postgresql":
            execute(connection, ["CREATE SCHEMA penstock"])
            connection.execution_options(schema_translate_map={None: "penstock"})
        metadata.create_all(connection)
        execute(connection, [guard.create for guard in GUARDS[connection.dialect.name]()])
        if connection.dialect.name == "postgresql":
            execute(connection, (file.read_text() for file in [TYPES, *sorted({*LEDGER.glob("*.sql")} - {TYPES})]))
        return objects(connection)


def _in_its_schema() -> sa.MetaData:
    """The tables as they are on PostgreSQL."""
    inside = sa.MetaData(naming_convention=metadata.naming_convention)
    native = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy leaves it untyped
    for table in metadata.sorted_tables:
        copy = table.to_metadata(inside, schema="penstock")
        made = str(CreateTable(table).compile(dialect=native))
        copy.constraints -= {each for each in copy.foreign_key_constraints if f" {each.name} " not in made}
    return inside


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
