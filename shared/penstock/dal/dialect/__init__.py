"""The one place that knows that there are two engines, and nothing about any table.

`insert` is for ON CONFLICT, which both engines spell alike: either compiles that of the other.
"""

from sqlalchemy.dialects.postgresql import insert

from penstock.dal.dialect.databases import Database, Session, is_away, is_duplicate, joined, open_database
from penstock.dal.dialect.scripts import Script, Statement
from penstock.dal.dialect.serving import Service, address, open_for
from penstock.dal.dialect.spelling import (
    BY_RANGE,
    CONTAINMENT,
    NEVER_REUSED,
    armed_triggers,
    clock_now,
    document_of,
    engine_name,
    has_name,
    has_table,
    json_checks,
    just_after,
    later_of,
    may_alter,
    milliseconds_until,
    partial_index,
    random_id,
    seconds_after,
    transaction_number,
)
from penstock.dal.dialect.types import Id, Instant, Json, Names, Serial, Xid

__all__ = [
    "BY_RANGE",
    "CONTAINMENT",
    "NEVER_REUSED",
    "Database",
    "Id",
    "Instant",
    "Json",
    "Names",
    "Script",
    "Serial",
    "Service",
    "Session",
    "Statement",
    "Xid",
    "address",
    "armed_triggers",
    "clock_now",
    "document_of",
    "engine_name",
    "has_name",
    "has_table",
    "insert",
    "is_away",
    "is_duplicate",
    "joined",
    "json_checks",
    "just_after",
    "later_of",
    "may_alter",
    "milliseconds_until",
    "open_database",
    "open_for",
    "partial_index",
    "random_id",
    "seconds_after",
    "transaction_number",
]
