"""When to try again: the policy that an execution carries, and the delay that follows from it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal, get_args

from penstock.domain import limits
from penstock.domain.errors import InvalidInput

Backoff = Literal["fixed", "linear", "exponential"]


@dataclass(frozen=True, slots=True)
class Retry:
    """How long to wait after a failed attempt, and which errors are worth another one.

    ``on`` and ``never`` name error types: with ``on`` only those are tried again, those in ``never`` not at all.
    ``jitter`` takes away up to that share of the delay, so that the cap holds whatever the chance.
    """

    backoff: Backoff = "exponential"
    delay_seconds: float = 1.0
    factor: float = 2.0
    cap_seconds: float = 300.0
    jitter: float = 0.25
    on: tuple[str, ...] = ()
    never: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.backoff not in get_args(Backoff):
            raise InvalidInput(
                "retry.backoff", f"is {self.backoff!r}; it must be one of {', '.join(get_args(Backoff))}"
            )
        limits.between("retry.delay_seconds", self.delay_seconds, limits.RETRY_DELAY_SECONDS)
        limits.between("retry.factor", self.factor, limits.RETRY_FACTOR)
        limits.between("retry.cap_seconds", self.cap_seconds, limits.RETRY_CAP_SECONDS)
        limits.between("retry.jitter", self.jitter, limits.RETRY_JITTER)
        object.__setattr__(self, "on", limits.names("retry.on", self.on))
        object.__setattr__(self, "never", limits.names("retry.never", self.never))

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> "Retry":
        """The policy out of its JSON form."""
        if unknown := set(stored) - set(cls.__dataclass_fields__):
            raise InvalidInput("retry", f"has unknown keys: {', '.join(sorted(unknown))}")
        return cls(**stored)

    def as_json(self) -> dict[str, Any]:
        """The policy as JSON."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    def wants(self, error_type: str) -> bool:
        """Whether an error of this type is worth another attempt."""
        return error_type not in self.never and (not self.on or error_type in self.on)

    def delay(self, attempt: int, chance: float) -> timedelta:
        """How long to wait after *attempt* failed; *chance* in [0, 1) decides the jitter."""
        capped = min(self._raw(attempt), self.cap_seconds)
        return timedelta(seconds=capped * (1 - self.jitter * chance))

    def _raw(self, attempt: int) -> float:
        if self.backoff == "fixed":
            return self.delay_seconds
        if self.backoff == "linear":
            return self.delay_seconds * attempt
        # Past this power the cap has long been reached, and a float would overflow.
        return self.delay_seconds * self.factor ** min(attempt - 1, 100)


DEFAULT = Retry()
