"""The clock, the identifiers and the chance of the real world; everything else is handed them."""

import os
import time
from datetime import UTC, datetime
from random import random
from uuid import UUID

__all__ = ["now", "random", "uuid7"]


def now() -> datetime:
    """The clock of this machine."""
    return datetime.now(UTC)


def uuid7() -> UUID:
    """A UUID version 7: the time in milliseconds, a fraction of it, then chance; so made together lies together."""
    milliseconds, rest = divmod(time.time_ns(), 1_000_000)
    fraction = rest * 4096 // 1_000_000
    chance = int.from_bytes(os.urandom(8), "big") >> 2
    return UUID(int=(milliseconds << 80) | (0x7 << 76) | (fraction << 64) | (0b10 << 62) | chance)
