"""A request with a key has its effect once: whoever sends it again gets the answer of the first time.

The key is written in the transaction of the effect, before it. A rival with the same key waits there until that
transaction has ended: after a commit it reads the answer, after a rollback the key is its own. A key that has expired,
or whose transaction kept no answer, is new again.
"""

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from penstock.dal import schema
from penstock.dal.dialect import Instant, Json, Script, Statement, insert
from penstock.dal.store import Tx
from penstock.domain import limits
from penstock.domain.errors import InvalidInput, KeyReused

K = schema.idempotency_keys
NOW = sa.bindparam("now", type_=Instant())
EXPIRY = sa.bindparam("expires_at", type_=Instant())
SCOPE, KEY, FINGERPRINT = (sa.bindparam(name, type_=sa.Text()) for name in ("scope", "key", "fingerprint"))
THIS = sa.and_(K.c.scope == SCOPE, K.c.key == KEY)


def recall(tx: Tx, scope: str, key: str, fingerprint: str, expires_at: datetime) -> Any | None:
    """The answer that was kept under this key; None when the key is new, and from now on ours."""
    tx.must_span()
    named = {"scope": limits.name("scope", scope), "key": limits.name("key", key)}
    values = {"fingerprint": fingerprint, "expires_at": limits.instant("expires_at", expires_at)}
    if tx.run(TAKE, named | values):
        return None
    # A second statement: what a rival has just committed was not there yet when the first one began.
    (kept,) = tx.run(READ, named)
    if kept.fingerprint != fingerprint:
        raise KeyReused(key)
    return kept.response


def keep(tx: Tx, scope: str, key: str, response: Any) -> None:
    """The answer to whoever comes with this key from now on."""
    if response is None:
        raise InvalidInput("response", "is nothing; an answer that is kept must be some JSON")
    if not tx.run(KEEP, {"scope": scope, "key": key, "response": response}):
        raise InvalidInput("key", f"is {key!r}, which nobody has recalled; recall it before its effect")


def forget_expired(tx: Tx, limit: int) -> int:
    """Deletes keys that have expired, the oldest first; how many."""
    limits.within("limit", limit, (1, limits.BATCH))
    return len(tx.run(FORGET, {"limit": limit}))


def _take(script: Script) -> None:
    free = sa.or_(K.c.expires_at <= NOW, K.c.response.is_(None))
    new = {"fingerprint": FINGERPRINT, "created_at": NOW, "expires_at": EXPIRY}
    inserted = insert(K).values(scope=SCOPE, key=KEY, **new)
    taken = inserted.on_conflict_do_update(
        index_elements=[K.c.scope, K.c.key], set_={**new, "response": sa.null()}, where=free
    )
    script.answer(sa.select(*script.step("taken", taken.returning(K.c.key)).c))


def _read(script: Script) -> None:
    script.answer(sa.select(K.c.fingerprint, K.c.response).where(THIS))


def _keep(script: Script) -> None:
    kept = sa.update(K).where(THIS).values(response=sa.bindparam("response", type_=Json)).returning(K.c.key)
    script.answer(sa.select(*script.step("kept", kept).c))


def _forget(script: Script) -> None:
    oldest = (
        sa.select(K.c.scope, K.c.key)
        .where(K.c.expires_at <= NOW)
        .order_by(K.c.expires_at)
        .limit(sa.bindparam("limit", type_=sa.Integer()))
        .with_for_update(skip_locked=True)
    )
    expired = script.step("expired", oldest)
    gone = sa.delete(K).where(sa.tuple_(K.c.scope, K.c.key).in_(sa.select(expired.c.scope, expired.c.key)))
    script.answer(sa.select(*script.step("gone", gone.returning(K.c.key)).c))


TAKE, READ, KEEP, FORGET = (Statement(build) for build in (_take, _read, _keep, _forget))
