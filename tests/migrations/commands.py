"""The command line of Alembic as an operator starts it, over the real revisions and, on request, some more."""

import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from tests.migrations.revisions import MIGRATIONS, ROOT, revisions

REVISION = """
revision = {number!r}
down_revision = {before!r}
UP = {{"sqlite": {up!r}, "postgresql": {up!r}}}
DOWN = {{"sqlite": {down!r}, "postgresql": {down!r}}}
def upgrade(run):
    run(UP)
def downgrade(run):
    run(DOWN)
"""


def more_revisions(directory: Path, *texts: tuple[list[str], list[str]]) -> list[str]:
    """Revisions beyond head, each of statements up and down; the arguments that make the command see them."""
    versions = _written(directory, revisions()[-1].revision, texts)
    return _seen(directory, MIGRATIONS / "versions", versions)


def other_revisions(directory: Path, *texts: tuple[list[str], list[str]]) -> list[str]:
    """As more_revisions, from nothing: in the place of ours."""
    return _seen(directory, _written(directory, None, texts))


def _written(directory: Path, before: str | None, texts: Iterable[tuple[list[str], list[str]]]) -> Path:
    versions = directory / "versions"
    versions.mkdir()
    for number, (up, down) in enumerate(texts, start=int(before or 0) + 1):
        text = REVISION.format(number=f"{number:04}", before=before, up=up, down=down)
        (versions / f"{number:04}_more.py").write_text(text)
        before = f"{number:04}"
    return versions


def _seen(directory: Path, *versions: Path) -> list[str]:
    ini = directory / "alembic.ini"
    ini.write_text(
        f"[alembic]\nscript_location = {MIGRATIONS}\npath_separator = os\n"
        f"version_locations = {os.pathsep.join(map(str, versions))}\n"
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
