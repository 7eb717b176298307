"""What keeps the rest in order: clients, settings, limits, answers given, holds and purges."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Mapped

from penstock.dal import schema
from penstock.orm.row import Document, Row, column


class Session(Row):
    """A client that is connected, or was."""

    __table__ = schema.sessions

    id: Mapped[UUID]
    client_id: Mapped[str]
    user_id: Mapped[str | None]
    connection_type: Mapped[str]
    is_active: Mapped[bool]
    metadata_: Mapped[Document | None] = column(__table__, "metadata")
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    last_heartbeat: Mapped[datetime]


class Configuration(Row):
    """A setting by name."""

    __table__ = schema.configurations

    key: Mapped[str]
    value: Mapped[str]
    value_type: Mapped[str]
    description: Mapped[str | None]
    is_secret: Mapped[bool]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class IdempotencyKey(Row):
    """An answer that has been given, to be given again."""

    __table__ = schema.idempotency_keys

    scope: Mapped[str]
    key: Mapped[str]
    fingerprint: Mapped[str]
    response: Mapped[Any]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]


class Slot(Row):
    """One of the places that a limit allows, and who has it."""

    __table__ = schema.slots

    limit_name: Mapped[str]
    key: Mapped[str]
    number: Mapped[int]
    holder: Mapped[UUID | None]
    taken_at: Mapped[datetime | None]


class Hold(Row):
    """What retention has to leave alone."""

    __table__ = schema.holds

    id: Mapped[UUID]
    pipeline_execution_id: Mapped[UUID | None]
    task_execution_id: Mapped[UUID | None]
    reason: Mapped[str]
    actor: Mapped[str]
    created_at: Mapped[datetime]
    released_at: Mapped[datetime | None]
    released_by: Mapped[str | None]


class PurgeLogEntry(Row):
    """One step of a purge, on record."""

    __table__ = schema.purge_log

    id: Mapped[UUID]
    actor: Mapped[str]
    cutoff: Mapped[datetime]
    position_at: Mapped[datetime | None]
    position_id: Mapped[UUID | None]
    task_executions: Mapped[int]
    pipeline_executions: Mapped[int]
    events: Mapped[int]
    digest: Mapped[str | None]
    opened_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    transaction_id: Mapped[int | None]


class RelayCursor(Row):
    """How far a reader of the feed of events has come."""

    __table__ = schema.relay_cursors

    name: Mapped[str]
    position: Mapped[int]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
