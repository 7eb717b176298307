"""The real thing: `penstock run` in an empty directory, asked over HTTP, ended in every way."""

import re
import signal
import socket
import sqlite3
import subprocess
import urllib.request
from pathlib import Path

import pytest

from tests.databases import Databases
from tests.local.running import command, environ, request_of, running

COMPLETED = re.compile(r"Completed  task=demo-check")


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_a_newcomer_sees_a_pipeline_run_and_can_do_what_is_printed(tmp_path: Path, kind: str) -> None:
    with running(tmp_path, DB=kind) as service:
        said = "\n".join(service.lines)
        for event in ("TaskRetryScheduled", "TaskSkipped", "TaskApproved", "PipelineCompleted"):
            assert (event, 1) == (event, len(re.findall(rf"^ *\d+ .*\b{event}\b", said, re.MULTILINE)))
        curls = [line for line in service.lines if line.startswith("curl ")]
        assert len(curls) == 5
        statuses = []
        for curl in curls:
            url, headers, body = request_of(curl)
            with urllib.request.urlopen(urllib.request.Request(url, body, headers)) as answer:  # noqa: S310 - printed by ours
                statuses.append(answer.status)
        assert [200, 200, 200, 201, 201] == statuses
        assert 0 == service.end(signal.SIGINT)
        assert "Traceback" not in "\n".join(service.lines)


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_a_service_that_was_killed_goes_on_where_it_was(tmp_path: Path, kind: str) -> None:
    with running(tmp_path, "--no-sample", DB=kind) as service:
        service.ask("/v1/tasks", {"name": "demo-check", "title": "Check", "task_type": "demo.check"})
        asked = service.ask("/v1/task-executions", {"executions": [{"task": "demo-check"}] * 5})["items"]
        assert -9 == service.end(signal.SIGKILL)
    with running(tmp_path, "--no-sample", DB=kind) as service:
        left = {each["id"] for each in asked}
        while left:
            left -= {id for id in left if service.ask(f"/v1/task-executions/{id}")["status"] == "completed"}
            if left:
                service.until(COMPLETED)
        assert 0 == service.end(signal.SIGTERM)


def refused(directory: Path, *args: str, **more: str) -> tuple[int, str]:
    """The exit code, and the one line on stderr."""
    done = subprocess.run(
        command("run", *args), cwd=directory, env=environ(**more), capture_output=True, text=True, check=False
    )
    assert (1, "") == (done.stderr.count("\n"), done.stdout if "serves" in done.stdout else "")
    return done.returncode, done.stderr.strip()


def test_a_port_that_is_taken_is_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert (1, f"penstock: port {port} is taken; choose another one, such as PORT={port + 1}") == refused(
            tmp_path, PORT=str(port)
        )


def test_a_directory_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "penstock.db").mkdir()
    assert (1, f"penstock: cannot write {tmp_path}/penstock.db: Is a directory") == refused(tmp_path, PORT="0")


def test_a_database_that_is_away_is_one_line(tmp_path: Path) -> None:
    code, said = refused(tmp_path, "--port", "0", DATABASE_URL="postgresql://nobody@127.0.0.1:1/nowhere")
    assert (1, True) == (code, said.startswith("penstock: the database cannot be used: ") and "refused" in said)


def test_a_database_that_is_ahead_is_one_line(tmp_path: Path, databases: Databases) -> None:
    with databases.migrated("sqlite") as url:
        with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
            connection.execute("UPDATE penstock_alembic_version SET version_num = '9999'")
        connection.close()
        code, said = refused(tmp_path, "--port", "0", DATABASE_URL=url)
    assert (1, True) == (code, "is ahead of this code: it is at revision 9999" in said)


@pytest.mark.parametrize(
    "more", [{"DB": "oracle"}, {"PORT": "x"}, {"DATABASE_URL": "sqlite://"}, {"DATABASE_URL": "x"}]
)
def test_what_cannot_be_meant_is_one_line(tmp_path: Path, more: dict[str, str]) -> None:
    code, said = refused(tmp_path, **more)
    assert (1, True) == (code, said.startswith("penstock: "))
