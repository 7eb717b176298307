"""Events that are no move: they have no version, because nothing changed."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from penstock.dal.dialect import Script, Statement
from penstock.dal.ledger.pieces import ACTOR, NOW, E, V, returned
from penstock.dal.store import Tx

BROUGHT = ("pipeline_execution_id", "task_execution_id", "event_type", "event_data", "worker_id")


def note(tx: Tx, row: Mapping[str, Any]) -> int:
    """Writes one; its place in the sequence of all events."""
    (written,) = tx.run(NOTE, {"rows": [row]})
    return int(written.sequence_num)


def _note(script: Script) -> None:
    rows = script.given("rows", {name: V.c[name].type for name in BROUGHT})
    # What is about a task of a pipeline belongs to the history of that pipeline, whether somebody says so or not.
    home = sa.func.coalesce(E.c.pipeline_execution_id, rows.c.pipeline_execution_id)
    columns = [home, *(rows.c[name] for name in BROUGHT[1:]), ACTOR.label("actor"), NOW.label("created_at")]
    notes = sa.select(*columns).select_from(rows.outerjoin(E, E.c.id == rows.c.task_execution_id))
    insert = sa.insert(V).from_select([*BROUGHT, "actor", "created_at"], notes)
    written = script.step("written", insert.returning(*returned(V, "sequence_num")))
    script.answer(sa.select(written.c.sequence_num))


NOTE = Statement(_note)
