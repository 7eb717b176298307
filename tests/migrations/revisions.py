"""The revisions as Alembic reads them, and their frozen text as a driver takes it."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent

import sqlalchemy as sa
from alembic.config import Config
from alembic.script import Script, ScriptDirectory

ROOT = Path(__file__).parents[2]
MIGRATIONS = ROOT / "migrations"
# Where Alembic notes the revision.
VERSIONS = {"sqlite": "penstock_alembic_version", "postgresql": "penstock.alembic_version"}


def scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(Config(toml_file=ROOT / "pyproject.toml"))


def revisions() -> list[Script]:
    """From the first to the head."""
    return list(scripts().walk_revisions())[::-1]


def up(revision: Script, engine: str) -> list[str]:
    return [dedent(statement) for statement in revision.module.UP[engine]]


def down(revision: Script, engine: str) -> list[str]:
    return [dedent(statement) for statement in revision.module.DOWN[engine]]


@contextmanager
def connected(url: str) -> Iterator[sa.Connection]:
    """One transaction, committed at the end. Its SQL may name our tables without their schema, and write them."""
    with sa.create_engine(url, poolclass=sa.NullPool).begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("SET LOCAL search_path = public, penstock")
            connection.exec_driver_sql("SET LOCAL row_security = off")
        yield connection


def execute(connection: sa.Connection, statements: Iterable[str]) -> None:
    for statement in statements:
        connection.exec_driver_sql(statement, execution_options={"no_parameters": True})


def version(connection: sa.Connection) -> str | None:
    """Where the database stands; None where nothing is noted, or nowhere to note it."""
    schema, _, table = VERSIONS[connection.dialect.name].rpartition(".")
    if not sa.inspect(connection).has_table(table, schema or None):
        return None
    found = connection.exec_driver_sql(f"SELECT version_num FROM {VERSIONS[connection.dialect.name]}").scalar()
    return found if found is None else str(found)
