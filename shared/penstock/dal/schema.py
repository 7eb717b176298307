"""Every table, as SQLAlchemy Core. What is legal comes from the lifecycle; what an engine needs, from the dialect.

They are described without a schema. On PostgreSQL they are in the schema `penstock`, where the engine of
`open_database` and the compiled queries look for them.

An index is here because a query of the views, of a verb or of a foreign key uses it: each one costs on every
write. `docs/adr/0005-indexes-earn-their-place.md` says which one serves what, and which of the usual ones are absent.
"""

from typing import Any

import sqlalchemy as sa
from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Table, Text
from sqlalchemy.sql.elements import ColumnElement

from penstock.dal.dialect import (
    BY_RANGE,
    CONTAINMENT,
    NEVER_REUSED,
    ROOM_FOR_UPDATES,
    Id,
    Instant,
    Json,
    Names,
    Serial,
    Xid,
    boolean_checks,
    clock_now,
    fitting_checks,
    id_of_number,
    json_checks,
    kept_elsewhere,
    login_name,
    only_on_files,
    partial_index,
    transaction_number,
)
from penstock.domain import limits
from penstock.domain.lifecycle import NOTES, PIPELINE, TASK, TOOL, Status
from penstock.domain.pipelines import TriggerRule

# What this code needs at least; the tables below are those of this revision.
REVISION = "0023"

metadata = sa.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    }
)


def listed(values: Any) -> str:
    """Values as the inside of an SQL IN."""
    return ", ".join(f"'{value}'" for value in values)


def one_of(table: str, column: str, values: Any) -> CheckConstraint:
    """A column that takes no value but these."""
    return CheckConstraint(f"{column} IN ({listed(values)})", name=f"ck_{table}_{column}")


def between(table: str, column: str, bounds: tuple[int, int]) -> CheckConstraint:
    """A column that stays inside its bounds."""
    return CheckConstraint(f"{column} BETWEEN {bounds[0]} AND {bounds[1]}", name=f"ck_{table}_{column}")


def rule(table: str, name: str, text: str) -> CheckConstraint:
    """A rule over several columns of a row."""
    return CheckConstraint(text, name=f"ck_{table}_{name}")


def key() -> Column[Any]:
    """A time-ordered UUID that the application makes."""
    return Column("id", Id(), primary_key=True, nullable=False)


def written(*names: str) -> list[Column[Any]]:
    """Instants that every row has; the server's clock where nobody gives one."""
    return [Column(name, Instant(), nullable=False, server_default=clock_now()) for name in names]


def number(name: str, default: int = 0) -> Column[Any]:
    """A whole number that is always there."""
    return Column(name, sa.Integer, nullable=False, server_default=sa.text(str(default)))


def flag(name: str) -> Column[Any]:
    """A boolean that is false unless somebody says otherwise."""
    return Column(name, sa.Boolean, nullable=False, server_default=sa.false())


def document(name: str) -> Column[Any]:
    """A JSON object that is always there."""
    return Column(name, Json, nullable=False, server_default=sa.text("'{}'"))


def references(table: str, column: str) -> sa.ForeignKeyConstraint:
    """A foreign key that PostgreSQL does without: there only functions write the table, and they write what is there."""
    return only_on_files(sa.ForeignKeyConstraint([column], [f"{table}.id"], ondelete="RESTRICT"))


def descending(column: str) -> ColumnElement[Any]:
    """A column of an index, largest first."""
    return sa.column(column).desc()


tasks = Table(
    "tasks",
    metadata,
    key(),
    Column("name", Text, nullable=False, unique=True),
    Column("title", Text, nullable=False),
    Column("description", Text),
    Column("task_type", Text, nullable=False),
    Column("queue", Text, nullable=False, server_default="default"),
    document("config"),
    Column("metadata", Json),
    Column("workspace_path", Text),
    number("priority", 3),
    number("max_attempts", 3),
    Column("retry", Json),
    number("timeout_seconds", 300),
    flag("requires_approval"),
    *written("created_at", "updated_at"),
    *json_checks("tasks", "config", of_objects=True),
    *json_checks("tasks", "metadata", of_objects=False),
    *json_checks("tasks", "retry", of_objects=True),
    *boolean_checks("tasks", "requires_approval"),
    between("tasks", "priority", limits.PRIORITY),
    between("tasks", "max_attempts", limits.ATTEMPTS),
    between("tasks", "timeout_seconds", limits.TIMEOUT_SECONDS),
    Index("ix_tasks_task_type", "task_type"),
    partial_index("ix_tasks_workspace_path", "workspace_path", where="workspace_path IS NOT NULL"),
)

