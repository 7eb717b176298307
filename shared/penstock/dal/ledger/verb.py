"""A verb of the ledger as Python calls it: its name, and what a row of its answer is."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, Generic, TypeVar, get_args, get_origin, get_type_hints
from uuid import UUID

from penstock.dal.dialect import calls

Row = TypeVar("Row")
DECODERS: Mapping[Any, Callable[[Any], Any]] = {UUID: calls.uuid, datetime: calls.utc, bool: bool}


@dataclass(frozen=True)
class Verb(Generic[Row]):
    """The file `<name>.sql`, once for each engine; each row of its answer becomes a *row*."""

    name: str
    row: Callable[..., Row]

    def decoded(self, values: Sequence[Any]) -> Row:
        """A row of what the database answered."""
        fields = list(values)
        for place, decode in self._decoders:
            if fields[place] is not None:
                fields[place] = decode(fields[place])
        return self.row(*fields)

    @cached_property
    def columns(self) -> str:
        """What is selected of the answer. A document comes as text, so that one that cannot be read spoils no other."""
        if not any(decode is calls.document for _, decode in self._decoders):
            return "*"
        documents = {place for place, decode in self._decoders if decode is calls.document}
        return ", ".join(f"{name}::text" if place in documents else name for place, name in enumerate(self._hints))

    @cached_property
    def _decoders(self) -> list[tuple[int, Callable[[Any], Any]]]:
        hints = enumerate(self._hints.values())
        return [(place, decode) for place, hint in hints if (decode := _decoder(hint)) is not None]

    @cached_property
    def _hints(self) -> Mapping[str, Any]:
        return get_type_hints(self.row)


def _decoder(hint: Any) -> Callable[[Any], Any] | None:
    kinds = [kind for kind in (get_args(hint) if _is_optional(hint) else (hint,)) if kind is not type(None)]
    kind = kinds[0]
    if get_origin(kind) is list:
        return calls.names
    if get_origin(kind) is not None or kind is Any:
        return calls.document
    return DECODERS.get(kind)


def _is_optional(hint: Any) -> bool:
    return type(None) in get_args(hint)
