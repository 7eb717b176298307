"""What an operator, or a CI, asks of the schema by invoking the function."""

from pathlib import Path
from typing import Any

import pytest

from migrate.app import handler
from penstock import wiring
from penstock.domain.errors import InvalidInput
from penstock.settings import InvalidSetting
from tests.functions.conftest import LambdaContext
from tests.functions.payloads import event
from tests.migrations.revisions import VERSIONS, connected, execute, revisions, version

KNOWN = [revision.revision for revision in revisions()]
HEAD = KNOWN[-1]


@pytest.fixture
def empty(empty_database_url: str) -> str:
    """An empty database, and the function wired to it."""
    wiring.compose({"DATABASE_URL": empty_database_url})
    return empty_database_url


@pytest.fixture
def migrated(database_url: str) -> str:
    """A database at head, and the function wired to it."""
    wiring.compose({"DATABASE_URL": database_url})
    return database_url


@pytest.fixture(autouse=True)
def let_go() -> Any:
    yield
    wiring.compose({})


def at(url: str) -> str | None:
    with connected(url) as connection:
        return version(connection)


def move_ahead(url: str) -> None:
    """As a newer release would leave it."""
    with connected(url) as connection:
        execute(connection, [f"UPDATE {VERSIONS[connection.dialect.name]} SET version_num = '9999'"])


def test_upgrade_brings_an_empty_database_to_head_and_a_second_time_does_nothing(
    empty: str, lambda_context: LambdaContext
) -> None:
    done = {"command": "upgrade", "current": HEAD, "head": HEAD, "pending": [], "ahead": False}
    assert done | {"from": None} == handler(event("migrate.upgrade"), lambda_context)
    assert done | {"from": HEAD} == handler(event("migrate.upgrade"), lambda_context)
    assert HEAD == at(empty)


def test_upgrade_goes_as_far_as_it_is_told(empty: str, lambda_context: LambdaContext) -> None:
    answer = handler(event("migrate.upgrade", revision="0003"), lambda_context)
    assert ("0003", KNOWN[3:]) == (answer["current"], answer["pending"])
    assert "0003" == at(empty)


def test_a_database_that_is_ahead_is_left_as_it_is(migrated: str, lambda_context: LambdaContext) -> None:
    """Code that is rolled back meets the schema of the release that failed."""
    move_ahead(migrated)
    expected = {"command": "upgrade", "current": "9999", "head": HEAD, "pending": [], "ahead": True}
    assert expected == handler(event("migrate.upgrade"), lambda_context)
    assert "9999" == at(migrated)


def test_current_and_check_tell_where_the_database_stands(empty: str, lambda_context: LambdaContext) -> None:
    standing = {"current": None, "head": HEAD, "pending": KNOWN, "ahead": False}
    assert {"command": "current", **standing} == handler(event("migrate.current"), lambda_context)
    assert {"command": "check", **standing, "up_to_date": False} == handler(event("migrate.check"), lambda_context)
    handler(event("migrate.upgrade"), lambda_context)
    assert handler(event("migrate.check"), lambda_context)["up_to_date"]


def test_history_tells_every_revision_oldest_first(empty: str, lambda_context: LambdaContext) -> None:
    told = handler(event("migrate.history"), lambda_context)["revisions"]
    assert KNOWN == [each["revision"] for each in told]
    assert all(each["what"] for each in told)


def test_sql_is_what_would_be_run_and_runs_nothing(empty: str, lambda_context: LambdaContext) -> None:
    text = handler({"command": "sql"}, lambda_context)["sql"]
    assert len(KNOWN) == text.count("-- Running upgrade")
    text = handler(event("migrate.sql"), lambda_context)["sql"]
    assert ["0019 -> 0020", "0020 -> 0021"] == [line[-12:] for line in text.splitlines() if "-- Running" in line]
    assert handler(event("migrate.current"), lambda_context)["current"] is None


def test_a_downgrade_needs_a_revision_and_somebody_who_means_it(migrated: str, lambda_context: LambdaContext) -> None:
    asked = event("migrate.downgrade")
    for field in ("revision", "confirm"):
        with pytest.raises(InvalidInput) as refused:
            handler({name: value for name, value in asked.items() if name != field}, lambda_context)
        assert (field, HEAD) == (refused.value.field, at(migrated))
    with pytest.raises(InvalidInput, match=r"^confirm: "):
        handler(asked | {"confirm": "true"}, lambda_context)
    answer = handler(asked, lambda_context)
    assert (HEAD, "0020") == (answer["from"], answer["current"])
    assert "0020" == at(migrated)


@pytest.mark.parametrize("asked", [{}, {"command": "stamp"}, {"command": None}, {"command": "upgrade", "revision": 21}])
def test_what_is_not_understood_changes_nothing(
    empty: str, lambda_context: LambdaContext, asked: dict[str, Any]
) -> None:
    with pytest.raises(InvalidInput):
        handler(asked, lambda_context)
    assert handler(event("migrate.current"), lambda_context)["current"] is None


def test_the_revisions_are_where_the_deployment_says(
    empty: str, lambda_context: LambdaContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MIGRATIONS_PATH", str(tmp_path))
    with pytest.raises(InvalidSetting, match=r"^MIGRATIONS_PATH: has no env\.py"):
        handler(event("migrate.upgrade"), lambda_context)