workflows = Table(
    "workflows",
    metadata,
    key(),
    Column("name", Text, nullable=False),
    number("version", 1),
    Column("description", Text),
    Column("definition", Json, nullable=False),
    Column("status", Text, nullable=False, server_default="draft"),
    *written("created_at", "updated_at"),
    sa.UniqueConstraint("name", "version"),
    *json_checks("workflows", "definition", of_objects=True),
    one_of("workflows", "status", ("draft", "active", "paused", "archived")),
    rule("workflows", "version", "version > 0"),
    Index("ix_workflows_status", "status"),
)

workflow_tasks = Table(
    "workflow_tasks",
    metadata,
    Column("workflow_id", Id(), ForeignKey("workflows.id", ondelete="CASCADE"), primary_key=True),
    Column("task_id", Id(), ForeignKey("tasks.id", ondelete="RESTRICT"), nullable=False),
    Column("step", Text, primary_key=True),
    number("sequence"),
    Column("depends_on", Json, nullable=False, server_default=sa.text("'[]'")),
    Column("trigger_rule", Text, nullable=False, server_default="all_success"),
    document("config"),
    *written("created_at"),
    sa.UniqueConstraint("workflow_id", "sequence"),
    *json_checks("workflow_tasks", "depends_on", of_objects=False),
    *json_checks("workflow_tasks", "config", of_objects=True),
    one_of("workflow_tasks", "trigger_rule", TriggerRule),
    Index("ix_workflow_tasks_task_id", "task_id"),
)

pipeline_executions = Table(
    "pipeline_executions",
    metadata,
    key(),
    Column("workflow_id", Id(), ForeignKey("workflows.id", ondelete="RESTRICT")),
    Column("workflow_version", sa.Integer),
    Column("name", Text, nullable=False),
    Column("status", Text, nullable=False, server_default="running"),
    document("input"),
    Column("output", Json),
    Column("error", Text),
    number("unfinished"),
    number("failed"),
    Column("created_by", Text, nullable=False),
    Column("traceparent", Text),
    Column("pause_reason", Text),
    Column("paused_at", Instant()),
    Column("retry_of", Id()),
    *written("created_at", "updated_at"),
    Column("started_at", Instant()),
    Column("completed_at", Instant()),
    number("version", 1),
    *json_checks("pipeline_executions", "input", of_objects=True),
    *json_checks("pipeline_executions", "output", of_objects=True),
    one_of("pipeline_executions", "status", PIPELINE.states),
    rule("pipeline_executions", "ended", f"(status IN ({listed(PIPELINE.ends)})) = (completed_at IS NOT NULL)"),
    rule(
        "pipeline_executions",
        "unfinished",
        f"unfinished >= 0 AND (unfinished = 0 OR status NOT IN ({listed(PIPELINE.ends)}))",
    ),
    partial_index("ix_pipeline_executions_workflow_id", "workflow_id", where="workflow_id IS NOT NULL"),
    Index("ix_pipeline_executions_status", "status", "id"),
    Index("ix_pipeline_executions_name", "name", "id"),
    partial_index("ix_pipeline_executions_completed_at", "completed_at", "id", where="completed_at IS NOT NULL"),
)

