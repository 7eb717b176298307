"""Whatever a task function returns, raises or does, its execution is settled, in words that a database can hold."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NoReturn

import pytest

from penstock.dal import executions, schema
from penstock.dal.store import Store
from penstock.domain import limits
from penstock.domain.executions import Outcome
from penstock.domain.retry import Retry
from penstock.work import Context, Fail
from penstock.work.run import clean
from tests.acting import event_types, execution, job, only, rows
from tests.working import OUT_OF_TIME, block, of


def settled(store: Store, function: Callable[[Context], Any], **options: Any) -> Any:
    """The execution after one run by this function."""
    id = only(store.alone(executions.create, job(**options)))
    of(store, function).work(id)
    return execution(store, id)


def raising(error: BaseException) -> Callable[[Context], NoReturn]:
    def function(_context: Context) -> NoReturn:
        raise error

    return function


def returning(value: Any) -> Callable[[Context], Any]:
    return lambda _: value


@pytest.mark.parametrize(
    ("returned", "kept"),
    [
        (None, {"success": True}),
        ({"rows": 3}, {"success": True, "rows": 3}),
        (MappingProxyType({"rows": 3}), {"success": True, "rows": 3}),
        (Outcome({"rows": 3}), {"success": True, "rows": 3}),
    ],
)
def test_what_a_function_returns_is_kept(store: Store, returned: Any, kept: Mapping[str, Any]) -> None:
    row = settled(store, returning(returned))
    assert ("completed", kept, None) == (row.status, row.outcome, row.error)


def test_an_outcome_keeps_services_and_suggestions_too(store: Store) -> None:
    row = settled(store, returning(Outcome({}, ("warehouse",), ({"do": "rest"},))))
    assert (["warehouse"], [{"do": "rest"}]) == (list(row.services_touched), row.suggestions)


LOOP: dict[str, Any] = {}
LOOP["loop"] = LOOP


class Unreadable(Mapping[str, Any]):
    """Claims to be a mapping, and is not to be read."""

    def __getitem__(self, key: str) -> Any:
        raise ZeroDivisionError

    def __iter__(self) -> Any:
        raise ZeroDivisionError

    def __len__(self) -> int:
        return 1


@pytest.mark.parametrize(
    ("returned", "error"),
    [
        ([1, 2], "returned a value of type list; return a JSON object, an Outcome or nothing"),
        ("done", "returned a value of type str; return a JSON object, an Outcome or nothing"),
        ({"at": object()}, "output: is not JSON: Object of type object is not JSON serializable"),
        ({"rate": float("nan")}, "output: is not JSON: Out of range float values are not JSON compliant"),
        (LOOP, "output: is not JSON: Circular reference detected"),
        ({"text": "a\x00b"}, "output: contains a NUL character, which no database can hold; remove it"),
        ({"text": "\ud800"}, "output: contains half of a surrogate pair, which is no character; remove it"),
    ],
)
def test_what_cannot_be_kept_is_a_failure_that_says_so_and_is_not_tried_again(
    store: Store, returned: Any, error: str
) -> None:
    row = settled(store, returning(returned))
    assert ("failed", {"success": False, "error_type": "InvalidOutcome"}) == (row.status, row.outcome)
    assert row.error.startswith(error)


def test_an_outcome_that_is_too_large_is_a_failure_that_says_so(store: Store) -> None:
    row = settled(store, returning({"text": "x" * limits.PAYLOAD}))
    assert "failed" == row.status
    assert row.error.startswith("output: is 262,155 bytes of JSON; at most 262,144 are allowed")


def test_an_outcome_that_was_changed_after_it_was_checked_is_checked_again(store: Store) -> None:
    output: dict[str, Any] = {}
    outcome = Outcome(output)
    output["text"] = "\x00"
    assert "failed" == settled(store, returning(outcome)).status


def test_an_async_function_that_slipped_through_is_a_failure_that_says_so(store: Store) -> None:
    async def later(_context: Context) -> None:
        """Would never run."""

    row = settled(store, later)
    assert ("failed", "returned a coroutine; a task function is called, not awaited") == (row.status, row.error)


def test_an_error_is_an_attempt_named_by_its_class(store: Store) -> None:
    row = settled(store, raising(KeyError("colour")))
    assert ("ready", "'colour'", 2) == (row.status, row.error, row.attempt)
    row = settled(store, raising(KeyError("colour")), max_attempts=1)
    assert ("failed", "'colour'", "KeyError") == (row.status, row.error, row.outcome["error_type"])


def test_the_policy_decides_by_the_class_of_the_error(store: Store) -> None:
    row = settled(store, raising(KeyError("colour")), retry=Retry(never=("KeyError",)))
    assert ("failed", 1) == (row.status, row.attempt)


def test_what_reading_a_mapping_raises_is_an_error_like_any_other(store: Store) -> None:
    row = settled(store, returning(Unreadable()), max_attempts=1)
    assert ("failed", "ZeroDivisionError") == (row.status, row.outcome["error_type"])


class Speechless(Exception):
    """Cannot even say what it is."""

    def __str__(self) -> str:
        raise ZeroDivisionError


@pytest.mark.parametrize(
    ("error", "kept"),
    [
        (ValueError(""), "ValueError"),
        (ValueError("a\x00b"), "a\N{REPLACEMENT CHARACTER}b"),
        (ValueError("half \ud800"), "half ?"),
        (Speechless(), "Speechless"),
        (SystemExit(2), "2"),
        (GeneratorExit(), "GeneratorExit"),
        (type("N" * 300, (Exception,), {})("long"), "long"),
        (type(" ", (Exception,), {})(""), "Error"),
    ],
)
def test_nothing_that_is_raised_loses_the_settlement(store: Store, error: BaseException, kept: str) -> None:
    row = settled(store, raising(error), max_attempts=1)
    assert ("failed", kept) == (row.status, row.error)


def test_a_long_message_keeps_its_beginning(store: Store) -> None:
    row = settled(store, raising(ValueError("x" * 20_000)))
    assert ("x" * (limits.TEXT - 6) + " [...]") == row.error


def test_ctrl_c_is_no_failure_of_the_job(store: Store) -> None:
    id = only(store.alone(executions.create, job()))
    with pytest.raises(KeyboardInterrupt):
        of(store, raising(KeyboardInterrupt())).work(id)
    assert "running" == execution(store, id).status


def test_fail_is_the_end_however_many_attempts_are_left(store: Store) -> None:
    row = settled(store, raising(Fail("there is no such report", error_type="NoReport")))
    assert ("failed", "there is no such report", "NoReport") == (row.status, row.error, row.outcome["error_type"])
    assert "Fail" == settled(store, raising(Fail("no"))).outcome["error_type"]


def test_out_of_time_is_an_attempt_that_failed_with_timeout(store: Store) -> None:
    id = only(store.alone(executions.create, job(max_attempts=1)))
    of(store, block, left=OUT_OF_TIME).work(id)
    row = execution(store, id)
    assert ("failed", "Timeout") == (row.status, row.outcome["error_type"])
    assert row.error.startswith("it ran for 0.05 seconds")


def test_a_retry_after_a_timeout_is_on_record(store: Store) -> None:
    id = only(store.alone(executions.create, job()))
    of(store, block, left=OUT_OF_TIME).work(id)
    assert "TaskRetryScheduled" == event_types(store, id)[-1]
    events = schema.execution_events
    assert "Timeout" == rows(store, events, events.c.task_execution_id == id)[-1].event_data["error_type"]


@pytest.mark.parametrize(
    ("text", "longest", "kept"), [("a b", 10, "a b"), ("  a ", 10, "a"), ("abcdefghijk", 10, "abcd [...]")]
)
def test_a_text_is_cut_to_the_room_there_is(text: str, longest: int, kept: str) -> None:
    assert kept == clean(text, longest)
