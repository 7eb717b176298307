"""Every bound on what comes in, from both sides: what just fits is taken, what does not is refused by name."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.domain import limits
from penstock.domain.errors import InvalidInput
from penstock.domain.executions import Failure, NewExecution, Outcome
from tests.acting import job

AS_LARGE_AS_MAY_BE = {"k": "x" * (limits.PAYLOAD - len('{"k":""}'))}
TOO_LARGE = {"k": AS_LARGE_AS_MAY_BE["k"] + "x"}


def nested(levels: int) -> Any:
    """An object in an object, so many of them."""
    value: Any = 1
    for _ in range(levels):
        value = {"k": value}
    return value


HALF, NUL = "\ud800", "\x00"


class Undecided(tzinfo):
    """A zone that does not know its offset: with it a moment is as good as without any."""

    def utcoffset(self, _moment: datetime | None) -> None:
        return None

    dst = tzname = utcoffset


def refused(make: Callable[[], object]) -> InvalidInput:
    with pytest.raises(InvalidInput) as caught:
        make()
    assert str(caught.value) == f"{caught.value.field}: {caught.value.problem}"
    return caught.value


# --- a new execution, field by field -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "n" * 200),
        ("task_type", "t" * 200),
        ("queue", "q" * 80),
        ("workspace_path", "p" * 1_000),
        ("priority", 1),
        ("priority", 5),
        ("max_attempts", 1),
        ("max_attempts", 100),
        ("timeout_seconds", 1),
        ("timeout_seconds", 86_400),
        ("config", AS_LARGE_AS_MAY_BE),
        ("metadata", AS_LARGE_AS_MAY_BE),
        ("config", nested(64)),
        ("metadata", {"many": [{}] * 1_000}),
        ("available_at", datetime(1000, 1, 1, tzinfo=UTC)),
        ("available_at", datetime(9999, 12, 31, 23, 59, 59, 999_999, UTC)),
    ],
)
def test_what_just_fits_is_taken(field: str, value: Any) -> None:
    options: dict[str, Any] = {"name": "job", "task_type": "noop", field: value}
    assert value == getattr(NewExecution(**options), field)


@pytest.mark.parametrize(
    ("field", "value", "limit"),
    [
        ("name", "n" * 201, "is 201 characters long; at most 200"),
        ("name", "", "not blank"),
        ("name", " \t\n", "not blank"),
        ("name", None, "must be a text"),
        ("name", 7, "must be a text"),
        ("task_type", "t" * 201, "at most 200"),
        ("queue", "q" * 81, "is 81 characters long; at most 80"),
        ("queue", " ", "not blank"),
        ("workspace_path", "p" * 1_001, "is 1,001 characters long; at most 1,000"),
        ("workspace_path", 7, "must be a text, not int"),
        ("traceparent", "t" * 201, "t"),
        ("priority", 0, "is 0; it must be a whole number from 1 to 5"),
        ("priority", 6, "from 1 to 5"),
        ("priority", True, "from 1 to 5"),
        ("priority", 3.0, "from 1 to 5"),
        ("priority", "3", "from 1 to 5"),
        ("max_attempts", 0, "from 1 to 100"),
        ("max_attempts", 101, "from 1 to 100"),
        ("timeout_seconds", 0, "from 1 to 86,400"),
        ("timeout_seconds", 86_401, "from 1 to 86,400"),
        ("config", nested(65), "is nested more than 64 levels deep"),
        ("config", TOO_LARGE, "is 262,145 bytes of JSON; at most 262,144"),
        ("config", ["not", "an", "object"], "must be a JSON object, not list"),
        ("config", None, "must be a JSON object, not NoneType"),
        ("metadata", TOO_LARGE, "at most 262,144"),
        ("available_at", datetime(2026, 1, 1), "a datetime with a time zone"),  # noqa: DTZ001 - naive on purpose
        ("available_at", datetime(2026, 1, 1, tzinfo=Undecided()), "a datetime with a time zone"),
        ("available_at", "2026-01-01T00:00:00Z", "a datetime with a time zone"),
        ("available_at", datetime(999, 12, 31, tzinfo=UTC), "in the years 1000 to 9999"),
        ("available_at", datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=1))), "in the years 1000 to 9999"),
        ("available_at", datetime(9999, 12, 31, 23, tzinfo=timezone(-timedelta(hours=2))), "in the years 1000 to 9999"),
    ],
)
def test_what_does_not_fit_is_refused_by_field_and_limit(field: str, value: Any, limit: str) -> None:
    options: dict[str, Any] = {"name": "job", "task_type": "noop", field: value}
    error = refused(lambda: NewExecution(**options))
    assert field == error.field
    assert limit in error.problem


# --- text and JSON that no database holds ------------------------------------------------------------------------


@pytest.mark.parametrize("field", ["name", "task_type", "queue", "workspace_path"])
@pytest.mark.parametrize(("bad", "said"), [(NUL, "NUL character"), (HALF, "half of a surrogate pair")])
def test_a_text_that_no_database_holds_is_refused(field: str, bad: str, said: str) -> None:
    options: dict[str, Any] = {"name": "job", "task_type": "noop", field: f"a{bad}b"}
    error = refused(lambda: NewExecution(**options))
    assert field == error.field
    assert said in error.problem


@pytest.mark.parametrize("bad", [NUL, HALF])
@pytest.mark.parametrize(
    "wrap",
    [
        lambda bad: {"k": bad},
        lambda bad: {bad: 1},
        lambda bad: {"k": [1, {"deep": (bad,)}]},
        lambda bad: {"k": f"\\u0000 \\ud800 {bad}"},
    ],
    ids=["a value", "a key", "deep inside", "beside what looks like it"],
)
def test_a_text_inside_json_that_no_database_holds_is_refused(wrap: Callable[[str], Any], bad: str) -> None:
    assert "config" == refused(lambda: job(config=wrap(bad))).field


@pytest.mark.parametrize("text", ["\\u0000", "\\ud800", "😀", "\\", '"', "\u2028"])
def test_what_only_looks_like_it_is_taken(text: str) -> None:
    assert {"k": text} == job(config={"k": text}).config
    assert f"a {text}" == job(f"a {text}").name


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), {1}, object(), b"bytes", job])
def test_what_json_has_no_word_for_is_refused(value: Any) -> None:
    error = refused(lambda: job(config={"k": [value]}))
    assert "config" == error.field
    assert error.problem.startswith("is not JSON: ")


def test_what_contains_itself_is_refused() -> None:
    circle: dict[str, Any] = {}
    circle["k"] = circle
    assert refused(lambda: job(config=circle)).problem.startswith("is not JSON: ")


@given(text=st.text(st.characters(codec="utf-8", exclude_characters=NUL), max_size=50))
def test_every_other_text_is_taken(text: str) -> None:
    assert text == limits.text("field", text)
    assert {text: text} == limits.payload("field", {text: text})


@given(text=st.text(st.characters(max_codepoint=0x10FFFF), max_size=5))
def test_a_text_is_refused_if_and_only_if_it_cannot_be_stored(text: str) -> None:
    storable = NUL not in text and not any("\ud800" <= character <= "\udfff" for character in text)
    for check in (lambda: limits.text("field", text), lambda: limits.payload("field", {"k": text})):
        if storable:
            check()
        else:
            assert "field" == refused(check).field


@pytest.mark.parametrize(("text", "size"), [("x", 1), ("é", 6), ("😀", 12), ('"', 2)])
def test_the_size_of_a_payload_is_that_of_its_json(text: str, size: int) -> None:
    room = limits.PAYLOAD - len('{"k":""}')
    times, rest = divmod(room, size)
    fits = text * times + "x" * rest
    assert limits.payload("field", {"k": fits})
    assert "is 262,145 bytes" in refused(lambda: limits.payload("field", {"k": fits + "x"})).problem


# --- what a worker has to say ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "said", "field"),
    [
        (Failure, {"message": "m" * 10_001}, "message"),
        (Failure, {"message": NUL}, "message"),
        (Failure, {"message": "boom", "error_type": "e" * 201}, "error_type"),
        (Failure, {"message": "boom", "error_type": " "}, "error_type"),
        (Failure, {"message": "boom", "services_touched": ("s" * 201,)}, "services_touched"),
        (Outcome, {"services_touched": ("s3",) * 101}, "services_touched"),
        (Outcome, {"services_touched": "s3"}, "services_touched"),
        (Outcome, {"output": TOO_LARGE}, "output"),
        (Outcome, {"output": {"k": float("nan")}}, "output"),
        (Outcome, {"suggestions": ({"k": "x" * limits.PAYLOAD},)}, "suggestions"),
        (Outcome, {"suggestions": ({"k": HALF},)}, "suggestions"),
    ],
)
def test_what_a_worker_says_is_bounded_too(kind: type[Failure | Outcome], said: dict[str, Any], field: str) -> None:
    assert field == refused(lambda: kind(**said)).field


def test_what_a_worker_says_may_be_as_long_as_it_may() -> None:
    assert 10_000 == len(Failure("m" * 10_000).message)
    assert 100 == len(Outcome(services_touched=("s" * 200,) * 100).services_touched)
    assert Outcome(AS_LARGE_AS_MAY_BE).output == AS_LARGE_AS_MAY_BE


def test_names_are_a_list_of_texts() -> None:
    assert ("a", "b") == limits.names("field", ["a", "b"])
    assert "field" == refused(lambda: limits.names("field", ["a", ""])).field
    assert "field" == refused(lambda: limits.names("field", None)).field  # type: ignore[arg-type]  # wrong on purpose


def test_too_many_at_once_are_refused_by_number_and_limit() -> None:
    limits.few("jobs", range(3), 3)
    assert "has 4 entries; at most 3 are allowed at once" == refused(lambda: limits.few("jobs", range(4), 3)).problem


@pytest.mark.parametrize("hold", [timedelta(seconds=1), timedelta(days=2)])
def test_a_hold_may_be_as_short_or_long_as_this(hold: timedelta) -> None:
    assert hold == limits.hold("hold_for", hold)


@pytest.mark.parametrize("hold", [timedelta(0), -timedelta(1), timedelta(days=2, microseconds=1), 60, None])
def test_a_hold_out_of_bounds_is_refused(hold: Any) -> None:
    assert "a duration from 1 to 172,800 seconds" in refused(lambda: limits.hold("hold_for", hold)).problem
