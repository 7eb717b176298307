"""What can go wrong, in the words of the domain. Each error says what is true and what to do about it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


class PenstockError(Exception):
    """Something in Penstock refused."""


class InvalidInput(PenstockError, ValueError):
    """An argument breaks a rule; nothing was written."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem


class UnknownTasks(InvalidInput):
    """Runs are wanted of tasks that the catalogue does not have."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__("task", f"names no task of the catalogue: {', '.join(names)}")
        self.names = tuple(names)


class CannotJoin(PenstockError):
    """The caller's connection has no transaction that the work could become part of."""


class NotFound(PenstockError):
    """There is nothing of this kind under this id."""

    def __init__(self, kind: str, id: UUID) -> None:
        super().__init__(f"there is no {kind} {id}; it has gone, or this is the id of something else")
        self.kind = kind
        self.id = id


class VersionChanged(PenstockError):
    """Somebody has changed it since the caller read it; nothing was written."""

    def __init__(self, id: UUID, expected: int | datetime, actual: int | datetime) -> None:
        super().__init__(
            f"{id} is at version {_spelled(actual)} by now, not at {_spelled(expected)}; read it again and decide anew"
        )
        self.id = id
        self.expected = expected
        self.actual = actual


class NameTaken(PenstockError):
    """A name that must be the only one of its kind is there already."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the name {name!r} is taken; choose another one, or change what has it")
        self.name = name


class InUse(PenstockError):
    """It cannot be deleted while others refer to it."""

    def __init__(self, kind: str, id: UUID, users: Sequence[str]) -> None:
        super().__init__(f"{kind} {id} is used by {', '.join(users)}; it can be deleted once they are gone")
        self.kind = kind
        self.id = id
        self.users = tuple(users)


class KeyReused(PenstockError):
    """An idempotency key came with another request than the first time."""

    def __init__(self, key: str) -> None:
        super().__init__(
            f"the idempotency key {key!r} was used for another request; "
            "send that request again as it was, or choose a new key"
        )
        self.key = key


class LeaseLost(PenstockError):
    """The execution no longer runs under the caller's lease."""

    def __init__(self, id: UUID) -> None:
        super().__init__(
            f"{id} no longer runs under this lease: it has ended, or somebody else has taken it over; "
            "stop working on it, nothing of this run can be settled any more"
        )
        self.id = id


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


def _spelled(version: int | datetime) -> str:
    return version.isoformat() if isinstance(version, datetime) else str(version)
