"""New runs of what has ended."""

from collections.abc import Iterable
from uuid import UUID

from penstock.dal.dialect import as_json
from penstock.dal.effects import Effects, Moved
from penstock.dal.ledger.verb import Verb
from penstock.dal.store import Tx

RETRY = Verb("retry", Moved)


def retry(tx: Tx, ids: Iterable[UUID]) -> Effects:
    """A new execution for each of these that has ended: as that one was asked for, from its first attempt, on its own."""
    rows = [{"id": tx.new_id(), "retry_of": id} for id in dict.fromkeys(ids)]
    return tx.move(RETRY, executions=as_json(rows))
