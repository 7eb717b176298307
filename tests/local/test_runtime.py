"""Functions run as Lambda runs them: warm, one event at a time, and killed when their time is over."""

import os
import select
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from penstock.local.runtime import Pool
from penstock.local.template import Function

HERE = Path(__file__).parent


class Log:
    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def __call__(self, function: str, line: str) -> None:
        self.lines.append((function, line))


@pytest.fixture
def log() -> Log:
    return Log()


def function(handler: str = "handlers.handler", timeout: int = 60) -> Function:
    return Function("TestFunction", handler, HERE, timeout, 512, {})


@pytest.fixture
def pool(log: Log) -> Iterator[Pool]:
    made = Pool(function(), {**os.environ, "VARIABLE": "value"}, log)
    yield made
    made.close()


def ask(pool: Pool, do: str, **more: Any) -> Any:
    answer = pool.invoke({"do": do, **more})
    assert answer.error is None
    return answer.payload


def error(pool: Pool, do: str) -> tuple[str, str]:
    answer = pool.invoke({"do": do})
    assert answer.error is not None
    return answer.error["errorType"], answer.error["errorMessage"]


def test_a_process_stays_warm_and_is_used_again(pool: Pool) -> None:
    first, second = ask(pool, "about"), ask(pool, "about")
    assert (first["pid"], 1, 2) == (second["pid"], first["served"], second["served"])
    assert first["request"] != second["request"]
    assert first["pid"] != os.getpid()


def test_a_handler_finds_what_lambda_would_tell_it(pool: Pool) -> None:
    told = ask(pool, "about")
    assert ("TestFunction", "TestFunction", 512) == (told["name"], told["function"], told["memory"])
    assert "arn:aws:lambda:eu-west-1:012345678901:function:TestFunction" == told["arn"]
    assert ("value", True, True) == (told["variable"], told["main_thread"], 50_000 < told["remaining"] <= 60_000)


def test_an_alarm_rings_in_a_handler(pool: Pool) -> None:
    assert ask(pool, "alarm")


def test_two_events_at_once_have_a_process_each(pool: Pool, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with ThreadPoolExecutor(2) as threads:
        reader = threads.submit(ask, pool, "meet", pipe=str(pipe), end=os.O_RDONLY)
        writer = threads.submit(ask, pool, "meet", pipe=str(pipe), end=os.O_WRONLY)
        assert reader.result() != writer.result()


def test_who_takes_too_long_is_killed_and_the_next_event_finds_a_fresh_process(log: Log) -> None:
    pool = Pool(function(timeout=2), os.environ, log)
    try:
        before = ask(pool, "about")["pid"]
        answer = pool.invoke({"do": "hang"})
        assert answer.timed_out
        assert answer.error is not None
        assert answer.error["errorMessage"].endswith("Task timed out after 2.00 seconds")
        assert not Path(f"/proc/{before}").exists()
        assert 1 == ask(pool, "about")["served"]
    finally:
        pool.close()


def test_an_error_is_told_with_its_type_and_where_it_was(pool: Pool) -> None:
    answer = pool.invoke({"do": "fall"})
    assert answer.error is not None
    assert ("LookupError", "nothing there") == (answer.error["errorType"], answer.error["errorMessage"])
    assert any("handlers.py" in line for line in answer.error["stackTrace"])
    assert 2 == ask(pool, "about")["served"]


def test_a_process_that_dies_is_an_error_and_the_next_event_finds_a_fresh_one(pool: Pool) -> None:
    kind, message = error(pool, "die")
    assert ("Runtime.ExitError", True) == (kind, message.endswith("Runtime exited with error: exit status 3"))
    assert 1 == ask(pool, "about")["served"]


@pytest.mark.parametrize(("do", "kind"), [("leave", "Runtime.MarshalError"), ("talk", "Function.ResponseSizeTooLarge")])
def test_an_answer_that_lambda_would_not_take_is_an_error(pool: Pool, do: str, kind: str) -> None:
    assert kind == error(pool, do)[0]


@pytest.mark.parametrize(
    ("handler", "kind"),
    [("nowhere.handler", "Runtime.ImportModuleError"), ("handlers.nothing", "Runtime.HandlerNotFound")],
)
def test_a_handler_that_is_not_there_is_an_error_at_each_event(log: Log, handler: str, kind: str) -> None:
    pool = Pool(function(handler), os.environ, log)
    assert [kind, kind] == [error(pool, "about")[0] for _ in range(2)]
    pool.close()


def test_what_a_handler_prints_is_in_the_log(pool: Pool, log: Log) -> None:
    ask(pool, "print")
    pool.close()
    assert [("TestFunction", "a line")] == log.lines


def test_a_closed_pool_has_no_processes_and_takes_no_events(pool: Pool) -> None:
    pid = ask(pool, "about")["pid"]
    pool.close()
    assert not Path(f"/proc/{pid}").exists()
    assert "Sandbox.Closed" == error(pool, "about")[0]


PARENT = """
import os, sys
from pathlib import Path
from threading import Thread
from penstock.local.runtime import Pool
from penstock.local.template import Function
pool = Pool(Function("F", "handlers.handler", Path(sys.argv[1]), 60, 512, {}), os.environ, print)
print(pool.invoke({"do": "about"}).payload["pid"], flush=True)
Thread(target=pool.invoke, args=[{"do": "hang"}], daemon=True).start()
sys.stdin.read()
os.kill(os.getpid(), 9)
"""


def test_a_process_ends_with_its_parent_even_in_the_midst_of_a_handler() -> None:
    environ = {**os.environ, "PYTHONPATH": str(HERE.parents[1] / "shared")}
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(HERE)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environ, text=True
    ) as parent:
        assert parent.stdout
        watched = os.pidfd_open(int(parent.stdout.readline()))
        parent.communicate()
    try:
        assert (-9, [watched]) == (parent.returncode, _readable(watched))
    finally:
        os.close(watched)


def _readable(watched: int) -> list[int]:
    """A process that has ended is readable."""
    return select.select([watched], [], [], 30)[0]
