"""Lists in pages: the items, and the way to the next page in the body and in a Link header.

What a Lambda function answers must not be larger than 6 MB. A page that would be is asked for again, half as long.
"""

import json
from collections.abc import Callable
from typing import Any, Generic, TypeVar
from urllib.parse import parse_qsl, urlencode

from pydantic import BaseModel

from penstock.dal.views.pages import Page
from penstock.http import answers
from penstock.http.answers import Reply
from penstock.http.exchange import Exchange

T = TypeVar("T", bound=BaseModel)

# Less than 6 MB: what surrounds the body, and its headers, have to fit in as well.
LARGEST_ANSWER = 5 * 1024 * 1024


class Listing(BaseModel, Generic[T]):
    """A page of a list; the cursor to the next one is null after the last."""

    items: list[T]
    next_cursor: str | None


def answer(exchange: Exchange, listing: type[Listing[Any]], question: Callable[..., Page], **asked: Any) -> Reply:
    """A page of a list, as it is asked for."""
    page = exchange.read(question, **asked)
    document = listing.model_validate({"items": page.rows, "next_cursor": page.cursor}, from_attributes=True)
    response = answers.said(document, Link=_link(exchange, page.cursor))
    if len(page.rows) > 1 and not fits(response):
        return answer(exchange, listing, question, **{**asked, "limit": len(page.rows) // 2})
    return response


def fits(response: Reply) -> bool:
    """Whether Lambda would let it through: a body goes out as a JSON text."""
    return len(json.dumps(response.body)) <= LARGEST_ANSWER


def _link(exchange: Exchange, cursor: str | None) -> str | None:
    if cursor is None:
        return None
    asked = parse_qsl(exchange.event.raw_query_string, keep_blank_values=True)
    query = urlencode([(name, value) for name, value in asked if name != "cursor"] + [("cursor", cursor)])
    return f'<{exchange.event.raw_path}?{query}>; rel="next"'
