"""Handlers for the tests of the runtime. Each process that imports this file is one execution environment."""

import os
import signal
from threading import Event, current_thread, main_thread
from typing import Any

served = 0


def handler(event: Any, context: Any) -> Any:
    """Does what the event says."""
    global served  # noqa: PLW0603 - what stays in a process is what is to be seen
    served += 1
    return ACTIONS[event["do"]](event, context)


def about(_event: Any, context: Any) -> Any:
    return {
        "pid": os.getpid(),
        "served": served,
        "main_thread": current_thread() is main_thread(),
        "name": context.function_name,
        "arn": context.invoked_function_arn,
        "memory": context.memory_limit_in_mb,
        "request": context.aws_request_id,
        "remaining": context.get_remaining_time_in_millis(),
        "variable": os.environ.get("VARIABLE"),
        "function": os.environ["AWS_LAMBDA_FUNCTION_NAME"],
    }


def alarm(_event: Any, _context: Any) -> Any:
    """Is interrupted by an alarm, as a deadline does it."""
    rung: list[int] = []
    signal.signal(signal.SIGALRM, lambda number, _: rung.append(number))
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    signal.pause()
    return rung == [signal.SIGALRM]


def meet(event: Any, _context: Any) -> Any:
    """Opens one end of a pipe, which waits until somebody has opened the other end."""
    os.close(os.open(event["pipe"], event["end"]))
    return os.getpid()


def fall(_event: Any, _context: Any) -> Any:
    raise LookupError("nothing there")


ACTIONS: dict[str, Any] = {
    "about": about,
    "alarm": alarm,
    "meet": meet,
    "fall": fall,
    "hang": lambda _event, _context: Event().wait(),
    "die": lambda _event, _context: os._exit(3),
    "leave": lambda _event, _context: {1, 2},
    "talk": lambda _event, _context: "a" * (6 * 1024 * 1024),
    "print": lambda _event, _context: print("a line"),  # noqa: T201 - what a handler prints is in its log
}
