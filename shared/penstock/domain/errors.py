"""What can go wrong, in the words of the domain. Each error says what is true and what to do about it."""

from dataclasses import dataclass
from uuid import UUID


class PenstockError(Exception):
    """Something in Penstock refused."""


class InvalidInput(PenstockError, ValueError):
    """An argument breaks a rule; nothing was written."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem


class CannotJoin(PenstockError):
    """The caller's connection has no transaction that the work could become part of."""


class NotMoved(PenstockError):
    """A verb on one execution did not move it."""

    def __init__(self, refusal: "Refusal") -> None:
        super().__init__(str(refusal))
        self.refusal = refusal


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why one execution did not move, and what would be legal now."""

    id: UUID
    verb: str
    state: str | None
    reason: str
    legal: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.id}: {self.reason}"
