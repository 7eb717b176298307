"""Who migrates may die at any commit: what was committed stands, nothing else is left, and the next run goes on from there."""

import subprocess
import sys
from itertools import pairwise
from pathlib import Path

from alembic import command

from tests.databases import alembic_config
from tests.migrations.catalog import objects
from tests.migrations.revisions import connected, revisions

ROOT = Path(__file__).parents[2]


def test_killed_around_each_commit_an_upgrade_goes_on_where_it_was(empty_database_url: str, database_url: str) -> None:
    lives = subprocess.run(
        [sys.executable, "-m", "tests.migrations.victim", empty_database_url],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    ).stdout.splitlines()
    numbers = [None, *(revision.revision for revision in revisions())]
    around = [line for old, new in pairwise(numbers) for line in (f"before {old}", f"after {new}")]
    assert around == lives
    command.upgrade(alembic_config(empty_database_url), "head")
    with connected(empty_database_url) as survived, connected(database_url) as undisturbed:
        assert objects(undisturbed) == objects(survived)
