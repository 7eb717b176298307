"""Everything that the API refuses with, as RFC 9457 has it. docs/problems.md says of each kind what to do about it.

A `type` is a relative reference: it names the kind, wherever the API happens to be deployed.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict

JSON, PROBLEM_JSON = "application/json", "application/problem+json"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of problem: where it is documented, its status, and what it is called."""

    slug: str
    status: int
    title: str

    @property
    def type(self) -> str:
        """The URI that names it."""
        return f"/problems/{self.slug}"


MALFORMED = Kind("malformed-request", 400, "The request cannot be read")
PARAMETER = Kind("invalid-parameter", 400, "A query parameter is not usable")
HEADER = Kind("invalid-header", 400, "A header is not usable")
UNAUTHENTICATED = Kind("unauthenticated", 401, "Nobody is known to have sent this")
FORBIDDEN = Kind("forbidden", 403, "The caller may not use this API")
NOT_FOUND = Kind("not-found", 404, "There is nothing here")
METHOD = Kind("method-not-allowed", 405, "This is not done here")
ILLEGAL_MOVE = Kind("illegal-move", 409, "The state does not allow this")
LEASE_LOST = Kind("lease-lost", 409, "The lease is no longer valid")
NAME_TAKEN = Kind("name-taken", 409, "The name is taken")
IN_USE = Kind("in-use", 409, "Others refer to it")
CHANGED = Kind("version-changed", 412, "Somebody has changed it since")
TOO_LARGE = Kind("too-large", 413, "The body is too large")
MEDIA = Kind("unsupported-media-type", 415, "The body is not JSON")
INVALID = Kind("invalid-input", 422, "The body breaks a rule")
KEY_REUSED = Kind("key-reused", 422, "The idempotency key was used for another request")
CONDITION_NEEDED = Kind("precondition-required", 428, "The change must say what it is based on")
INTERNAL = Kind("internal-error", 500, "Something went wrong here")
SCHEMA_BEHIND = Kind("schema-behind", 503, "The database is older than this code")
DATABASE_AWAY = Kind("database-away", 503, "The database does not answer")

KINDS: tuple[Kind, ...] = (
    MALFORMED, PARAMETER, HEADER, UNAUTHENTICATED, FORBIDDEN, NOT_FOUND, METHOD, ILLEGAL_MOVE, LEASE_LOST, NAME_TAKEN, IN_USE,
    CHANGED, TOO_LARGE, MEDIA, INVALID, KEY_REUSED, CONDITION_NEEDED, INTERNAL, SCHEMA_BEHIND, DATABASE_AWAY,
)  # fmt: skip


class Flaw(BaseModel):
    """One thing that is wrong with a request, and where: in its body, its query or its headers."""

    model_config = ConfigDict(frozen=True)

    detail: str
    pointer: str | None = None
    parameter: str | None = None
    header: str | None = None


class Problem(BaseModel):
    """What was refused, why, and what would be possible."""

    model_config = ConfigDict(frozen=True)

    type: str
    title: str
    status: int
    detail: str
    instance: str | None = None
    trace_id: str | None = None
    errors: list[Flaw] | None = None
    state: str | None = None
    legal_moves: list[str] | None = None


@dataclass
class Refused(Exception):
    """The request is refused with a problem of this kind; *more* are its further members."""

    kind: Kind
    detail: str
    more: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    def document(self, *, instance: str | None = None, trace_id: str | None = None) -> str:
        """The problem as it goes out."""
        kind = self.kind
        said = {"detail": self.detail, "instance": instance, "trace_id": trace_id, **self.more}
        problem = Problem(type=kind.type, title=kind.title, status=kind.status, **said)
        return problem.model_dump_json(exclude_none=True)


def parameter(name: str, detail: str) -> Refused:
    """A query parameter is not usable."""
    return flawed(PARAMETER, [Flaw(parameter=name, detail=detail)])


def header(name: str, detail: str) -> Refused:
    """A header is not usable."""
    return flawed(HEADER, [Flaw(header=name, detail=detail)])


def body(path: Sequence[str | int], detail: str) -> Refused:
    """Something in the body breaks a rule."""
    return flawed(INVALID, [Flaw(pointer=pointer(path), detail=detail)])


def flawed(kind: Kind, flaws: Sequence[Flaw]) -> Refused:
    """A problem that is the sum of its flaws."""
    detail = "; ".join(f"{flaw.pointer or flaw.parameter or flaw.header} {flaw.detail}" for flaw in flaws)
    return Refused(kind, detail, {"errors": list(flaws)})


def pointer(path: Sequence[str | int]) -> str:
    """A place in a document, as RFC 6901 writes it in a fragment."""
    return "#" + "".join(f"/{part}" for part in (str(each).replace("~", "~0").replace("/", "~1") for each in path))


def unknown_tasks(paths: Iterable[Sequence[str | int]]) -> Refused:
    """Runs of tasks that the catalogue does not have."""
    return flawed(INVALID, [Flaw(pointer=pointer(path), detail="names no task of the catalogue") for path in paths])
