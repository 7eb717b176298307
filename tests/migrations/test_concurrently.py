"""Two migrations at once, one of which builds an index beside live traffic: one works, one waits, nothing hangs.

CREATE INDEX CONCURRENTLY waits for every older snapshot. Who waits for his turn must therefore hold none.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent

import psycopg
import pytest

from tests.migrations.commands import finish, more_revisions, start
from tests.migrations.revisions import connected, revisions, version
from tests.migrations.test_rivals import until_waiting

HEAD = int(revisions()[-1].revision)
INDEX = f"""
    from alembic import op
    revision = "{HEAD + 1:04}"
    down_revision = "{HEAD:04}"
    UP = ["DROP INDEX CONCURRENTLY IF EXISTS ix_marks", "CREATE INDEX CONCURRENTLY ix_marks ON marks (number)"]
    def upgrade(run):
        with op.get_context().autocommit_block():
            run({{"postgresql": UP}})
"""
BUILDING = "SELECT count(*) FROM pg_stat_progress_create_index WHERE datname = current_database()"
INDEXES = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'ix_marks'::regclass"


@pytest.fixture
def beyond(tmp_path: Path) -> list[str]:
    """One revision beyond head, which builds an index concurrently."""
    arguments = more_revisions(tmp_path)
    (tmp_path / "versions" / "index.py").write_text(dedent(INDEX))
    return arguments


@contextmanager
def a_writer(url: str) -> Iterator[psycopg.Connection]:
    """Who has written a row and not committed: the index is not finished before that."""
    plain = url.replace("+psycopg", "")
    with psycopg.connect(plain, autocommit=True) as setup:
        setup.execute("CREATE TABLE marks (number INTEGER)")
        setup.execute("INSERT INTO marks SELECT generate_series(1, 1000)")
    with psycopg.connect(plain) as writer, writer.transaction():
        writer.execute("INSERT INTO marks VALUES (0)")
        yield writer


def test_of_two_upgrades_one_builds_the_index_and_the_other_waits(postgres_url: str, beyond: list[str]) -> None:
    with psycopg.connect(postgres_url.replace("+psycopg", ""), autocommit=True) as watch:
        with a_writer(postgres_url):
            first = start(postgres_url, *beyond, "upgrade", "head")
            while watch.execute(BUILDING).fetchone() != (1,):
                assert first.poll() is None
            second = start(postgres_url, *beyond, "upgrade", "head")
            until_waiting(watch, 1, first, second)
        answers = [finish(first), finish(second)]
        assert [(0, 1), (0, 0)] == [(code, said.count("Running upgrade")) for code, said in answers]
        assert [(True,)] == watch.execute(INDEXES).fetchall()
    with connected(postgres_url) as connection:
        assert f"{HEAD + 1:04}" == version(connection)


def test_a_run_that_dies_keeps_the_next_one_waiting_until_its_index_is_done(
    postgres_url: str, beyond: list[str]
) -> None:
    """The server goes on building for a client that is gone; another CREATE INDEX beside it would be a deadlock."""
    with psycopg.connect(postgres_url.replace("+psycopg", ""), autocommit=True) as watch:
        with a_writer(postgres_url):
            first = start(postgres_url, *beyond, "upgrade", "head")
            while watch.execute(BUILDING).fetchone() != (1,):
                assert first.poll() is None
            first.kill()
            first.communicate()
            second = start(postgres_url, *beyond, "upgrade", "head")
            until_waiting(watch, 1, second)
        assert (0, 1) == ((answer := finish(second))[0], answer[1].count("Running upgrade"))
        assert [(True,)] == watch.execute(INDEXES).fetchall()
