"""Up, down and up again, with a row in every table that there is."""

import sqlalchemy as sa
from alembic import command

from penstock.dal.schema import metadata
from tests.databases import alembic_config
from tests.migrations.catalog import objects
from tests.migrations.revisions import connected, down, execute, revisions, up, version
from tests.migrations.rows import ROWS, inserts


def test_from_nothing_to_head_to_nothing_to_head_with_rows_in_every_table(empty_database_url: str) -> None:
    config = alembic_config(empty_database_url)
    command.upgrade(config, "head")
    with connected(empty_database_url) as connection:
        at_head = objects(connection)
        execute(connection, inserts(ROWS))

    command.downgrade(config, "base")
    with connected(empty_database_url) as connection:
        assert {} == objects(connection)
        assert version(connection) is None

    command.upgrade(config, "head")
    with connected(empty_database_url) as connection:
        assert at_head == objects(connection)
        execute(connection, inserts(ROWS))


def test_each_revision_goes_up_and_down_and_up_again_with_rows_in_its_tables(empty_database_url: str) -> None:
    config = alembic_config(empty_database_url)
    command.stamp(config, "base")
    for revision in revisions():
        before = _objects(empty_database_url)
        command.upgrade(config, revision.revision)
        after = _objects(empty_database_url)
        assert (before != after) == bool(up(revision, _engine(empty_database_url)))
        _fill(empty_database_url, _tables(after) - _tables(before))

        command.downgrade(config, "-1")
        assert before == _objects(empty_database_url)

        command.upgrade(config, "+1")
        assert after == _objects(empty_database_url)
        _fill(empty_database_url, _tables(after) - _tables(before))


def test_head_goes_down_step_by_step_past_rows_in_every_table(database_url: str) -> None:
    config = alembic_config(database_url)
    _fill(database_url, set(ROWS))
    for revision in revisions()[::-1]:
        before = _objects(database_url)
        command.downgrade(config, str(revision.down_revision or "base"))
        after = _objects(database_url)
        assert after.items() < before.items() if down(revision, _engine(database_url)) else after == before
    assert {} == _objects(database_url)


def test_running_up_again_changes_nothing(database_url: str) -> None:
    _fill(database_url, set(ROWS))
    with connected(database_url) as connection:
        before = objects(connection), _counts(connection)
        for revision in revisions():
            execute(connection, up(revision, connection.dialect.name))
        assert before == (objects(connection), _counts(connection))


def test_running_down_again_changes_nothing(database_url: str) -> None:
    config = alembic_config(database_url)
    for revision in revisions()[::-1]:
        command.downgrade(config, str(revision.down_revision or "base"))
        with connected(database_url) as connection:
            before = objects(connection)
            execute(connection, down(revision, connection.dialect.name))
            assert before == objects(connection)


def _engine(url: str) -> str:
    return sa.make_url(url).get_backend_name()


def _objects(url: str) -> dict[str, str]:
    with connected(url) as connection:
        return objects(connection)


def _tables(found: dict[str, str]) -> set[str]:
    names = {name.split()[1].split(".")[0] for name in found}
    return names & set(metadata.tables)


def _fill(url: str, tables: set[str]) -> None:
    with connected(url) as connection:
        execute(connection, inserts(tables))


def _counts(connection: sa.Connection) -> dict[str, int]:
    return {
        table: connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one() for table in metadata.tables
    }
