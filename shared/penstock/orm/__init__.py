"""The tables as mapped classes, for who reads with the ORM.

    with Session(engine) as session:
        session.scalars(select(TaskExecution).where(TaskExecution.status == "failed"))

They are for reading. Writing goes through the verbs of `penstock.dal`, inside the same session where that is wanted
(`store.join(session)`): a verb changes state, event and doorbell together. An ORM flush that changes the ledger behind
their back is an IntegrityError: PostgreSQL refuses any, SQLite an illegal move and any change of what has ended.

The classes name no schema. On PostgreSQL the engine of a store looks for them in `penstock`; an engine of your own does
with `create_engine(url, execution_options={"schema_translate_map": {None: "penstock"}})`, where your own tables then say
their schema, such as `public`.

A column `metadata` is the attribute `metadata_`, as SQLAlchemy keeps the plain name for itself. The leases of an
execution are not mapped: they are the secret of whoever holds it.
"""

from penstock.orm.catalogue import Schedule, ScheduleRun, Task, TaskOverview, Workflow, WorkflowTask
from penstock.orm.executions import (
    Annotation,
    ExecutionEvent,
    OutboxEntry,
    PauseQueueEntry,
    PipelineExecution,
    TaskDependency,
    TaskExecution,
    ToolExecution,
)
from penstock.orm.row import Row
from penstock.orm.upkeep import Configuration, Hold, IdempotencyKey, PurgeLogEntry, RelayCursor, Session, Slot

__all__ = [
    "Annotation",
    "Configuration",
    "ExecutionEvent",
    "Hold",
    "IdempotencyKey",
    "OutboxEntry",
    "PauseQueueEntry",
    "PipelineExecution",
    "PurgeLogEntry",
    "RelayCursor",
    "Row",
    "Schedule",
    "ScheduleRun",
    "Session",
    "Slot",
    "Task",
    "TaskDependency",
    "TaskExecution",
    "TaskOverview",
    "ToolExecution",
    "Workflow",
    "WorkflowTask",
]