task_executions = Table(
    "task_executions",
    metadata,
    key(),
    Column("pipeline_execution_id", Id(), ForeignKey("pipeline_executions.id", ondelete="RESTRICT")),
    Column("task_id", Id(), ForeignKey("tasks.id", ondelete="RESTRICT")),
    Column("name", Text, nullable=False),
    number("sequence"),
    Column("task_type", Text, nullable=False),
    Column("queue", Text, nullable=False, server_default="default"),
    document("config"),
    Column("metadata", Json),
    Column("workspace_path", Text),
    number("priority", 3),
    number("max_attempts", 3),
    Column("retry", Json),
    number("timeout_seconds", 300),
    flag("requires_approval"),
    Column("trigger_rule", Text, nullable=False, server_default="all_success"),
    flag("failure_handled"),
    Column("created_by", Text, nullable=False),
    Column("retry_of", Id()),
    Column("traceparent", Text),
    *written("created_at"),
    # What changes comes last: PostgreSQL then logs an update without the part of the row before it.
    number("waiting_on"),
    number("parents_succeeded"),
    number("parents_failed"),
    number("parents_skipped"),
    number("recoveries"),
    number("attempt", 1),
    Column("approved_by", Text),
    Column("approved_at", Instant()),
    Column("status", Text, nullable=False, server_default="pending"),
    number("version", 1),
    *written("updated_at"),
    Column("started_at", Instant()),
    Column("worker_id", Text),
    Column("lease", Id()),
    Column("lease_expires_at", Instant()),
    # The lease under which it was last settled: a settlement that comes again is answered again.
    Column("settled_lease", Id()),
    Column("resume_at", Instant()),
    Column("completed_at", Instant()),
    Column("outcome", Json),
    Column("services_touched", Names),
    Column("suggestions", Json),
    Column("error", Text),
    *json_checks("task_executions", "config", of_objects=True),
    *json_checks("task_executions", "metadata", of_objects=False),
    *json_checks("task_executions", "retry", of_objects=True),
    *json_checks("task_executions", "outcome", of_objects=True),
    *json_checks("task_executions", "services_touched", of_objects=False),
    *json_checks("task_executions", "suggestions", of_objects=False),
    *boolean_checks("task_executions", "requires_approval", "failure_handled"),
    one_of("task_executions", "status", TASK.states),
    one_of("task_executions", "trigger_rule", TriggerRule),
    between("task_executions", "priority", limits.PRIORITY),
    between("task_executions", "timeout_seconds", limits.TIMEOUT_SECONDS),
    rule("task_executions", "attempt", "attempt BETWEEN 1 AND max_attempts"),
    rule("task_executions", "waiting_on", "waiting_on >= 0 AND (waiting_on = 0 OR pipeline_execution_id IS NOT NULL)"),
    rule("task_executions", "held", f"(status IN ({listed(TASK.held)})) = (lease IS NOT NULL)"),
    rule("task_executions", "expires", "(lease IS NULL) = (lease_expires_at IS NULL)"),
    rule("task_executions", "deferred", f"status <> '{Status.DEFERRED}' OR resume_at IS NOT NULL"),
    rule(
        "task_executions",
        "ready",
        f"status <> '{Status.READY}' OR (waiting_on = 0 AND (approved_at IS NOT NULL OR NOT requires_approval))",
    ),
    rule("task_executions", "ended", f"(status IN ({listed(TASK.ends)})) = (completed_at IS NOT NULL)"),
    partial_index(
        "ix_task_executions_pipeline_execution_id",
        "pipeline_execution_id",
        "id",
        where="pipeline_execution_id IS NOT NULL",
    ),
    partial_index("ix_task_executions_task_id", "task_id", "id", where="task_id IS NOT NULL"),
    partial_index("ix_task_executions_lease_expires_at", "lease_expires_at", where="lease_expires_at IS NOT NULL"),
    partial_index("ix_task_executions_resume_at", "resume_at", where=f"status = '{Status.DEFERRED}'"),
    partial_index(
        "ix_task_executions_waiting",
        "status",
        "id",
        where=f"status IN ({listed((Status.PENDING, Status.APPROVED, Status.DEFERRED, Status.PAUSED))})",
    ),
    partial_index(
        "ix_task_executions_status",
        "status",
        descending("created_at"),
        descending("id"),
        where="completed_at IS NOT NULL",
    ),
    partial_index("ix_task_executions_completed_at", "completed_at", "id", where="completed_at IS NOT NULL"),
    partial_index(
        "ix_task_executions_services_touched", "services_touched", where="services_touched IS NOT NULL", **CONTAINMENT
    ),
    **ROOM_FOR_UPDATES,
)

