"""Schedules are due when EventBridge says they are."""

from datetime import UTC, datetime
from itertools import islice

import pytest

from penstock.domain.errors import InvalidInput
from penstock.local import schedules

AFTER = datetime(2100, 1, 30, 10, 17, 30, tzinfo=UTC)  # a Saturday


def due(expression: str, number: int = 3, timezone: str = "UTC") -> list[str]:
    return [f"{at:%Y-%m-%d %H:%M:%S}" for at in islice(schedules.moments(expression, AFTER, timezone), number)]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("rate(1 minute)", ["2100-01-30 10:18:30", "2100-01-30 10:19:30", "2100-01-30 10:20:30"]),
        ("rate(5 minutes)", ["2100-01-30 10:22:30", "2100-01-30 10:27:30", "2100-01-30 10:32:30"]),
        ("rate(1 day)", ["2100-01-31 10:17:30", "2100-02-01 10:17:30", "2100-02-02 10:17:30"]),
        ("at(2100-02-01T03:00:00)", ["2100-02-01 03:00:00"]),
        ("at(2000-02-01T03:00:00)", []),
        ("cron(0 3 * * ? *)", ["2100-01-31 03:00:00", "2100-02-01 03:00:00", "2100-02-02 03:00:00"]),
        ("cron(0/20 10 * * ? *)", ["2100-01-30 10:20:00", "2100-01-30 10:40:00", "2100-01-31 10:00:00"]),
        ("cron(15 10 ? * MON-FRI *)", ["2100-02-01 10:15:00", "2100-02-02 10:15:00", "2100-02-03 10:15:00"]),
        ("cron(0 0 ? * FRI-MON *)", ["2100-01-31 00:00:00", "2100-02-01 00:00:00", "2100-02-05 00:00:00"]),
        ("cron(0 0 ? * 2#1 *)", ["2100-02-01 00:00:00", "2100-03-01 00:00:00", "2100-04-05 00:00:00"]),
        ("cron(0 0 ? * 6L *)", ["2100-02-26 00:00:00", "2100-03-26 00:00:00", "2100-04-30 00:00:00"]),
        ("cron(0 0 L * ? *)", ["2100-01-31 00:00:00", "2100-02-28 00:00:00", "2100-03-31 00:00:00"]),
        ("cron(0 0 31W * ? *)", ["2100-02-26 00:00:00", "2100-03-31 00:00:00", "2100-04-30 00:00:00"]),
        ("cron(0 12 1,15 JAN,JUN ? 2101)", ["2101-01-01 12:00:00", "2101-01-15 12:00:00", "2101-06-01 12:00:00"]),
    ],
)
def test_an_expression_is_due_at(expression: str, expected: list[str]) -> None:
    assert expected == due(expression)


def test_a_schedule_may_have_a_time_zone_of_its_own() -> None:
    assert ["2100-01-31 02:00:00"] == due("cron(0 3 * * ? *)", 1, "Europe/Berlin")


@pytest.mark.parametrize(
    "expression",
    [
        "every minute",
        "rate(1 minutes)",
        "rate(5 minute)",
        "rate(0 minutes)",
        "cron(0 3 * * *)",
        "cron(0 3 * * * *)",
        "cron(61 3 * * ? *)",
        "cron(x 3 * * ? *)",
        "at(tomorrow)",
    ],
)
def test_what_is_no_expression_is_refused(expression: str) -> None:
    with pytest.raises(InvalidInput, match="is no schedule"):
        schedules.moments(expression, AFTER)
