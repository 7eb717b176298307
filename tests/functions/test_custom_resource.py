"""CloudFormation asks for the schema and has one answer in every case, before it could begin to wait for it."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from migrate import custom_resource
from migrate.app import handler
from penstock import wiring
from tests.functions.cloudformation import Desk, desk
from tests.functions.conftest import LambdaContext
from tests.functions.payloads import event
from tests.functions.test_migrate import HEAD, at, move_ahead
from tests.migrations.commands import REVISION
from tests.migrations.revisions import MIGRATIONS
from tests.migrations.test_rivals import the_lock_taken

BEYOND = f"{int(HEAD) + 1:04}"


@pytest.fixture
def cloudformation() -> Iterator[Desk]:
    with desk() as opened:
        yield opened


@pytest.fixture(autouse=True)
def let_go() -> Iterator[None]:
    yield
    wiring.compose({})


@pytest.fixture
def migrated(database_url: str) -> str:
    wiring.compose({"DATABASE_URL": database_url})
    return database_url


@pytest.fixture
def beyond(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Migrations of a next release; the test writes its revision."""
    there = tmp_path / "migrations"
    shutil.copytree(MIGRATIONS, there, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setenv("MIGRATIONS_PATH", str(there))
    return there / "versions" / f"{BEYOND}_next.py"


def revision(*statements: str) -> str:
    return REVISION.format(number=BEYOND, before=HEAD, up=list(statements), down=[])


def ask(name: str, at: Desk, context: LambdaContext, **changes: Any) -> dict[str, Any]:
    answer: dict[str, Any] = handler(event(f"migrate.{name}", ResponseURL=at.url, **changes), context)
    return answer


def test_a_stack_that_is_created_gets_its_schema(
    empty_database_url: str, cloudformation: Desk, lambda_context: LambdaContext
) -> None:
    wiring.compose({"DATABASE_URL": empty_database_url})
    returned = ask("create", cloudformation, lambda_context)
    asked = event("migrate.create")
    expected = {
        "Status": "SUCCESS",
        "Reason": "",
        "PhysicalResourceId": f"schema:{wiring.settings().database.called}",
        "StackId": asked["StackId"],
        "RequestId": asked["RequestId"],
        "LogicalResourceId": "SchemaMigration",
        "Data": {"Revision": HEAD},
    }
    assert expected == cloudformation.only == returned
    assert HEAD == at(empty_database_url)


def test_the_answer_is_sent_as_its_url_was_signed_for(
    migrated: str, cloudformation: Desk, lambda_context: LambdaContext
) -> None:
    ask("create", cloudformation, lambda_context)
    (headers,) = cloudformation.headers
    assert ("", True) == (headers["Content-Type"], int(headers["Content-Length"]) < 4096)


def test_a_stack_that_is_updated_keeps_its_resource(
    migrated: str, cloudformation: Desk, lambda_context: LambdaContext
) -> None:
    ask("update", cloudformation, lambda_context)
    assert ("SUCCESS", "schema:penstock") == (cloudformation.only["Status"], cloudformation.only["PhysicalResourceId"])


def test_a_stack_that_is_deleted_leaves_everything_and_asks_no_database(
    cloudformation: Desk, lambda_context: LambdaContext
) -> None:
    wiring.compose({"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"})
    ask("delete", cloudformation, lambda_context)
    assert ("SUCCESS", "schema:penstock") == (cloudformation.only["Status"], cloudformation.only["PhysicalResourceId"])


def test_a_request_that_comes_twice_is_answered_twice_and_done_once(
    migrated: str, beyond: Path, cloudformation: Desk, lambda_context: LambdaContext
) -> None:
    beyond.write_text(revision("CREATE TABLE once (id INTEGER)"))
    for _ in range(2):
        ask("update", cloudformation, lambda_context)
    assert [("SUCCESS", BEYOND)] * 2 == [(a["Status"], a["Data"]["Revision"]) for a in cloudformation.answers]


def test_a_database_that_is_ahead_is_a_success(
    migrated: str, cloudformation: Desk, lambda_context: LambdaContext
) -> None:
    """A stack that rolls back runs the old code; its failure would leave the stack stuck."""
    move_ahead(migrated)
    ask("update", cloudformation, lambda_context)
    assert ("SUCCESS", "the database is ahead") == (cloudformation.only["Status"], cloudformation.only["Reason"])
    assert "9999" == at(migrated)


# --- what goes wrong is an answer too, and no error: Lambda would do all of it again -----------------------------


def failed(cloudformation: Desk) -> str:
    assert "FAILED" == cloudformation.only["Status"]
    assert len(json.dumps(cloudformation.only)) < 4096
    reason: str = cloudformation.only["Reason"]
    return reason


def test_a_migration_that_fails_is_undone_and_the_reason_is_a_line(
    migrated: str, beyond: Path, cloudformation: Desk, lambda_context: LambdaContext
) -> None:
    beyond.write_text(revision("CREATE TABLE half (id INTEGER)", "INSERT INTO nowhere VALUES ('s3cret')"))
    ask("update", cloudformation, lambda_context)
    reason = failed(cloudformation)
    assert ("nowhere" in reason, "s3cret" in reason, "\n" in reason) == (True, False, False)
    assert HEAD == at(migrated)


def test_a_database_that_is_away_is_a_failure_that_tells_no_password(
    cloudformation: Desk, lambda_context: LambdaContext
) -> None:
    wiring.compose({"DATABASE_URL": "postgresql://ann:s3cret@127.0.0.1:1/jobs"})
    ask("create", cloudformation, lambda_context)
    assert "Connection refused" in (reason := failed(cloudformation))
    assert "s3cret" not in reason
    assert "schema:jobs" == cloudformation.only["PhysicalResourceId"]


def test_a_deployment_that_names_no_database_is_a_failure_with_the_name_of_the_variable(
    cloudformation: Desk, lambda_context: LambdaContext
) -> None:
    wiring.compose({})
    ask("create", cloudformation, lambda_context)
    assert "InvalidSetting: DATABASE_URL: is not set" in failed(cloudformation)
    assert "schema:unknown" == cloudformation.only["PhysicalResourceId"]


def test_a_layer_of_migrations_that_is_missing_is_a_failure(
    migrated: str, cloudformation: Desk, lambda_context: LambdaContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MIGRATIONS_PATH", str(tmp_path / "missing"))
    ask("create", cloudformation, lambda_context)
    assert "MIGRATIONS_PATH" in failed(cloudformation)


def test_a_lock_that_somebody_holds_is_waited_for_no_longer_than_there_is_time(
    postgres_url: str, cloudformation: Desk, lambda_context: LambdaContext
) -> None:
    wiring.compose({"DATABASE_URL": postgres_url})
    lambda_context.remaining_ms = 20_500
    with the_lock_taken(postgres_url):
        ask("update", cloudformation, lambda_context)
    assert "another migration has been running for more than 0 seconds" in failed(cloudformation)


def test_a_connection_that_is_lost_in_mid_migration_undoes_it(
    postgres_url: str, beyond: Path, cloudformation: Desk, lambda_context: LambdaContext
) -> None:
    wiring.compose({"DATABASE_URL": postgres_url})
    beyond.write_text(revision("CREATE TABLE half (id INTEGER)", "SELECT pg_terminate_backend(pg_backend_pid())"))
    ask("update", cloudformation, lambda_context)
    assert "terminating connection" in failed(cloudformation)
    assert HEAD == at(postgres_url)
    beyond.write_text(revision("CREATE TABLE half (id INTEGER)"))
    assert "SUCCESS" == ask("update", cloudformation, lambda_context)["Status"]


def test_shortly_before_lambda_ends_it_the_answer_is_given_and_stays_the_only_one(
    cloudformation: Desk, lambda_context: LambdaContext
) -> None:
    wiring.compose({"DATABASE_URL": "sqlite://"})
    lambda_context.remaining_ms = 1_000 * custom_resource.MARGIN_SECONDS

    def work() -> dict[str, Any]:
        """Ends right after the answer that its time is over."""
        assert cloudformation.taken.wait(60)
        return {"current": HEAD}

    asked = event("migrate.update", ResponseURL=cloudformation.url)
    answer = custom_resource.answer(asked, lambda_context, work)  # type: ignore[arg-type]  # as much of it as is used
    assert "did not end in time" in failed(cloudformation)
    assert cloudformation.only == answer


def test_an_answer_that_is_not_taken_is_given_again(
    migrated: str, cloudformation: Desk, lambda_context: LambdaContext
) -> None:
    cloudformation.says = [503, 500]
    ask("update", cloudformation, lambda_context)
    assert ["SUCCESS"] * 3 == [answer["Status"] for answer in cloudformation.answers]


@pytest.mark.parametrize(("says", "tries"), [([500] * 9, 3), ([403] * 9, 1)])
def test_an_answer_that_is_refused_for_good_is_an_error_that_tells_no_signature(
    migrated: str, cloudformation: Desk, lambda_context: LambdaContext, says: list[int], tries: int
) -> None:
    cloudformation.says = says
    with pytest.raises(custom_resource.NotAnswered) as refused:
        ask("update", cloudformation, lambda_context)
    assert (tries, False) == (len(cloudformation.answers), "s3cret" in str(refused.value))


def test_no_line_of_the_log_holds_the_url_that_answers_are_taken_at(
    migrated: str, cloudformation: Desk, lambda_context: LambdaContext, capsys: pytest.CaptureFixture[str]
) -> None:
    ask("update", cloudformation, lambda_context)
    assert "X-Amz-Signature" not in capsys.readouterr().out
