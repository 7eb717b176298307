"""Two migrations at once: each revision runs once, and whoever comes second goes on from where the first one is."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.util import CommandError

from tests.databases import alembic_config
from tests.migrations.commands import alembic, finish, more_revisions, start
from tests.migrations.revisions import connected, execute, revisions, version

LOCK = int.from_bytes(b"penstock", "big")
WAITING = """
    SELECT count(*) FROM pg_stat_activity AS session
    WHERE datname = current_database() AND state = 'idle' AND query LIKE 'SELECT pg_try_advisory_lock%'
        AND NOT EXISTS (SELECT FROM pg_locks WHERE pg_locks.pid = session.pid AND locktype = 'advisory')
"""
HEAD = int(revisions()[-1].revision)
MARKS = [
    ([f"INSERT INTO marks VALUES ({number})"], [f"DELETE FROM marks WHERE number = {number}"])
    for number in range(HEAD + 1, HEAD + 5)
]


@pytest.fixture
def beyond(tmp_path: Path) -> list[str]:
    """Four revisions beyond head, each of which leaves a mark every time it runs."""
    return more_revisions(tmp_path, *MARKS)


@contextmanager
def the_lock_taken(url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(url.replace("+psycopg", "")) as holder, holder.transaction():
        holder.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
        yield holder


def until_waiting(holder: psycopg.Connection, rivals: int, *commands: subprocess.Popen[str]) -> None:
    while holder.execute(WAITING).fetchone() != (rivals,):
        holder.execute("SELECT pg_stat_clear_snapshot()")
        assert [None] * len(commands) == [command.poll() for command in commands]


def marks(url: str) -> list[int]:
    with connected(url) as connection:
        return [number for (number,) in connection.exec_driver_sql("SELECT number FROM marks ORDER BY number")]


def test_two_upgrades_at_once_run_each_revision_once_and_both_succeed(postgres_url: str, beyond: list[str]) -> None:
    make_table(postgres_url)
    with the_lock_taken(postgres_url) as holder:
        first = start(postgres_url, *beyond, "upgrade", "head")
        until_waiting(holder, 1, first)
        second = start(postgres_url, *beyond, "upgrade", "head")
        until_waiting(holder, 2, first, second)

    (code, said), (other_code, also_said) = finish(first), finish(second)
    assert (0, 0) == (code, other_code)
    assert len(MARKS) == (said + also_said).count("Running upgrade")
    assert [HEAD + 1, HEAD + 2, HEAD + 3, HEAD + 4] == marks(postgres_url)
    with connected(postgres_url) as connection:
        assert f"{HEAD + 4:04}" == version(connection)


def test_from_nothing_two_upgrades_at_once_both_succeed(empty_database_url: str, database_url: str) -> None:
    commands = [start(empty_database_url, "upgrade", "head") for _ in range(2)]
    answers = [finish(command) for command in commands]
    assert [0, 0] == [code for code, _ in answers]
    assert HEAD == sum(said.count("Running upgrade") for _, said in answers)


def test_who_goes_one_step_each_goes_two_together(postgres_url: str, beyond: list[str]) -> None:
    make_table(postgres_url)
    with the_lock_taken(postgres_url) as holder:
        commands = [start(postgres_url, *beyond, "upgrade", "+1") for _ in range(2)]
        until_waiting(holder, 2, *commands)
    assert [0, 0] == [finish(command)[0] for command in commands]
    assert [HEAD + 1, HEAD + 2] == marks(postgres_url)


def test_who_counts_steps_counts_from_where_its_turn_begins(postgres_url: str, beyond: list[str]) -> None:
    make_table(postgres_url)
    with the_lock_taken(postgres_url) as holder:
        commands = [start(postgres_url, *beyond, "upgrade", steps) for steps in ("+2", "+1")]
        until_waiting(holder, 2, *commands)
    assert [0, 0] == [finish(command)[0] for command in commands]
    assert [HEAD + 1, HEAD + 2, HEAD + 3] == marks(postgres_url)


@pytest.mark.parametrize("engine_kind", ["sqlite"])
def test_where_a_turn_is_one_migration_who_counts_steps_and_is_overtaken_stops_and_says_so(
    database_url: str, beyond: list[str]
) -> None:
    """Where two steps from here lead is no longer what was meant when the command was given."""
    make_table(database_url)
    engine = sa.create_engine(database_url, poolclass=sa.NullPool)
    turns: list[sa.Connection] = []

    @sa.event.listens_for(engine, "begin")
    def overtake(connection: sa.Connection) -> None:
        """The rival comes when the first of the two steps has been committed, and the second is about to begin."""
        turns.append(connection)
        if len(turns) == 2:
            assert 0 == alembic(database_url, *beyond, "upgrade", "+1")[0]

    with engine.connect() as connection:
        config = Config(beyond[1])
        config.attributes["connection"] = connection
        with pytest.raises(CommandError, match="another migration ran at the same time"):
            command.upgrade(config, "+2")
    assert [HEAD + 1, HEAD + 2] == marks(database_url)


def test_who_has_waited_long_enough_gives_up_and_says_where_to_look(postgres_url: str) -> None:
    config = alembic_config(postgres_url)
    config.attributes["patience_seconds"] = 0
    with (
        the_lock_taken(postgres_url),
        pytest.raises(CommandError, match=r"more than 0 seconds; see who holds the lock"),
    ):
        command.upgrade(config, "head")


def test_the_session_of_the_caller_is_given_back_as_it_was(postgres_url: str, beyond: list[str]) -> None:
    make_table(postgres_url)
    config = Config(beyond[1])
    with sa.create_engine(postgres_url, poolclass=sa.NullPool).connect() as connection:
        connection.exec_driver_sql("SET statement_timeout = '7s'")
        connection.commit()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        assert "7s" == connection.exec_driver_sql("SHOW statement_timeout").scalar()
        held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"
        assert 0 == connection.exec_driver_sql(held).scalar()


def test_who_asks_where_the_database_stands_waits_for_nobody(postgres_url: str) -> None:
    with the_lock_taken(postgres_url):
        assert (0, f"{HEAD:04} (head)\n") == alembic(postgres_url, "current")


def make_table(url: str) -> None:
    with connected(url) as connection:
        execute(connection, ["CREATE TABLE marks (number INTEGER)"])
