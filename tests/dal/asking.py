"""Questions to the views, and lists read to their end."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Concatenate, ParamSpec, TypeVar

from penstock.dal.store import Store, Tx
from penstock.dal.views.pages import Page

P = ParamSpec("P")
T = TypeVar("T")


class Undo(Exception):
    """Leaves no trace of a transaction."""


@contextmanager
def rolled_back(store: Store) -> Iterator[Tx]:
    """A transaction of which nothing is kept."""
    with suppress(Undo), store.begin() as tx:
        yield tx
        raise Undo


def ask(store: Store, view: Callable[Concatenate[Tx, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What a view answers now."""
    with store.read() as tx:
        return view(tx, *args, **kwargs)


def every_row(store: Store, view: Callable[..., Page], *args: Any, limit: int = 2, **filters: Any) -> list[Any]:
    """The rows of all pages of a list."""
    found: list[Any] = []
    cursor: str | None = None
    while True:
        page = ask(store, view, *args, limit=limit, cursor=cursor, **filters)
        found += page.rows
        cursor = page.cursor
        if cursor is None:
            return found


def ids(rows: list[Any]) -> list[Any]:
    """The ids of rows, in their order."""
    return [row.id for row in rows]
