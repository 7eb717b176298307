"""The one place that knows that there are two engines, and nothing about any table."""

from penstock.dal.dialect.databases import Database, Session, joined, open_database
from penstock.dal.dialect.scripts import Script, Statement
from penstock.dal.dialect.spelling import (
    BY_RANGE,
    CONTAINMENT,
    NEVER_REUSED,
    clock_now,
    document_of,
    has_name,
    json_checks,
    later_of,
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
    "Session",
    "Statement",
    "Xid",
    "clock_now",
    "document_of",
    "has_name",
    "joined",
    "json_checks",
    "later_of",
    "open_database",
    "partial_index",
    "random_id",
    "seconds_after",
    "transaction_number",
]
