"""Databases for tests: empty ones, and copies of one that was migrated to head once for each engine.

PENSTOCK_TEST_ENGINES chooses among the engines: `pgbouncer` is PostgreSQL behind a pooler, and only there when chosen.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import psycopg
from alembic import command
from alembic.config import Config
from psycopg import sql
from sqlalchemy import make_url

from tests import pooler, servers

PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"
SQLITE, PGBOUNCER = "sqlite", "pgbouncer"
INSTALLED = {"postgres" if version == 18 else f"postgres{version}": version for version in servers.installed()}
VERSIONS = {**INSTALLED, PGBOUNCER: 18}
CHOSEN = [kind for kind in os.environ.get("PENSTOCK_TEST_ENGINES", "").split(",") if kind]
ENGINE_KINDS = CHOSEN or [SQLITE, *INSTALLED]
SERVERS = {kind: VERSIONS[kind] for kind in ENGINE_KINDS if kind != SQLITE}
# Without the older PostgreSQL, which takes part where SQL is written: in the dal and the migrations.
NEWEST_KINDS = CHOSEN or [SQLITE, "postgres"]
# For what only PostgreSQL can show, whatever its version.
POSTGRES = PGBOUNCER if PGBOUNCER in SERVERS else "postgres"


def configure(url: str, setting: str, value: str) -> None:
    """Every new session of this PostgreSQL database begins with this; a pooler takes none that the client asks for."""
    with psycopg.connect(pooler.past(url).replace("+psycopg", ""), autocommit=True) as session:
        here = sql.Identifier(session.info.dbname)
        session.execute(sql.SQL("ALTER DATABASE {} SET {} = {}").format(here, sql.Identifier(setting), value))
    pooler.forget_sessions(url)


def alembic_config(url: str) -> Config:
    config = Config(toml_file=PYPROJECT)
    config.attributes["url"] = url
    return config


class Databases:
    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._names = (f"t{number}" for number in count(1))
        self._templates: dict[str, str] = {}

    @contextmanager
    def migrated(self, engine_kind: str) -> Iterator[str]:
        if engine_kind not in self._templates:
            template = self._create(engine_kind)
            command.upgrade(alembic_config(template), "head")
            self._templates[engine_kind] = template
        with self._lent(engine_kind, self._create(engine_kind, self._templates[engine_kind])) as url:
            yield url

    @contextmanager
    def empty(self, engine_kind: str) -> Iterator[str]:
        with self._lent(engine_kind, self._create(engine_kind)) as url:
            yield url

    def _create(self, engine_kind: str, template: str | None = None) -> str:
        name, source = next(self._names), make_url(template).database if template else None
        if engine_kind in VERSIONS:
            return servers.create_database(servers.start(VERSIONS[engine_kind]), name, source)
        file = self._directory / f"{name}.db"
        if source:
            shutil.copy(source, file)
        return f"sqlite:///{file}"

    @contextmanager
    def _lent(self, engine_kind: str, url: str) -> Iterator[str]:
        try:
            yield pooler.through(url) if engine_kind == PGBOUNCER else url
        finally:
            database = make_url(url).database
            assert database
            if engine_kind in VERSIONS:
                servers.drop_database(servers.start(VERSIONS[engine_kind]), database)
            else:
                for leftover in self._directory.glob(f"{Path(database).name}*"):
                    leftover.unlink()
