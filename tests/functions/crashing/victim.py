"""A process in which functions are killed: `python -m tests.functions.crashing.victim` reads cases, one a line.

It runs a scene to its end and says which points it came by, or forks a child that dies at one of them by SIGKILL.
"""

import json
import os
import sys
from datetime import datetime
from typing import Any

from penstock import wiring
from penstock.work import registry
from tests.acting import Clock
from tests.functions.conftest import LambdaContext
from tests.functions.crashing.points import FATE, watch_calls, watch_commits
from tests.functions.crashing.scenes import SCENES, work
from tests.functions.shifts import TASK_TYPE

# What the functions log goes nowhere; what this process answers goes where its output went.
ANSWERS = os.fdopen(os.dup(sys.stdout.fileno()), "w")


def live(case: dict[str, Any]) -> None:
    """One invocation in a new container."""
    FATE.passed.clear()
    FATE.last, FATE.after = case["last"], case["after"]
    scene = SCENES[case["scene"]]
    clock = Clock(datetime.fromisoformat(case["now"]))
    clock.govern(case["environ"]["DATABASE_URL"])
    parts = wiring.compose(case["environ"], clock)
    watch_commits(parts.database.engine)
    scene.handler(case["event"], LambdaContext(remaining_ms=scene.remaining_ms))


def record(case: dict[str, Any]) -> list[str]:
    """In this process, so that those forked from it inherit every statement compiled."""
    live({**case, "last": None, "after": False})
    wiring.compose({})
    return FATE.passed


def kill(case: dict[str, Any]) -> int:
    """By which signal it died; none if it came to its end."""
    child = os.fork()
    if not child:
        try:
            live(case)
        finally:
            os._exit(1)  # Not reached by who was killed.
    _, status = os.waitpid(child, 0)
    return os.WTERMSIG(status)


def main() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    registry.task_type(TASK_TYPE)(work)
    watch_calls()
    for line in iter(sys.stdin.readline, ""):
        case = json.loads(line)
        answer = record(case) if case["last"] is None else kill(case)
        print(json.dumps(answer), file=ANSWERS, flush=True)


if __name__ == "__main__":
    main()