task_dependencies = Table(
    "task_dependencies",
    metadata,
    Column("parent_id", Id(), ForeignKey("task_executions.id", ondelete="RESTRICT"), primary_key=True),
    Column("child_id", Id(), ForeignKey("task_executions.id", ondelete="RESTRICT"), primary_key=True),
    rule("task_dependencies", "distinct", "parent_id <> child_id"),
    Index("ix_task_dependencies_child_id", "child_id"),
)

USUAL_EVENTS = (
    "TaskCreated", "TaskMarkedReady", "TaskClaimed", "TaskStarted", "TaskCompleted", "PipelineStarted", "PipelineCompleted",
)  # fmt: skip
EVENT_TYPES = (*TASK.events, *PIPELINE.events, *NOTES)
RARE_EVENTS = tuple(event for event in EVENT_TYPES if event not in USUAL_EVENTS)

execution_events = Table(
    "execution_events",
    metadata,
    Column("sequence_num", Serial, sa.Identity(always=True), primary_key=True),
    # Made of the number, so that it is unique without an index of its own.
    Column("id", Id(), sa.Computed(id_of_number(sa.column("sequence_num")), persisted=True)),
    Column("pipeline_execution_id", Id()),
    Column("task_execution_id", Id()),
    Column("event_type", Text, nullable=False),
    Column("to_status", Text),
    Column("version", sa.Integer),
    document("event_data"),
    Column("worker_id", Text),
    Column("actor", Text, nullable=False),
    Column("login", Text, server_default=login_name()),
    *written("created_at"),
    Column("transaction_id", Xid, server_default=transaction_number()),
    references("pipeline_executions", "pipeline_execution_id"),
    references("task_executions", "task_execution_id"),
    *json_checks("execution_events", "event_data", of_objects=True),
    one_of("execution_events", "event_type", EVENT_TYPES),
    rule("execution_events", "noted", f"(version IS NULL) = (event_type IN ({listed(NOTES)}))"),
    rule("execution_events", "subject", "pipeline_execution_id IS NOT NULL OR task_execution_id IS NOT NULL"),
    partial_index(
        "ux_execution_events_task", "task_execution_id", "version", where="task_execution_id IS NOT NULL", unique=True
    ),
    partial_index(
        "ux_execution_events_pipeline",
        "pipeline_execution_id",
        "version",
        where="task_execution_id IS NULL",
        unique=True,
    ),
    partial_index(
        "ix_execution_events_pipeline",
        "pipeline_execution_id",
        "sequence_num",
        where="pipeline_execution_id IS NOT NULL",
    ),
    partial_index(
        "ix_execution_events_rare", "event_type", "sequence_num", where=f"event_type IN ({listed(RARE_EVENTS)})"
    ),
    Index("ix_execution_events_created_at", "created_at", **BY_RANGE),
    **NEVER_REUSED,
)

task_outbox = Table(
    "task_outbox",
    metadata,
    Column("id", Serial, sa.Identity(always=True), primary_key=True),
    Column("task_execution_id", Id(), nullable=False, unique=True),
    Column("queue", Text, nullable=False),
    number("priority", 3),
    *written("available_at", "ring_at"),
    number("rings"),
    Column("last_error", Text),
    Column("traceparent", Text),
    *written("created_at"),
    references("task_executions", "task_execution_id"),
    between("task_outbox", "priority", limits.PRIORITY),
    rule("task_outbox", "ring_at", "ring_at >= available_at"),
    Index("ix_task_outbox_claim", "queue", "priority", "available_at", "id"),
    Index("ix_task_outbox_ring", "queue", "ring_at"),
    **NEVER_REUSED,
)

pause_queue = Table(
    "pause_queue",
    metadata,
    Column("id", Serial, sa.Identity(always=True), primary_key=True),
    Column(
        "task_execution_id", Id(), ForeignKey("task_executions.id", ondelete="RESTRICT"), nullable=False, unique=True
    ),
    document("work_plan"),
    Column("reason", Text, nullable=False),
    *written("paused_at"),
    Column("resume_after", Instant()),
    number("priority", 3),
    *json_checks("pause_queue", "work_plan", of_objects=True),
    one_of("pause_queue", "reason", ("insufficient_capacity", "manual_pause")),
    between("pause_queue", "priority", limits.PRIORITY),
    Index("ix_pause_queue_priority", "priority", "paused_at", "id"),
    **NEVER_REUSED,
)

