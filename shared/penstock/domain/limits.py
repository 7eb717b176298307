"""How large, how many, how long: every bound on what comes in, and the checks that name the field and the limit."""

import json
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from penstock.domain.errors import InvalidInput

NAME = 200
QUEUE = 80
PATH = 1_000
TEXT = 10_000
PAYLOAD = 256 * 1024
DEPTH = 64
PRIORITY = (1, 5)
ATTEMPTS = (1, 100)
TIMEOUT_SECONDS = (1, 86_400)
RETRY_DELAY_SECONDS = (0, 86_400)
RETRY_FACTOR = (1, 100)
RETRY_CAP_SECONDS = (0, 7 * 86_400)
RETRY_JITTER = (0, 1)
NAMES = 100
STEPS = 1_000
BATCH = 20_000
PAGE = 1_000
RECOVERIES = 3
LEASE_MARGIN_SECONDS = 30
HOLD_SECONDS = (1, 2 * 86_400)
FIRST_YEAR, LAST_YEAR = 1000, 9999
NUL = "\x00"
STRICT_JSON = json.JSONEncoder(allow_nan=False, separators=(",", ":"))


def name(field: str, value: str, longest: int = NAME) -> str:
    """A short text that somebody will look for: not blank, not longer than *longest* characters."""
    if not isinstance(value, str) or not value.strip():
        raise InvalidInput(field, "must be a text that is not blank")
    return text(field, value, longest)


def text(field: str, value: str, longest: int = TEXT) -> str:
    """A text of at most *longest* characters that a database can hold."""
    if not isinstance(value, str):
        raise InvalidInput(field, f"must be a text, not {type(value).__name__}")
    if len(value) > longest:
        raise InvalidInput(field, f"is {len(value):,} characters long; at most {longest:,} are allowed")
    if NUL in value:
        raise InvalidInput(field, "contains a NUL character, which no database can hold; remove it")
    if not value.isascii():
        _encodable(field, value)
    return value


def within(field: str, value: int, bounds: tuple[int, int]) -> int:
    """A whole number inside *bounds*."""
    low, high = bounds
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise InvalidInput(field, f"is {value!r}; it must be a whole number from {low:,} to {high:,}")
    return value


def between(field: str, value: float, bounds: tuple[int, int]) -> float:
    """A number inside *bounds*."""
    low, high = bounds
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise InvalidInput(field, f"is {value!r}; it must be a number from {low:,} to {high:,}")
    return value


def hold(field: str, value: timedelta) -> timedelta:
    """How long somebody may hold what he has taken."""
    low, high = HOLD_SECONDS
    if not isinstance(value, timedelta) or not low <= value.total_seconds() <= high:
        raise InvalidInput(field, f"is {value!r}; it must be a duration from {low:,} to {high:,} seconds")
    return value


def instant(field: str, value: datetime) -> datetime:
    """A moment with its time zone."""
    if not isinstance(value, datetime) or value.tzinfo is None or value.utcoffset() is None:
        raise InvalidInput(field, f"is {value!r}; it must be a datetime with a time zone, such as UTC")
    if not FIRST_YEAR <= _year(value) <= LAST_YEAR:
        raise InvalidInput(field, f"is {value!r}; it must lie in the years {FIRST_YEAR} to {LAST_YEAR} of UTC")
    return value


def payload(field: str, value: Mapping[str, Any]) -> Mapping[str, Any]:
    """A JSON object of at most 256 KiB, nested at most 64 levels deep."""
    if not isinstance(value, Mapping):
        raise InvalidInput(field, f"must be a JSON object, not {type(value).__name__}")
    encoded = _json(field, value)
    if len(encoded) > PAYLOAD:
        raise InvalidInput(
            field,
            f"is {len(encoded):,} bytes of JSON; at most {PAYLOAD:,} are allowed (store it elsewhere and pass a reference)",
        )
    return value


def names(field: str, values: Collection[str], most: int = NAMES) -> tuple[str, ...]:
    """A list of short texts."""
    if isinstance(values, str) or not isinstance(values, Collection) or len(values) > most:
        raise InvalidInput(field, f"must be a list of at most {most} names")
    return tuple(name(field, value) for value in values)


def few(field: str, values: Collection[Any], most: int) -> None:
    """At most *most* of something at once."""
    if len(values) > most:
        raise InvalidInput(field, f"has {len(values):,} entries; at most {most:,} are allowed at once")


def _year(value: datetime) -> int:
    """The year in UTC; 0 beyond the ends of time."""
    try:
        return value.astimezone(UTC).year
    except OverflowError:
        return 0


def _json(field: str, value: Mapping[str, Any]) -> str:
    try:
        encoded = STRICT_JSON.encode(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInput(field, f"is not JSON: {error}") from None
    if "\\u0000" in encoded and NUL in _texts(value):
        raise InvalidInput(field, "contains a NUL character, which no database can hold; remove it")
    if "\\ud" in encoded:
        _encodable(field, json.dumps(value, ensure_ascii=False))
    if encoded.count("[") + encoded.count("{") > DEPTH and _depth(value) > DEPTH:
        raise InvalidInput(field, f"is nested more than {DEPTH} levels deep; flatten it, or pass it as text")
    return encoded


def _depth(value: Any) -> int:
    """How many levels of objects and lists a JSON value has; no more than one too many are counted."""
    deepest, level = 0, [value]
    while level and deepest <= DEPTH:
        level = [part for each in level for part in _parts(each) if isinstance(part, Mapping | list | tuple)]
        deepest += 1
    return deepest


def _parts(value: Any) -> Collection[Any]:
    return value.values() if isinstance(value, Mapping) else value


def _texts(value: Any) -> str:
    """Every text of a JSON value, keys included, end to end."""
    if isinstance(value, Mapping):
        return "".join(f"{key}{_texts(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return "".join(_texts(item) for item in value)
    return value if isinstance(value, str) else ""


def _encodable(field: str, value: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidInput(field, "contains half of a surrogate pair, which is no character; remove it") from None
