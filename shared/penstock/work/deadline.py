"""The time of one run: when it is over, the task function is interrupted, and nothing but the task function.

An alarm of the operating system interrupts whatever the main thread does, a blocking call included. So it may land
anywhere: in the function, in the line after it, in the settlement. It counts only where it finds the function's own
call below itself on the stack; that leaves no moment in which it could hit what comes after.
"""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from time import monotonic
from types import FrameType
from typing import Any, TypeVar

T = TypeVar("T")

# Raised once, it can be lost: in a `__del__`, in a callback out of C, in a bare `except:`. So it is raised again.
AGAIN = timedelta(seconds=2)
AT_ONCE = 1e-6


class OutOfTime(BaseException):
    """A run has used up its time. Not an Exception, so that no `except Exception` keeps it from ending."""

    def __init__(self, time: timedelta) -> None:
        super().__init__(f"it ran for {time.total_seconds():g} seconds, which is all it had")


class Deadline:
    """An amount of time that begins to run down now. For the main thread, which alone hears alarms."""

    def __init__(self, time: timedelta, *, again: timedelta = AGAIN) -> None:
        self.time = time
        self._ends = monotonic() + time.total_seconds()
        self._again = again.total_seconds()
        self._frame: FrameType | None = None
        self._holds = 0
        self._missed = False

    @property
    def remaining(self) -> timedelta:
        """How much of it is left."""
        return timedelta(seconds=max(0.0, self._ends - monotonic()))

    def run(self, call: Callable[[], T]) -> T:
        """What *call* returns; OutOfTime, raised inside it, if that takes too long."""
        try:
            with _alarm(self._ring, self.remaining.total_seconds(), self._again):
                return self._inside(call)
        finally:
            self._frame = None

    @contextmanager
    def held_back(self) -> Iterator[None]:
        """Statements of Penstock's own, in the midst of the function: an interruption comes after them."""
        self._holds += 1
        try:
            yield
        finally:
            self._holds -= 1
            if self._missed and not self._holds:
                self._missed = False
                raise OutOfTime(self.time)

    def _inside(self, call: Callable[[], T]) -> T:
        self._frame = sys._getframe()  # noqa: SLF001 - the public ways to a frame walk all of the stack
        return call()

    def _ring(self, _signal: int, interrupted: FrameType | None) -> None:
        if not self._is_below(interrupted):
            return
        if self._holds:
            self._missed = True
            return
        raise OutOfTime(self.time)

    def _is_below(self, frame: FrameType | None) -> bool:
        while frame is not None:
            if frame is self._frame:
                return True
            frame = frame.f_back
        return False


@contextmanager
def _alarm(ring: Callable[[int, FrameType | None], Any], seconds: float, again: float) -> Iterator[None]:
    """An alarm after so many seconds, and again; an alarm that somebody else has set rings after it, not too early."""
    begun = monotonic()
    before = signal.signal(signal.SIGALRM, ring)
    left, interval = signal.setitimer(signal.ITIMER_REAL, max(seconds, AT_ONCE), again)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        if left:
            signal.setitimer(signal.ITIMER_REAL, max(left - (monotonic() - begun), AT_ONCE), interval)
