"""Idempotency-Key: a request that is sent again has the effect and the answer of the first time.

The answer is stored in the transaction of its effect: both are there, or neither. What was refused had no effect, is not
stored, and may be sent again under the same key. A key is the caller's own: two callers may use the same one.
"""

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEventV2

from penstock.dal import idempotency
from penstock.dal.executions import Effects
from penstock.dal.store import Tx
from penstock.domain import limits
from penstock.http import problems
from penstock.http.answers import Reply

REPLAYED = {"Idempotent-Replayed": "true"}
KEPT_FOR = timedelta(hours=24)
LONGEST = limits.NAME
QUOTED = re.compile(r'"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])+)"')
BARE = re.compile(r"[\x21\x23-\x7e]+")


@dataclass(frozen=True, slots=True)
class Done:
    """What a request came to: the answer, and what was changed."""

    response: Reply
    effects: Effects = field(default_factory=Effects)


@dataclass(frozen=True, slots=True)
class Attempt:
    """A request under a key; the fingerprint tells it from others."""

    key: str
    fingerprint: str


def attempt(event: APIGatewayProxyEventV2) -> Attempt | None:
    """The attempt that a POST is; None without a key."""
    header = event.headers.get("idempotency-key")
    if header is None or event.http_method != "POST":
        return None
    said = json.dumps([event.path, event.json_body], sort_keys=True, separators=(",", ":"))
    return Attempt(_key(header), hashlib.sha256(said.encode()).hexdigest())


def at_most_once(tx: Tx, act: Callable[[Tx], Done], tried: Attempt | None) -> Done:
    """Acts, and stores the answer; or answers as before."""
    tx.must_span()
    if tried is None:
        return act(tx)
    before = idempotency.recall(tx, tx.actor, tried.key, tried.fingerprint, tx.now + KEPT_FOR)
    if before is not None:
        return Done(Response(before["status"], None, before["body"], {**before["headers"], **REPLAYED}))
    done = act(tx)
    answer = done.response
    kept = {"status": answer.status_code, "headers": answer.headers, "body": answer.body}
    idempotency.keep(tx, tx.actor, tried.key, kept)
    return done


def _key(header: str) -> str:
    """The key, whether it comes as the quoted string of the standard or bare."""
    quoted = QUOTED.fullmatch(header)
    key = re.sub(r"\\(.)", r"\1", quoted[1]) if quoted else header
    if not (quoted or BARE.fullmatch(header)) or len(key) > LONGEST:
        detail = f"must be 1 to {LONGEST} printable ASCII characters, in quotes or without spaces"
        raise problems.header("Idempotency-Key", detail)
    return key
