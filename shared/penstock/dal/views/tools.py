"""Questions about tool executions: what a job has got done by now."""

from typing import Any
from uuid import UUID

import sqlalchemy as sa

from penstock.dal import schema
from penstock.dal.dialect import Id, Query
from penstock.dal.store import Tx
from penstock.dal.views import pages
from penstock.domain import limits

T = schema.tool_executions


def _last() -> sa.Select[Any]:
    mine = T.c.task_execution_id == sa.bindparam("task_execution_id", type_=Id())
    same = T.c.tool_name == sa.bindparam("tool_name", type_=sa.Text())
    done = T.c.status == pages.literal("completed")
    return sa.select(*T.c).where(mine, same, done).order_by(T.c.id.desc()).limit(sa.literal_column("1"))


LAST = Query(_last)


def last_completed(tx: Tx, task_execution_id: UUID, tool_name: str) -> Any | None:
    """The newest completed execution of a tool by a task execution, or None: from there it can go on."""
    mine = pages.identity("task_execution_id", task_execution_id)
    return pages.first(tx.run(LAST, {"task_execution_id": mine, "tool_name": limits.name("tool_name", tool_name)}))
