"""When a schedule of EventBridge is due: `rate(1 minute)`, `cron(0 3 * * ? *)`, `at(2100-01-01T03:00:00)`.

A rate counts from when the service began; cron and at are times of day in the schedule's time zone.
"""

import re
from calendar import monthrange
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import count
from zoneinfo import ZoneInfo

from penstock.domain.errors import InvalidInput

UNITS = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1), "day": timedelta(days=1)}
MONTHS = {
    name: n
    for n, name in enumerate(("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"), 1)
}
DAYS = {name: number for number, name in enumerate(("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"), 1)}
LAST_YEAR = 2199
FIELDS = 6
FORM = re.compile(r"^(rate|cron|at)\((.*)\)$")
RATE = re.compile(r"^([1-9]\d*) (minute|hour|day)(s?)$")

Moments = Iterator[datetime]
IsOn = Callable[[date], bool]


def moments(expression: str, after: datetime, timezone: str = "UTC") -> Moments:
    """Every moment after this one at which a schedule is due, soonest first."""
    form = FORM.match(expression.strip())
    if form is None:
        raise _wrong(expression, "write rate(...), cron(...) or at(...)")
    kind, said = form.groups()
    try:
        if kind == "rate":
            return _each(said, after)
        zone = ZoneInfo(timezone)
        wanted = _at(said, zone) if kind == "at" else Cron.read(said).times(after.astimezone(zone).date(), zone)
        return (moment.astimezone(UTC) for moment in wanted if moment > after)
    except (ValueError, KeyError, IndexError) as error:
        raise _wrong(expression, str(error)) from None


def _each(said: str, after: datetime) -> Moments:
    rate = RATE.match(said.strip())
    if rate is None or (rate[1] == "1") == bool(rate[3]):
        raise ValueError("a rate is a number and minute(s), hour(s) or day(s)")
    step = int(rate[1]) * UNITS[rate[2]]
    return (after + step * number for number in count(1))


def _at(said: str, zone: ZoneInfo) -> Moments:
    return iter([datetime.fromisoformat(said.strip()).replace(tzinfo=zone)])


@dataclass(frozen=True)
class Cron:
    """Minutes, hours, and which days they are on."""

    minutes: Sequence[int]
    hours: Sequence[int]
    is_on: IsOn

    @classmethod
    def read(cls, said: str) -> "Cron":
        """Six fields: minutes, hours, day of month, month, day of week, year."""
        fields = said.upper().split()
        if len(fields) != FIELDS:
            raise ValueError(f"cron has {FIELDS} fields, not {len(fields)}")
        minutes, hours, monthday, month, weekday, year = fields
        if (monthday == "?") == (weekday == "?"):
            raise ValueError("one of day of month and day of week is ?, and the other is not")
        months, years = _numbers(month, (1, 12), MONTHS), _numbers(year, (1970, LAST_YEAR))
        suits = _monthday(monthday) if weekday == "?" else _weekday(weekday)
        return cls(
            _numbers(minutes, (0, 59)),
            _numbers(hours, (0, 23)),
            lambda day: day.year in years and day.month in months and suits(day),
        )

    def times(self, first: date, zone: ZoneInfo) -> Moments:
        """From the beginning of a day on."""
        day = first
        while day.year <= LAST_YEAR:
            if self.is_on(day):
                for hour in self.hours:
                    for minute in self.minutes:
                        yield datetime.combine(day, time(hour, minute), zone)
            day += timedelta(days=1)


def _numbers(said: str, bounds: tuple[int, int], names: dict[str, int] | None = None) -> Sequence[int]:
    """A field: stars, numbers, names, ranges, lists and steps."""
    low, high = bounds
    found: set[int] = set()
    for part in said.split(","):
        span, _, step = part.partition("/")
        first, dash, last = span.partition("-")
        begin = low if span in ("*", "?") else _number(first, names)
        end = _number(last, names) if dash else high if span in ("*", "?") or step else begin
        if not low <= begin <= high or not low <= end <= high:
            raise ValueError(f"{part} is not within {low} to {high}")
        if begin > end:  # FRI-MON goes over the end of the week
            found.update(range(begin, high + 1))
            begin = low
        found.update(range(begin, end + 1, int(step or 1)))
    return sorted(found)


def _number(said: str, names: dict[str, int] | None) -> int:
    return (names or {}).get(said) or int(said)


def _monthday(said: str) -> IsOn:
    if said == "L":
        return lambda day: day.day == _length(day)
    if said.endswith("W"):
        return lambda day: day.day == _nearest_workday(day, said[:-1])
    days = _numbers(said, (1, 31))
    return lambda day: day.day in days


def _weekday(said: str) -> IsOn:
    number, hash_, which = said.partition("#")
    if hash_:
        return lambda day: _day(day) == _number(number, DAYS) and (day.day - 1) // 7 + 1 == int(which)
    if said.endswith("L"):
        wanted = _number(said[:-1], DAYS) if said != "L" else DAYS["SAT"]
        return lambda day: _day(day) == wanted and (said == "L" or day.day > _length(day) - 7)
    days = _numbers(said, (1, 7), DAYS)
    return lambda day: _day(day) in days


def _day(day: date) -> int:
    return day.isoweekday() % 7 + 1


def _length(day: date) -> int:
    return monthrange(day.year, day.month)[1]


def _nearest_workday(day: date, said: str) -> int:
    """The workday of this month that is nearest to a day of it."""
    last = _length(day)
    wanted = last if said == "L" else min(int(said), last)
    weekday = day.replace(day=wanted).isoweekday()
    if weekday == 6:  # noqa: PLR2004 - Saturday
        return wanted - 1 if wanted > 1 else wanted + 2
    if weekday == 7:  # noqa: PLR2004 - Sunday
        return wanted + 1 if wanted < last else wanted - 2
    return wanted


def _wrong(expression: str, problem: str) -> InvalidInput:
    return InvalidInput("schedule", f"{expression!r} is no schedule: {problem}")
