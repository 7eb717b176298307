"""Events that are no move: they have no version, because nothing changed."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from penstock.dal.dialect import Script, Statement
from penstock.dal.ledger.pieces import ACTOR, NOW, V, returned
from penstock.dal.store import Tx

BROUGHT = ("pipeline_execution_id", "task_execution_id", "event_type", "event_data", "worker_id")


def note(tx: Tx, row: Mapping[str, Any]) -> int:
    """Writes one; its place in the sequence of all events."""
    (written,) = tx.run(NOTE, {"rows": [row]})
    return int(written.sequence_num)


def _note(script: Script) -> None:
    rows = script.given("rows", {name: V.c[name].type for name in BROUGHT})
    columns = [*(rows.c[name] for name in BROUGHT), ACTOR.label("actor"), NOW.label("created_at")]
    insert = sa.insert(V).from_select([*BROUGHT, "actor", "created_at"], sa.select(*columns))
    written = script.step("written", insert.returning(*returned(V, "sequence_num")))
    script.answer(sa.select(written.c.sequence_num))


NOTE = Statement(_note)
