"""The parts of a container: one engine as Lambda wants it, logins that may change, doorbells published at once."""

import json
import logging
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import boto3
import psycopg
import pytest
import sqlalchemy as sa

import penstock
from penstock import wiring
from penstock.dal import executions, schema
from penstock.dal.dialect.serving import IDLE
from penstock.dal.store import Store
from penstock.settings import InvalidSetting
from tests.acting import MINUTE, Clock, job, only, rows
from tests.amazon import Amazon


@pytest.fixture(autouse=True)
def unwired() -> Iterator[None]:
    """What a test wires is gone after it."""
    yield
    wiring.compose({})


def ask(store: Store, statement: str) -> Any:
    """One value out of the engine that the container uses."""
    with store.database.autocommit() as session:
        (row,) = session.cursor.execute(statement).fetchall()
        return row[0]


def plain(url: str) -> psycopg.Connection:
    return psycopg.connect(url.replace("+psycopg", ""), autocommit=True)


# --- the engine ------------------------------------------------------------------------------------------------


def test_nothing_is_opened_or_read_before_it_is_used() -> None:
    """A store can be made, and the module imported, where there is neither a database nor an environment."""
    wiring.compose({"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"})
    assert "tester" == wiring.store("tester").actor
    code = (
        "import sys, penstock.wiring, penstock.telemetry; print([n for n in ('boto3', 'alembic') if n in sys.modules])"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": "shared"}, capture_output=True, text=True, check=True
    )
    assert "[]\n" == run.stdout


def test_a_store_works_on_every_engine(database_url: str) -> None:
    wiring.compose({"DATABASE_URL": database_url})
    store = wiring.store("tester")
    created = only(store.alone(executions.create, job()))
    assert [created] == [row.id for row in rows(store, schema.task_executions)]


def test_a_container_has_one_connection_and_says_who_it_is(postgres_url: str) -> None:
    environ = {"DATABASE_URL": postgres_url, "POWERTOOLS_SERVICE_NAME": "billing", "AWS_LAMBDA_FUNCTION_NAME": "worker"}
    wiring.compose(environ)
    pids = {ask(wiring.store(actor), "SELECT pg_backend_pid()") for actor in ("a", "b", "c")}
    assert 1 == len(pids)
    assert "billing:worker" == ask(wiring.store("a"), "SHOW application_name")
    with wiring.store("a").database.autocommit(), pytest.raises(sa.exc.TimeoutError):
        ask(wiring.store("b"), "SELECT 1")


def test_nothing_is_prepared_on_the_server_however_often_a_statement_runs(postgres_url: str) -> None:
    """Behind a proxy the next transaction may have another session."""
    wiring.compose({"DATABASE_URL": postgres_url})
    store = wiring.store("tester")
    for _ in range(10):
        store.alone(executions.create, job())
    assert 0 == ask(store, "SELECT count(*) FROM pg_prepared_statements")


def test_the_wire_is_watched_and_what_the_url_says_wins(postgres_url: str) -> None:
    wiring.compose({"DATABASE_URL": postgres_url + "&application_name=mine&keepalives_idle=7"})
    with wiring.store("tester").database.engine.connect() as connection:
        raw: Any = connection.connection.driver_connection
        said = raw.info.get_parameters()
    assert ("mine", "7", "10", "3", "15000", "5") == tuple(
        said[name]
        for name in (
            "application_name", "keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout",
            "connect_timeout",
        )
    )  # fmt: skip


