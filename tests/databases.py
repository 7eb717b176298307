"""Databases for tests: empty ones, and copies of one that was migrated to head once for each engine."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import make_url

from tests import servers

PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"
SERVERS = {"postgres" if version == 18 else f"postgres{version}": version for version in servers.installed()}
ENGINE_KINDS = ["sqlite", *SERVERS]


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
        if engine_kind in SERVERS:
            return servers.create_database(servers.start(SERVERS[engine_kind]), name, source)
        file = self._directory / f"{name}.db"
        if source:
            shutil.copy(source, file)
        return f"sqlite:///{file}"

    @contextmanager
    def _lent(self, engine_kind: str, url: str) -> Iterator[str]:
        try:
            yield url
        finally:
            database = make_url(url).database
            assert database
            if engine_kind in SERVERS:
                servers.drop_database(servers.start(SERVERS[engine_kind]), database)
            else:
                for leftover in self._directory.glob(f"{Path(database).name}*"):
                    leftover.unlink()
