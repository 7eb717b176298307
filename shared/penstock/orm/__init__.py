"""The tables as mapped classes, for who reads with the ORM.

    with Session(engine) as session:
        session.scalars(select(TaskExecution).where(TaskExecution.status == "failed"))

They are for reading. Writing goes through the verbs of `penstock.dal`, inside the same session where that is wanted
(`store.join(session)`): a verb changes state, event and doorbell together. What an ORM flush changes behind their
back, the guards in the database judge: an illegal move, or any change of what has ended, is an IntegrityError.

A column `metadata` is the attribute `metadata_`, as SQLAlchemy keeps the plain name for itself. The lease of an
execution is not mapped: it is the secret of whoever holds it.
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