@contextmanager
def a_server_that_says(word: bytes) -> Iterator[int]:
    """To the question whether it speaks TLS, and nothing more; its port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            caller, _ = listening.accept()
            with caller:
                caller.recv(8)
                caller.sendall(word)
                caller.recv(1)

        server = threading.Thread(target=serve)
        server.start()
        yield listening.getsockname()[1]
        server.join()


@pytest.mark.parametrize(
    ("answer", "environ", "complaint"),
    [
        (b"S", {"DATABASE_SSLROOTCERT": "/nowhere/root.pem"}, r"root certificate file .*/nowhere/root\.pem"),
        (b"N", {"DATABASE_SSLROOTCERT": "/nowhere/root.pem"}, "server does not support SSL"),
        (b"N", {"DATABASE_IAM": "true"}, "server does not support SSL"),
    ],
)
def test_with_a_certificate_or_a_token_the_connection_is_encrypted_or_there_is_none(
    amazon: Amazon, answer: bytes, environ: dict[str, str], complaint: str
) -> None:
    with a_server_that_says(answer) as port:
        wiring.compose({"DATABASE_HOST": "127.0.0.1", "DATABASE_PORT": f"{port}", "DATABASE_USER": "app", **environ})
        with pytest.raises(psycopg.OperationalError, match=complaint):
            ask(wiring.store("tester"), "SELECT 1")


def test_a_connection_that_died_in_its_sleep_is_replaced(postgres_url: str, clock: Clock) -> None:
    wiring.compose({"DATABASE_URL": postgres_url}, clock)
    store = wiring.store("tester")
    first = ask(store, "SELECT pg_backend_pid()")
    with plain(postgres_url) as other:
        other.execute("SELECT pg_terminate_backend(%s, 10000)", [first])
    clock.pass_(IDLE)
    assert first != ask(store, "SELECT pg_backend_pid()")


def test_a_connection_in_use_is_not_asked_whether_it_is_there(postgres_url: str, clock: Clock) -> None:
    """It costs a round trip; so one that died a moment ago is found out by the statement."""
    wiring.compose({"DATABASE_URL": postgres_url}, clock)
    store = wiring.store("tester")
    first = ask(store, "SELECT pg_backend_pid()")
    with plain(postgres_url) as other:
        other.execute("SELECT pg_terminate_backend(%s, 10000)", [first])
    with pytest.raises(psycopg.OperationalError):
        ask(store, "SELECT 1")
    assert first != ask(store, "SELECT pg_backend_pid()")


def test_a_database_that_is_none_of_ours_is_told_by_the_name_of_the_variable() -> None:
    for url in ("mysql://ann@db/jobs", "hello"):
        wiring.compose({"DATABASE_URL": url})
        with pytest.raises(InvalidSetting, match=r"^DATABASE_URL: "):
            wiring.store("tester")


# --- who logs in -----------------------------------------------------------------------------------------------


@pytest.fixture
def guarded(postgres_url: str) -> Iterator[psycopg.Connection]:
    """Who may change the password of the login `guarded`, which alone is asked for one."""
    with plain(postgres_url) as owner:
        (file,) = owner.execute("SHOW hba_file").fetchone() or ("",)
        rules = Path(file)
        before = rules.read_text()
        rules.write_text(f"local all guarded scram-sha-256\n{before}")
        owner.execute("CREATE ROLE guarded LOGIN PASSWORD 'old'")
        owner.execute("SELECT pg_reload_conf()")
        yield owner
        rules.write_text(before)
        owner.execute("SELECT pg_reload_conf()")
        owner.execute("DROP ROLE guarded")


def secret(amazon: Amazon, **said: object) -> str:
    arn: str = amazon.client("secretsmanager").create_secret(Name="login", SecretString=json.dumps(said))["ARN"]
    return arn


def without_login(url: str) -> str:
    return url.replace("postgres@", "")


def test_a_password_that_was_rotated_is_read_again_when_the_old_one_is_refused(
    guarded: psycopg.Connection, postgres_url: str, amazon: Amazon, clock: Clock
) -> None:
    arn = secret(amazon, username="guarded", password="old")  # noqa: S106 - of a database that is gone in a moment
    wiring.compose({"DATABASE_URL": without_login(postgres_url), "DATABASE_SECRET_ARN": arn}, clock)
    assert "guarded" == ask(wiring.store("tester"), "SELECT current_user")

    guarded.execute("ALTER ROLE guarded PASSWORD 'new'")
    amazon.client("secretsmanager").put_secret_value(
        SecretId=arn, SecretString='{"username": "guarded", "password": "new"}'
    )
    wiring.store("tester").database.engine.dispose()
    assert "guarded" == ask(wiring.store("tester"), "SELECT current_user")


def test_a_password_that_is_wrong_is_an_error_and_not_asked_for_without_end(
    guarded: psycopg.Connection, postgres_url: str, amazon: Amazon, clock: Clock
) -> None:
    arn = secret(amazon, username="guarded", password="wrong")  # noqa: S106 - as above
    wiring.compose({"DATABASE_URL": without_login(postgres_url), "DATABASE_SECRET_ARN": arn}, clock)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        ask(wiring.store("tester"), "SELECT 1")


def test_a_secret_may_say_where_the_database_is(amazon: Amazon) -> None:
    arn = secret(amazon, username="app", password="p", host="db.example.com", port=6432, dbname="jobs")  # noqa: S106 - as above
    wiring.compose({"DATABASE_SECRET_ARN": arn})
    url = wiring.store("tester").database.engine.url
    assert ("db.example.com", 6432, "jobs", None) == (url.host, url.port, url.database, url.password)


def test_a_secret_that_does_not_leaves_that_to_the_environment(amazon: Amazon) -> None:
    wiring.compose({"DATABASE_SECRET_ARN": secret(amazon, username="app", password="p")})  # noqa: S106 - as above
    with pytest.raises(InvalidSetting, match=r"^DATABASE_HOST: "):
        wiring.store("tester")


def test_each_connection_has_a_token_of_its_own(
    postgres_url: str, amazon: Amazon, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token is good for a quarter of an hour; an engine lives for days."""
    there = postgres_url.replace("postgres@/", "postgres@db.example.com:5432/")
    wiring.compose({"DATABASE_URL": there, "DATABASE_USER": "postgres", "DATABASE_IAM": "true"})
    engine = wiring.store("tester").database.engine
    for key in ("first", "second"):
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", key)
        boto3.setup_default_session()
        with engine.connect() as connection:
            raw: Any = connection.connection.driver_connection
            assert raw.info.password.startswith("db.example.com:5432/?Action=connect&DBUser=postgres")
            assert f"X-Amz-Credential={key}%2F" in raw.info.password
        engine.dispose()