tool_executions = Table(
    "tool_executions",
    metadata,
    key(),
    Column("task_execution_id", Id(), ForeignKey("task_executions.id", ondelete="RESTRICT"), nullable=False),
    Column("tool_name", Text, nullable=False),
    document("arguments"),
    Column("output", Json),
    Column("status", Text, nullable=False, server_default="pending"),
    Column("error", Text),
    *written("created_at"),
    Column("completed_at", Instant()),
    Column("duration_ms", sa.Integer),
    *json_checks("tool_executions", "arguments", of_objects=True),
    *json_checks("tool_executions", "output", of_objects=False),
    one_of("tool_executions", "status", TOOL.states),
    rule("tool_executions", "duration_ms", "duration_ms IS NULL OR duration_ms >= 0"),
    Index("ix_tool_executions_task_execution_id", "task_execution_id", "id"),
    Index("ix_tool_executions_tool_name", "tool_name", "id"),
    Index("ix_tool_executions_status", "status", "id"),
)

sessions = Table(
    "sessions",
    metadata,
    key(),
    Column("client_id", Text, nullable=False),
    Column("user_id", Text),
    Column("connection_type", Text, nullable=False, server_default="http"),
    Column("is_active", sa.Boolean, nullable=False, server_default=sa.true()),
    Column("metadata", Json),
    *written("created_at", "updated_at", "last_heartbeat"),
    *json_checks("sessions", "metadata", of_objects=True),
    *boolean_checks("sessions", "is_active"),
    one_of("sessions", "connection_type", ("websocket", "http", "grpc", "local")),
    Index("ix_sessions_client_id", "client_id"),
    partial_index("ix_sessions_user_id", "user_id", where="user_id IS NOT NULL"),
    Index("ix_sessions_heartbeat", "is_active", "last_heartbeat"),
)

configurations = Table(
    "configurations",
    metadata,
    Column("key", Text, primary_key=True, nullable=False),
    Column("value", Text, nullable=False),
    Column("value_type", Text, nullable=False, server_default="string"),
    Column("description", Text),
    flag("is_secret"),
    *written("created_at", "updated_at"),
    *boolean_checks("configurations", "is_secret"),
    one_of("configurations", "value_type", ("string", "integer", "float", "boolean", "json")),
    *fitting_checks("configurations", "value", "value_type"),
)

schedules = Table(
    "schedules",
    metadata,
    key(),
    Column("name", Text, nullable=False, unique=True),
    Column("task_id", Id(), ForeignKey("tasks.id", ondelete="RESTRICT")),
    Column("workflow_id", Id(), ForeignKey("workflows.id", ondelete="RESTRICT")),
    Column("expression", Text, nullable=False),
    Column("timezone", Text, nullable=False, server_default="UTC"),
    document("input"),
    Column("is_enabled", sa.Boolean, nullable=False, server_default=sa.true()),
    Column("catch_up", Text, nullable=False, server_default="skip"),
    Column("start_at", Instant()),
    Column("end_at", Instant()),
    Column("next_run_at", Instant()),
    Column("last_run_at", Instant()),
    *written("created_at", "updated_at"),
    *json_checks("schedules", "input", of_objects=True),
    *boolean_checks("schedules", "is_enabled"),
    one_of("schedules", "catch_up", ("skip", "run_once", "run_all")),
    rule("schedules", "target", "(task_id IS NULL) <> (workflow_id IS NULL)"),
    partial_index("ix_schedules_next_run_at", "next_run_at", where="next_run_at IS NOT NULL"),
    partial_index("ix_schedules_task_id", "task_id", where="task_id IS NOT NULL"),
    partial_index("ix_schedules_workflow_id", "workflow_id", where="workflow_id IS NOT NULL"),
)

