"""A request with a key has its effect once: whoever sends it again gets the answer of the first time.

The key is written in the transaction of the effect, before it. A rival with the same key waits there until that
transaction has ended: after a commit it reads the answer, after a rollback the key is its own. A key that has expired,
or whose transaction kept no answer, is new again.
"""

import json
from datetime import datetime
from typing import Any, NamedTuple

from penstock.dal.dialect import as_json
from penstock.dal.ledger.verb import Verb
from penstock.dal.store import Tx
from penstock.domain import limits
from penstock.domain.errors import InvalidInput, KeyReused


class Kept(NamedTuple):
    """Whether a key has been taken; otherwise the request that it belongs to, and the answer as JSON text."""

    taken: bool
    fingerprint: str
    response: str | None


TAKE = Verb("take_key", Kept)
KEEP = Verb("keep_answer", bool)
FORGET = Verb("forget_keys", int)


def recall(tx: Tx, scope: str, key: str, fingerprint: str, expires_at: datetime) -> Any | None:
    """The answer that was kept under this key; None when the key is new, and from now on ours."""
    tx.must_span()
    limits.name("scope", scope)
    limits.name("key", key)
    limits.instant("expires_at", expires_at)
    (kept,) = tx.call(TAKE, scope=scope, key=key, fingerprint=fingerprint, expires_at=expires_at)
    if kept.taken:
        return None
    if kept.fingerprint != fingerprint:
        raise KeyReused(key)
    return json.loads(kept.response or "null")


def keep(tx: Tx, scope: str, key: str, response: Any) -> None:
    """Keeps the answer to whoever comes with this key from now on."""
    if response is None:
        raise InvalidInput("response", "is nothing; an answer that is kept must be some JSON")
    (kept,) = tx.call(KEEP, scope=scope, key=key, response=as_json(response))
    if not kept:
        raise InvalidInput("key", f"is {key!r}, which nobody has recalled; recall it before its effect")


def forget_expired(tx: Tx, limit: int) -> int:
    """Deletes keys that have expired, the oldest first; how many."""
    (number,) = tx.call(FORGET, capacity=limits.within("limit", limit, (1, limits.BATCH)))
    return number