# --- ringing at once -------------------------------------------------------------------------------------------


def composed(database_url: str, clock: Clock, queues: dict[str, str]) -> Store:
    clock.govern(database_url)
    wiring.compose({"DATABASE_URL": database_url, "QUEUES": json.dumps(queues)}, clock)
    return wiring.store("tester")


def test_what_a_verb_put_up_is_published_at_once_if_it_is_due_and_mapped(
    database_url: str, clock: Clock, amazon: Amazon
) -> None:
    store = composed(database_url, clock, {"default": amazon.queue("default")})
    effects = store.alone(
        executions.create, job("now"), job("later", available_at=clock.now + MINUTE), job("other", queue="elsewhere")
    )
    penstock.ring(effects)
    (said,) = amazon.said("default")
    names = {row.id: row.name for row in rows(store, schema.task_executions)}
    assert "now" == names[UUID(said["task_execution_id"])]


def test_a_doorbell_is_left_to_who_put_it_up_for_half_a_minute_where_queues_are_mapped(
    database_url: str, clock: Clock, amazon: Amazon
) -> None:
    for queues, grace in (({"default": amazon.queue("default")}, timedelta(seconds=30)), ({}, timedelta(0))):
        store = composed(database_url, clock, queues)
        (bell,) = store.alone(executions.create, job()).bells
        (row,) = rows(store, schema.task_outbox, schema.task_outbox.c.task_execution_id == bell.task_execution_id)
        assert grace == row.ring_at - clock.now


def test_a_message_that_is_refused_is_told_in_the_log_and_nothing_is_lost(
    database_url: str, clock: Clock, amazon: Amazon, caplog: pytest.LogCaptureFixture
) -> None:
    store = composed(database_url, clock, {"default": f"{amazon.endpoint}/123456789012/gone"})
    with caplog.at_level(logging.WARNING, "penstock"):
        wiring.ring(store.alone(executions.create, job()))
    assert 1 == caplog.text.count("1 doorbells were refused; the drain rings them")
    assert 1 == len(rows(store, schema.task_outbox))


def test_effects_without_doorbells_ask_nobody(database_url: str, clock: Clock) -> None:
    store = composed(database_url, clock, {"default": "http://127.0.0.1:1/gone"})
    store.alone(executions.create, job())
    wiring.ring(executions.Effects())
    assert 1 == len(rows(store, schema.task_outbox))
