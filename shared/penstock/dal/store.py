"""Where a transaction begins and ends: one of our own, one verb on its own, or the caller's.

    with store.begin() as tx:            several verbs, one commit
        executions.create(tx, job)
    store.alone(executions.complete, ...)  one verb; one round trip where the engine allows
    tx = store.join(connection)          inside the caller's transaction, which stays the caller's

`tx.now` is read once for each transaction. On PostgreSQL it goes on no record: there each call of the ledger reads the
server's clock. Clock, ids, chance and actor are handed in.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Concatenate, ParamSpec, TypeVar
from uuid import UUID

from penstock.dal import dialect
from penstock.dal.dialect import Query, Rows, Session
from penstock.dal.effects import Effects, Moved
from penstock.dal.ledger.verb import Verb
from penstock.domain import limits

P = ParamSpec("P")
T = TypeVar("T")

TRIES = 5


class NeedsTransaction(Exception):
    """A verb found that it takes more than one statement; `alone` runs it again inside a transaction."""


@dataclass(frozen=True, slots=True)
class Tx:
    """One transaction: its cursor, its moment, and who acts in it."""

    session: Session
    now: datetime
    actor: str
    new_id: Callable[[], UUID]
    chance: Callable[[], float]
    ring_grace: timedelta = timedelta(0)

    def run(self, query: Query, params: Mapping[str, Any] | None = None) -> list[Any]:
        """The rows of a query; it may use the moment of the transaction."""
        return self.session.run(query, {"now": self.now, **(params or {})})

    def call(self, verb: Verb[T], **arguments: Any) -> list[T]:
        """Calls a verb of the ledger; the rows of its answer."""
        return [verb.decoded(values) for values in self.answer(verb, **arguments)]

    def answer(self, verb: Verb[Any], **arguments: Any) -> Rows:
        """Calls a verb of the ledger; its answer as the database sends it."""
        return self.session.call(verb.name, arguments, verb.columns, self.now, self.new_id)

    def move(self, verb: Verb[Moved], **arguments: Any) -> Effects:
        """Calls a verb that moves something, in the name of the actor; what it changed."""
        return Effects.of(self.call(verb, **arguments, actor=self.actor, ring_grace=self.ring_grace))

    @property
    def spans(self) -> bool:
        """Whether more than one statement of this transaction would be one commit."""
        return self.session.spans

    def must_span(self) -> None:
        """Says that what follows takes several statements."""
        if not self.spans:
            raise NeedsTransaction


@dataclass(frozen=True)
class Store:
    """A database, and what verbs need besides it."""

    database: dialect.Database
    actor: str
    clock: Callable[[], datetime]
    new_id: Callable[[], UUID]
    chance: Callable[[], float]
    ring_grace: timedelta = timedelta(0)

    def __post_init__(self) -> None:
        limits.name("actor", self.actor)

    def acting_as(self, actor: str) -> "Store":
        """The same database for somebody else: what they do names them."""
        return replace(self, actor=actor)

    @contextmanager
    def begin(self) -> Iterator[Tx]:
        """A transaction: committed when the block ends, rolled back when it raises."""
        with self.database.transaction() as session:
            yield self._tx(session)

    @contextmanager
    def read(self) -> Iterator[Tx]:
        """Statements that each see what is committed when they begin."""
        with self.database.autocommit() as session:
            yield self._tx(session)

    def alone(self, verb: Callable[Concatenate[Tx, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """One verb as one commit; run again as a whole if the database chose it as the victim of a conflict."""
        for attempt in range(1, TRIES + 1):
            try:
                return self._once(verb, *args, **kwargs)
            except Exception as error:
                if attempt == TRIES or not self.database.is_conflict(error):
                    raise
        raise AssertionError("unreachable")

    def _once(self, verb: Callable[Concatenate[Tx, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        if self.database.commits_alone:
            try:
                with self.database.autocommit() as session:
                    return verb(self._tx(session), *args, **kwargs)
            except NeedsTransaction:
                pass
        with self.begin() as tx:
            return verb(tx, *args, **kwargs)

    def join(self, connection: Any) -> Tx:
        """The caller's own transaction: a SQLAlchemy connection or session, or a connection of the driver."""
        return self._tx(dialect.joined(connection))

    def _tx(self, session: Session) -> Tx:
        return Tx(session, self.clock(), self.actor, self.new_id, self.chance, self.ring_grace)
