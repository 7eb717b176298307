"""Answers: a document with its status, and the headers that belong to it."""

from collections.abc import Mapping
from typing import Any

from aws_lambda_powertools.event_handler import Response
from pydantic import BaseModel

from penstock.http import conditions, problems
from penstock.http.problems import Refused

# Not of str: Powertools holds what a route returns against its annotation, and there are answers without a body.
Reply = Response[Any]
# What is here changes by itself: workers and the clock are at it.
NEVER_STORED = {"Cache-Control": "no-store"}


def said(document: BaseModel, *, status: int = 200, **headers: str | None) -> Reply:
    """A document. A header that is None is left out; its name is written with underscores."""
    given = {name.replace("_", "-"): value for name, value in headers.items() if value is not None}
    return Response(status, problems.JSON, document.model_dump_json(), {**NEVER_STORED, **given})


def versioned(
    document: BaseModel, version: int, *, status: int = 200, location: str | None = None, known: str | None = None
) -> Reply:
    """A document with its entity tag; nothing but the tag for who says that they know it."""
    tag = conditions.tag_of_version(version)
    if conditions.is_known(known, tag):
        return Response(304, headers={**NEVER_STORED, "ETag": tag})
    return said(document, status=status, Location=location, ETag=tag)


def nothing() -> Reply:
    """It is done, and there is nothing to say about it."""
    return Response(204, headers=NEVER_STORED)


def refused(refusal: Refused, *, instance: str | None, trace_id: str | None) -> Reply:
    """A problem."""
    headers: Mapping[str, str] = {**NEVER_STORED, **refusal.headers}
    document = refusal.document(instance=instance, trace_id=trace_id)
    return Response(refusal.kind.status, problems.PROBLEM_JSON, document, headers)
