"""One run of a task function, and what becomes of it. Whatever the function does, there is a settlement afterwards."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from penstock.dal import executions
from penstock.dal.store import Tx
from penstock.domain import limits
from penstock.domain.errors import InvalidInput
from penstock.domain.executions import Failure, Job, Outcome
from penstock.domain.settlements import Settlement
from penstock.work.deadline import Deadline, OutOfTime

Settling = Callable[[Tx], Settlement]
MORE = " [...]"


class Fail(Exception):
    """A run has failed, and no further attempt would help."""

    def __init__(self, message: str, *, error_type: str = "Fail") -> None:
        super().__init__(message)
        self.error_type = error_type


class Deferral(BaseException):
    """A run goes on later. Not an Exception, so that no `except Exception` takes it for a failure."""

    def __init__(self, until: datetime) -> None:
        super().__init__(f"deferred until {until.isoformat()}")
        self.until = until


def run(job: Job, deadline: Deadline, function: Callable[[], Any], touched: Sequence[str] = ()) -> Settling:
    """Calls the function within its time; how to settle what became of it. *touched* is read afterwards."""
    try:
        outcome = deadline.run(lambda: outcome_of(function(), touched))
    except Deferral as deferral:
        until = deferral.until
        return lambda _: Settlement.defer(job, until=until)
    except OutOfTime as error:
        return give_up(job, failure_of(error, touched, "Timeout"))
    except Fail as error:
        return fail(job, failure_of(error, touched, error.error_type))
    except InvalidOutcome as error:
        return fail(job, failure_of(error, touched))
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - whatever it is, an attempt has failed, and that goes on record
        return give_up(job, failure_of(error, touched))
    return lambda _: Settlement.complete(job, outcome)


def give_up(job: Job, failure: Failure) -> Settling:
    """This attempt has failed; whether there is another one, its policy says."""
    return partial(executions.given_up, job=job, failure=failure)


def fail(job: Job, failure: Failure) -> Settling:
    """It has failed for good."""
    return lambda _: Settlement.fail(job, failure)


class InvalidOutcome(Exception):
    """What a task function returned cannot be kept."""


def outcome_of(returned: Any, touched: Sequence[str] = ()) -> Outcome:
    """What a task function returned, as it is kept."""
    if inspect.iscoroutine(returned):
        returned.close()
        raise InvalidOutcome("returned a coroutine; a task function is called, not awaited")
    outcome = returned if isinstance(returned, Outcome) else Outcome(_checked(returned))
    try:
        # Once more, as it is now: what it refers to may have changed since it was checked.
        return Outcome(outcome.output, _services(outcome.services_touched, touched), outcome.suggestions)
    except InvalidInput as error:
        raise InvalidOutcome(str(error)) from None


def _checked(returned: Any) -> Mapping[str, Any]:
    if returned is None:
        return {}
    if not isinstance(returned, Mapping):
        kind = type(returned).__name__
        raise InvalidOutcome(f"returned a value of type {kind}; return a JSON object, an Outcome or nothing")
    try:
        return limits.payload("output", dict(returned))
    except InvalidInput as error:
        raise InvalidOutcome(str(error)) from None


def failure_of(error: BaseException, touched: Sequence[str] = (), error_type: str | None = None) -> Failure:
    """An error as it is kept: named by its class, its words fit for a database."""
    name = clean(error_type or type(error).__name__, limits.NAME) or "Error"
    return Failure(clean(_words(error), limits.TEXT) or name, name, _services((), touched))


def clean(text: str, longest: int) -> str:
    """As much of a text as there is room for, without what a database cannot hold."""
    whole = text.replace(limits.NUL, "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode().strip()
    return whole if len(whole) <= longest else whole[: longest - len(MORE)] + MORE


def _words(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - an error that cannot even say what it is must be settled all the same
        return ""


def _services(said: Sequence[str], touched: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*said, *touched)))[: limits.NAMES]