schedule_runs = Table(
    "schedule_runs",
    metadata,
    Column("schedule_id", Id(), ForeignKey("schedules.id", ondelete="CASCADE"), primary_key=True),
    Column("scheduled_for", Instant(), primary_key=True, nullable=False),
    Column("task_execution_id", Id()),
    Column("pipeline_execution_id", Id()),
    *written("created_at"),
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("scope", Text, primary_key=True, nullable=False),
    Column("key", Text, primary_key=True, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("response", Json),
    *written("created_at"),
    Column("expires_at", Instant(), nullable=False),
    *json_checks("idempotency_keys", "response", of_objects=False),
    Index("ix_idempotency_keys_expires_at", "expires_at"),
)

slots = Table(
    "slots",
    metadata,
    Column("limit_name", Text, primary_key=True, nullable=False),
    Column("key", Text, primary_key=True, nullable=False),
    Column("number", sa.Integer, primary_key=True, nullable=False, autoincrement=False),
    Column("holder", Id(), ForeignKey("task_executions.id", ondelete="RESTRICT")),
    Column("taken_at", Instant()),
    rule("slots", "holder", "(holder IS NULL) = (taken_at IS NULL)"),
    partial_index("ux_slots_holder", "holder", "limit_name", where="holder IS NOT NULL", unique=True),
)

annotations = Table(
    "annotations",
    metadata,
    key(),
    Column("pipeline_execution_id", Id(), ForeignKey("pipeline_executions.id", ondelete="RESTRICT")),
    Column("task_execution_id", Id(), ForeignKey("task_executions.id", ondelete="RESTRICT")),
    Column("kind", Text, nullable=False, server_default="note"),
    document("body"),
    Column("actor", Text, nullable=False),
    *written("created_at"),
    *json_checks("annotations", "body", of_objects=True),
    rule("annotations", "subject", "(pipeline_execution_id IS NULL) <> (task_execution_id IS NULL)"),
    partial_index("ix_annotations_task_execution_id", "task_execution_id", "id", where="task_execution_id IS NOT NULL"),
    partial_index(
        "ix_annotations_pipeline_execution_id", "pipeline_execution_id", "id", where="pipeline_execution_id IS NOT NULL"
    ),
)

holds = Table(
    "holds",
    metadata,
    key(),
    Column("pipeline_execution_id", Id(), ForeignKey("pipeline_executions.id", ondelete="RESTRICT")),
    Column("task_execution_id", Id(), ForeignKey("task_executions.id", ondelete="RESTRICT")),
    Column("reason", Text, nullable=False),
    Column("actor", Text, nullable=False),
    *written("created_at"),
    Column("released_at", Instant()),
    Column("released_by", Text),
    rule("holds", "subject", "(pipeline_execution_id IS NULL) <> (task_execution_id IS NULL)"),
    rule("holds", "released", "(released_at IS NULL) = (released_by IS NULL)"),
    partial_index("ix_holds_task_execution_id", "task_execution_id", where="task_execution_id IS NOT NULL"),
    partial_index("ix_holds_pipeline_execution_id", "pipeline_execution_id", where="pipeline_execution_id IS NOT NULL"),
)

purge_log = Table(
    "purge_log",
    metadata,
    key(),
    Column("actor", Text, nullable=False),
    Column("cutoff", Instant(), nullable=False),
    Column("position_at", Instant()),
    Column("position_id", Id()),
    number("task_executions"),
    number("pipeline_executions"),
    number("events"),
    Column("digest", Text),
    *written("opened_at"),
    Column("closed_at", Instant()),
    Column("transaction_id", Xid, server_default=transaction_number()),
    rule("purge_log", "closed", "(closed_at IS NULL) = (digest IS NULL)"),
    partial_index("ix_purge_log_open", "id", where="closed_at IS NULL"),
)

relay_cursors = Table(
    "relay_cursors",
    metadata,
    Column("name", Text, primary_key=True, nullable=False),
    Column("position", sa.BigInteger, nullable=False, server_default=sa.text("0")),
    *written("created_at", "updated_at"),
)


# On PostgreSQL a CHECK is parsed anew for each statement. Where every job pays for that, the guard of the table keeps
# the rules instead, or nobody but the functions of the ledger can write the table. SQLite keeps them as CHECKs.
GUARDED = ("task_executions",)
WRITTEN_BY_FUNCTIONS = ("execution_events", "task_outbox")
RULES = {name: kept_elsewhere(metadata.tables[name]) for name in GUARDED}
for _name in WRITTEN_BY_FUNCTIONS:
    kept_elsewhere(metadata.tables[_name])
