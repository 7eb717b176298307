"""How long to wait before another attempt, and whether to make one."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.domain import limits
from penstock.domain.errors import InvalidInput
from penstock.domain.retry import Retry

policies = st.builds(
    Retry,
    backoff=st.sampled_from(("fixed", "linear", "exponential")),
    delay_seconds=st.floats(*limits.RETRY_DELAY_SECONDS),
    factor=st.floats(*limits.RETRY_FACTOR),
    cap_seconds=st.floats(*limits.RETRY_CAP_SECONDS),
    jitter=st.floats(*limits.RETRY_JITTER),
)
attempts = st.integers(*limits.ATTEMPTS)
chances = st.floats(0, 1, exclude_max=True)
MICROSECOND = timedelta(microseconds=1)


def without_jitter(policy: Retry, attempt: int) -> timedelta:
    return policy.delay(attempt, 0.0)


@given(policy=policies, attempt=attempts, chance=chances)
def test_no_delay_is_longer_than_its_cap_or_shorter_than_nothing(policy: Retry, attempt: int, chance: float) -> None:
    assert timedelta(0) <= policy.delay(attempt, chance) <= timedelta(seconds=policy.cap_seconds)


@given(policy=policies, attempt=attempts, chance=chances)
def test_jitter_only_takes_away_and_no_more_than_its_share(policy: Retry, attempt: int, chance: float) -> None:
    longest, delay = without_jitter(policy, attempt), policy.delay(attempt, chance)
    assert longest * (1 - policy.jitter) - MICROSECOND <= delay <= longest


@given(policy=policies, attempt=attempts, chances=st.tuples(chances, chances))
def test_more_chance_is_never_a_longer_delay(policy: Retry, attempt: int, chances: tuple[float, float]) -> None:
    assert policy.delay(attempt, max(chances)) <= policy.delay(attempt, min(chances))


@given(policy=policies, attempt=st.integers(limits.ATTEMPTS[0], limits.ATTEMPTS[1] - 1))
def test_no_attempt_waits_shorter_than_the_one_before(policy: Retry, attempt: int) -> None:
    assert without_jitter(policy, attempt) <= without_jitter(policy, attempt + 1)


@pytest.mark.parametrize(
    ("policy", "seconds"),
    [
        (Retry("fixed", delay_seconds=7, cap_seconds=100), [7, 7, 7, 7, 7]),
        (Retry("fixed", delay_seconds=7, cap_seconds=5), [5, 5, 5, 5, 5]),
        (Retry("linear", delay_seconds=7, cap_seconds=30), [7, 14, 21, 28, 30]),
        (Retry("exponential", delay_seconds=7, factor=3, cap_seconds=500), [7, 21, 63, 189, 500]),
        (Retry("exponential", delay_seconds=0, factor=3, cap_seconds=500), [0, 0, 0, 0, 0]),
        (Retry("exponential", delay_seconds=7, factor=1, cap_seconds=500), [7, 7, 7, 7, 7]),
    ],
)
def test_delays_grow_as_the_policy_says(policy: Retry, seconds: list[int]) -> None:
    assert [timedelta(seconds=s) for s in seconds] == [without_jitter(policy, attempt) for attempt in range(1, 6)]


def test_the_steepest_policy_overflows_nothing() -> None:
    steepest = Retry("exponential", delay_seconds=86_400, factor=100, cap_seconds=7 * 86_400)
    assert timedelta(days=7) == without_jitter(steepest, limits.ATTEMPTS[1])


@pytest.mark.parametrize(
    ("policy", "wanted"),
    [
        (Retry(), {"Timeout", "Refused", "Other"}),
        (Retry(on=("Timeout", "Refused")), {"Timeout", "Refused"}),
        (Retry(never=("Refused",)), {"Timeout", "Other"}),
        (Retry(on=("Timeout", "Refused"), never=("Refused",)), {"Timeout"}),
    ],
)
def test_the_type_of_an_error_decides_whether_it_is_tried_again(policy: Retry, wanted: set[str]) -> None:
    assert wanted == {error for error in ("Timeout", "Refused", "Other") if policy.wants(error)}


@given(policy=policies)
def test_a_policy_comes_back_from_its_json_form(policy: Retry) -> None:
    assert policy == Retry.read(policy.as_json())


def test_what_is_not_stored_is_as_usual() -> None:
    assert Retry() == Retry.read({})


@pytest.mark.parametrize(
    ("field", "value", "bounds"),
    [
        ("delay_seconds", -1, "0 to 86,400"),
        ("delay_seconds", 86_401, "0 to 86,400"),
        ("delay_seconds", float("nan"), "0 to 86,400"),
        ("delay_seconds", "5", "0 to 86,400"),
        ("factor", 0.5, "1 to 100"),
        ("factor", True, "1 to 100"),
        ("cap_seconds", float("inf"), "0 to 604,800"),
        ("cap_seconds", None, "0 to 604,800"),
        ("jitter", 1.01, "0 to 1"),
    ],
)
def test_a_number_out_of_bounds_is_refused_by_field_and_bounds(field: str, value: Any, bounds: str) -> None:
    with pytest.raises(InvalidInput, match=f"it must be a number from {bounds}$") as refused:
        Retry.read({field: value})
    assert f"retry.{field}" == refused.value.field


def test_a_backoff_that_nobody_knows_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(
        InvalidInput, match=r"^retry\.backoff: is 'random'; it must be one of fixed, linear, exponential$"
    ):
        Retry.read({"backoff": "random"})


def test_a_key_that_nobody_knows_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"^retry: has unknown keys: delay, tries$"):
        Retry.read({"tries": 3, "delay": 1, "jitter": 0})
