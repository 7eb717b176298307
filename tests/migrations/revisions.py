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
    """One transaction, committed at the end."""
    with sa.create_engine(url, poolclass=sa.NullPool).begin() as connection:
        yield connection


def execute(connection: sa.Connection, statements: Iterable[str]) -> None:
    for statement in statements:
        connection.exec_driver_sql(statement, execution_options={"no_parameters": True})


def version(connection: sa.Connection) -> str | None:
    """Where the database stands."""
    found = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    return found if found is None else str(found)
