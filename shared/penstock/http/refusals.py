"""What went wrong, in the words of HTTP: an error of the domain, of the validation or of the database becomes a problem."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError

from penstock.dal.dialect import is_away
from penstock.domain import errors
from penstock.domain.lifecycle import TASK, Proof
from penstock.http import problems
from penstock.http.problems import Flaw, Refused
from penstock.models import BRANCHES

RETRY_SOON, RETRY_LATER = {"Retry-After": "5"}, {"Retry-After": "30"}
# How the parts of a request are called where Powertools finds something wrong in them.
PATH, QUERY, HEADER, BODY = "path", "query", "header", "body"


def of(error: Exception, parameters: Collection[str] = ()) -> Refused | None:
    """The problem that an error is; None for what nobody foresaw. *parameters* are those of the query."""
    match error:
        case Refused():
            return error
        case RequestValidationError():
            return _invalid_request(error)
        case errors.InvalidInput():
            return _invalid_input(error, parameters)
        case errors.NotMoved():
            return _not_moved(error.refusal)
    if is_away(error):
        return Refused(
            problems.DATABASE_AWAY, "the database does not answer; try again in a few seconds", {}, RETRY_SOON
        )
    kind = next((kind for cause, kind in PLAIN.items() if isinstance(error, cause)), None)
    return Refused(kind, str(error)) if kind else None


PLAIN: Mapping[type[Exception], problems.Kind] = {
    errors.NotFound: problems.NOT_FOUND,
    errors.VersionChanged: problems.CHANGED,
    errors.NameTaken: problems.NAME_TAKEN,
    errors.InUse: problems.IN_USE,
    errors.KeyReused: problems.KEY_REUSED,
}


def not_found(kind: str, id: UUID | str) -> Refused:
    """There is nothing under this id, which may not even be one."""
    return Refused(problems.NOT_FOUND, f"there is no {kind} {id}; it has gone, or this is the id of something else")


def lease_lost(id: UUID, status: str) -> Refused:
    """The caller holds an execution no longer."""
    return Refused(problems.LEASE_LOST, str(errors.LeaseLost(id)), _standing(status))


def schema_behind(found: str | None, wanted: str) -> Refused:
    """The code waits for a migration."""
    detail = f"the schema is at revision {found or 'none'} and this code needs {wanted}; migrate the database"
    return Refused(problems.SCHEMA_BEHIND, detail, {}, RETRY_LATER)


def _not_moved(refusal: errors.Refusal) -> Refused:
    if refusal.state is None:
        return Refused(problems.ILLEGAL_MOVE, str(refusal))
    more = {"state": refusal.state, "legal_moves": list(refusal.legal)}
    return Refused(problems.LEASE_LOST if _held_by_another(refusal) else problems.ILLEGAL_MOVE, str(refusal), more)


def _held_by_another(refusal: errors.Refusal) -> bool:
    """Whether the state would allow it, and only the lease does not."""
    return any(
        move.verb == refusal.verb and refusal.state in move.sources and move.proof is Proof.LEASE for move in TASK.moves
    )


def _standing(status: str) -> Mapping[str, Any]:
    return {"state": status, "legal_moves": list(TASK.legal_from(status))}


# --- where it is wrong -------------------------------------------------------------------------------------------


def _invalid_input(error: errors.InvalidInput, parameters: Collection[str]) -> Refused:
    if error.field in parameters:
        return problems.parameter(error.field, error.problem)
    return problems.body(error.field.split("."), error.problem)


def _invalid_request(error: RequestValidationError) -> Refused:
    """All that is wrong in the first part of the request that has anything wrong in it."""
    found = list(error.errors())
    for part, refuse in {PATH: _wrong_path, QUERY: _wrong_query, HEADER: _wrong_header, BODY: _wrong_body}.items():
        if mine := [each for each in found if each["loc"][0] == part]:
            return refuse(mine)
    return _wrong_body(found)


def _wrong_path(found: Sequence[Mapping[str, Any]]) -> Refused:
    return not_found("id", str(found[0]["input"]))


def _wrong_query(found: Sequence[Mapping[str, Any]]) -> Refused:
    return problems.flawed(problems.PARAMETER, [Flaw(parameter=each["loc"][1], detail=each["msg"]) for each in found])


def _wrong_header(found: Sequence[Mapping[str, Any]]) -> Refused:
    return problems.flawed(problems.HEADER, [Flaw(header=each["loc"][1], detail=each["msg"]) for each in found])


def _wrong_body(found: Sequence[Mapping[str, Any]]) -> Refused:
    flaws = [
        Flaw(pointer=problems.pointer(_path(each["loc"])), detail=each["msg"])
        for each in found
        if not _is_consequence(each, found)
    ]
    return problems.flawed(problems.INVALID, flaws)


def _is_consequence(flaw: Mapping[str, Any], found: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a list is only too short because what is wrong in it was not counted."""
    loc = flaw["loc"]
    return flaw["type"] == "too_short" and any(each["loc"][: len(loc)] == loc != each["loc"] for each in found)


def _path(loc: Sequence[str | int]) -> Sequence[str | int]:
    """A place in the document: which of several forms it has is no part of it."""
    return [part for part in loc[1:] if part not in BRANCHES]
