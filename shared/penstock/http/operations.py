"""How an operation is documented: what it answers when all is well, and every problem that it may refuse with."""

from collections.abc import Mapping, Sequence
from typing import Any

from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from penstock.http import problems
from penstock.http.problems import KINDS, Problem

ALWAYS = (400, 401, 403, 500, 503)
WITH_ID = (404,)
WITH_BODY = (413, 415, 422)

# Headers of answers: to what is shown, to a POST, to a POST that has made something.
TAGGED, REPLAYABLE, MADE = ("ETag",), ("ETag", "Idempotent-Replayed"), ("Location", "ETag", "Idempotent-Replayed")

TAG = {
    "description": "The version of the representation, to be sent back in If-Match or If-None-Match.",
    "schema": {"type": "string"},
}
PLACE = {"description": "Where it is.", "schema": {"type": "string"}}
NEXT = {"description": 'The next page, as `<...>; rel="next"`; absent after the last.', "schema": {"type": "string"}}
REPLAYED = {
    "description": "`true` where this is the answer of an earlier request with the same key.",
    "schema": {"type": "string"},
}
ANSWERS = {200: "As asked", 201: "Made", 204: "Done", 304: "Unchanged since"}


def routes() -> APIGatewayHttpRouter:
    """Where a file puts its routes."""
    return APIGatewayHttpRouter()  # type: ignore[no-untyped-call]  # its constructor has no annotations


def answering(
    summary: str,
    model: Any = None,
    *,
    status: int = 200,
    also: Sequence[int] = (),
    refuses: Sequence[int] = (),
    headers: Sequence[str] = (),
) -> dict[str, Any]:
    """The arguments of a route: *also* are other statuses that are no problem, *refuses* those of its problems."""
    known = {"ETag": TAG, "Location": PLACE, "Link": NEXT, "Idempotent-Replayed": REPLAYED}
    said = {name: known[name] for name in headers}
    content = {} if model is None else {problems.JSON: {"model": model}}
    well = {status: {"description": ANSWERS[status], "content": content, **({"headers": said} if said else {})}}
    others = {each: {"description": ANSWERS[each], "content": {}} for each in also}
    return {
        "summary": summary,
        "responses": {**well, **others, **{each: _problem(each) for each in sorted({*ALWAYS, *refuses})}},
    }


def _problem(status: int) -> Mapping[str, Any]:
    kinds = ", ".join(f"`{kind.slug}`" for kind in KINDS if kind.status == status)
    return {"description": f"Problem: {kinds}", "content": {problems.PROBLEM_JSON: {"model": Problem}}}
