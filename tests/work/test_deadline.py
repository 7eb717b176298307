"""The time of a run: whatever the function does, it is interrupted; whatever comes after it, is not."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from types import FrameType
from typing import Any

import pytest

from penstock.work import deadline as deadlines
from penstock.work.deadline import Deadline, OutOfTime
from tests.working import HOUR, MOMENT, block


@pytest.fixture(autouse=True)
def no_alarm_is_left() -> Iterator[None]:
    before = signal.getsignal(signal.SIGALRM)
    yield
    assert (0.0, 0.0) == signal.getitimer(signal.ITIMER_REAL)
    assert before == signal.getsignal(signal.SIGALRM)


def ring() -> None:
    """The alarm, now."""
    os.kill(os.getpid(), signal.SIGALRM)


def test_what_returns_in_time_is_returned() -> None:
    assert 7 == Deadline(HOUR).run(lambda: 7)


def test_a_function_that_blocks_is_interrupted() -> None:
    with pytest.raises(OutOfTime, match=r"it ran for 0\.05 seconds, which is all it had"):
        Deadline(MOMENT).run(block)


def test_a_function_that_catches_every_exception_is_interrupted() -> None:
    def stubborn() -> None:
        with suppress(Exception):
            block()

    with pytest.raises(OutOfTime):
        Deadline(MOMENT).run(stubborn)


def test_a_function_that_swallows_the_interruption_is_interrupted_again() -> None:
    swallowed: list[BaseException] = []

    def blind() -> None:
        try:
            block()
        except BaseException as error:  # noqa: BLE001 - what this test is about
            swallowed.append(error)
        block()

    with pytest.raises(OutOfTime):
        Deadline(MOMENT, again=MOMENT).run(blind)
    assert [OutOfTime] == [type(error) for error in swallowed]


def test_time_that_has_run_out_before_it_began_interrupts_at_once() -> None:
    with pytest.raises(OutOfTime):
        Deadline(timedelta(0)).run(block)


def test_an_alarm_in_whichever_line_after_the_function_hits_nothing() -> None:
    before = signal.signal(signal.SIGALRM, lambda *_: None)
    try:
        lines = run_and_ring(at=None)
        assert lines >= 5
        for line in range(lines):
            run_and_ring(at=line)
    finally:
        signal.signal(signal.SIGALRM, before)


def run_and_ring(at: int | None) -> int:
    """Runs a function to its end; the alarm comes in this line of its deadline after that. How many lines there are."""
    returned: list[bool] = []
    lines: list[int] = []

    def trace(frame: FrameType, event: str, _argument: object) -> Any:
        if frame.f_code.co_filename != deadlines.__file__:
            return None
        if returned and event == "line":
            lines.append(frame.f_lineno)
            if len(lines) - 1 == at:
                ring()
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        Deadline(HOUR).run(lambda: returned.append(True))
    finally:
        sys.settrace(before)
    return len(lines)


def test_an_alarm_waits_for_statements_of_penstock_and_comes_right_after_them() -> None:
    deadline, seen = Deadline(HOUR), []

    def function() -> None:
        with deadline.held_back():
            with deadline.held_back():
                ring()
                seen.append("inner")
            seen.append("outer")
        seen.append("never")

    with pytest.raises(OutOfTime):
        deadline.run(function)
    assert ["inner", "outer"] == seen


def test_an_alarm_of_somebody_else_is_put_back_with_the_time_it_has_left() -> None:
    heard: list[int] = []
    before = signal.signal(signal.SIGALRM, lambda number, _: heard.append(number))
    signal.setitimer(signal.ITIMER_REAL, 3600)
    try:
        with pytest.raises(OutOfTime):
            Deadline(MOMENT).run(block)
        left, _ = signal.getitimer(signal.ITIMER_REAL)
        assert 3500 < left < 3600 - MOMENT.total_seconds()
        ring()
        assert [signal.SIGALRM] == heard
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_an_inner_deadline_does_not_interrupt_what_runs_under_an_outer_one() -> None:
    def outer() -> str:
        with suppress(OutOfTime):
            Deadline(MOMENT).run(block)
        ring()
        return "not reached"

    deadline = Deadline(HOUR)
    with pytest.raises(OutOfTime, match="it ran for 3600 seconds"):
        deadline.run(outer)


def test_it_says_how_much_is_left() -> None:
    deadline = Deadline(HOUR)
    assert timedelta(minutes=59) < deadline.remaining < HOUR
    assert timedelta(0) == Deadline(timedelta(0)).remaining
