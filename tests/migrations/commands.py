"""The command line of Alembic as an operator starts it, over the real revisions and, on request, some more."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.migrations.revisions import MIGRATIONS, ROOT, revisions

REVISION = """
revision = "{number}"
down_revision = "{before}"
UP = {up!r}
DOWN = {down!r}
def upgrade(run):
    run({{"sqlite": UP, "postgresql": UP}})
def downgrade(run):
    run({{"sqlite": DOWN, "postgresql": DOWN}})
"""


def more_revisions(directory: Path, *texts: tuple[list[str], list[str]]) -> list[str]:
    """Revisions beyond head, each of statements up and down; the arguments that make the command see them."""
    versions = directory / "versions"
    versions.mkdir()
    before = revisions()[-1].revision
    for number, (up, down) in enumerate(texts, start=int(before) + 1):
        text = REVISION.format(number=f"{number:04}", before=before, up=up, down=down)
        (versions / f"{number:04}_more.py").write_text(text)
        before = f"{number:04}"
    ini = directory / "alembic.ini"
    ini.write_text(
        f"[alembic]\nscript_location = {MIGRATIONS}\npath_separator = os\n"
        f"version_locations = {MIGRATIONS / 'versions'}{os.pathsep}{versions}\n"
    )
    return ["-c", str(ini)]


def start(url: str | None, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "alembic.config", *arguments],
        cwd=ROOT,
        env=_environment(url),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(command: subprocess.Popen[str]) -> tuple[int, str]:
    """Its exit code and what it said."""
    said, _ = command.communicate(timeout=120)
    return command.returncode, said


def alembic(url: str | None, *arguments: str) -> tuple[int, str]:
    return finish(start(url, *arguments))


def _environment(url: str | None) -> Mapping[str, str]:
    rest = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    return rest if url is None else {**rest, "DATABASE_URL": url}
