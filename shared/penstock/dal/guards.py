"""The database as the last judge: triggers for both engines, generated from the lifecycle.

They refuse illegal moves, any change of what has ended, and every way around that (delete, truncate, replace),
and they keep `updated_at` for whoever writes past the ledger. History may go only while a purge of the same
transaction is on record. The revisions hold this text frozen; a test says when the two differ.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from penstock.dal.schema import listed, metadata
from penstock.domain.lifecycle import PIPELINE, TASK, TOOL, Lifecycle

PURGER = "penstock_purge"
LIFECYCLES: Mapping[str, Lifecycle] = {
    "task_executions": TASK,
    "pipeline_executions": PIPELINE,
    "tool_executions": TOOL,
}
APPEND_ONLY = {
    "execution_events": ("sequence_num", "task_execution_id, version", "pipeline_execution_id, version"),
    "task_dependencies": ("parent_id, child_id", "rowid"),
    "annotations": ("id", "rowid"),
}
TOUCHED = ("tasks", "workflows", "sessions", "configurations", "schedules", "relay_cursors")
NEVER_TRUNCATED = (*LIFECYCLES, *APPEND_ONLY, "purge_log")


@dataclass(frozen=True, slots=True)
class Guard:
    """One function or trigger: what it is called, on which table it sits, and how to make and unmake it."""

    name: str
    table: str
    create: str
    drop: str


def has(table: str, column: str) -> bool:
    """Whether a table has such a column."""
    return column in metadata.tables[table].c


def of_history(engine: str) -> frozenset[str]:
    """The names of the triggers that keep history as it is, on an engine."""
    all_of_it = {"postgresql": postgresql, "sqlite": sqlite}[engine]()
    return frozenset(guard.name for guard in all_of_it if guard.table in NEVER_TRUNCATED)


def legal(lifecycle: Lifecycle) -> str:
    """The pairs (old, new) of the lifecycle as an SQL condition."""
    sources = dict.fromkeys(old for old, _ in lifecycle.pairs)
    return " OR ".join(
        f"OLD.status = '{old}' AND NEW.status IN ({listed(new for first, new in lifecycle.pairs if first == old)})"
        for old in sources
    )


# --- PostgreSQL: one function and one trigger a table ----------------------------------------------------------


def postgresql() -> list[Guard]:
    """Every guard of PostgreSQL, in the order in which they are made."""
    guards = [_pg_function("penstock_touch", _PG_TOUCH), _pg_function("penstock_keep", _PG_KEEP)]
    guards.append(_pg_function("penstock_append_only", _PG_APPEND_ONLY))
    guards.append(_pg_function("penstock_guard_purge_log", _PG_PURGE_LOG))
    for table, lifecycle in LIFECYCLES.items():
        guards.append(_pg_function(f"penstock_guard_{table}", _pg_guard(table, lifecycle)))
        guards.append(_pg_trigger(table, "guard", f"penstock_guard_{table}", "BEFORE UPDATE OR DELETE"))
    guards += [_pg_trigger(table, "guard", "penstock_append_only", "BEFORE UPDATE OR DELETE") for table in APPEND_ONLY]
    guards.append(_pg_trigger("purge_log", "guard", "penstock_guard_purge_log", "BEFORE UPDATE OR DELETE"))
    guards += [_pg_trigger(table, "keep", "penstock_keep", "BEFORE TRUNCATE", "STATEMENT") for table in NEVER_TRUNCATED]
    guards += [_pg_trigger(table, "touch", "penstock_touch", "BEFORE UPDATE") for table in TOUCHED]
    return guards


def _pg_function(name: str, body: str) -> Guard:
    create = f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $penstock$\n{body}$penstock$"
    return Guard(name, "", create, f"DROP FUNCTION IF EXISTS {name}()")


def _pg_trigger(table: str, purpose: str, function: str, when: str, each: str = "ROW") -> Guard:
    name = f"{table}_{purpose}"
    create = f"CREATE OR REPLACE TRIGGER {name} {when} ON {table} FOR EACH {each} EXECUTE FUNCTION {function}()"
    return Guard(name, table, create, f"DROP TRIGGER IF EXISTS {name} ON {table}")


def _pg_refuse(text: str, *values: str) -> str:
    return f"RAISE EXCEPTION '{text}'{''.join(f', {value}' for value in values)} USING ERRCODE = 'restrict_violation';"


_PG_TOUCH_LINE = """  IF NEW.updated_at IS NOT DISTINCT FROM OLD.updated_at THEN
    NEW.updated_at := greatest(clock_timestamp(), OLD.updated_at);
  END IF;
"""
_PG_TOUCH = f"BEGIN\n{_PG_TOUCH_LINE}  RETURN NEW;\nEND\n"
_PG_KEEP = f"BEGIN\n  {_pg_refuse('% is history; it cannot be truncated', 'TG_TABLE_NAME')}\nEND\n"
# The schema is spelled out, so that a purge_log of the caller's own (a temporary one, say) is not believed.
_PG_PURGING = f"""    EXECUTE format('SELECT current_user = ''{PURGER}'' AND EXISTS (SELECT 1 FROM %I.purge_log'
      ' WHERE closed_at IS NULL AND transaction_id = pg_current_xact_id())', TG_TABLE_SCHEMA) INTO purging;
"""
_PG_APPEND_ONLY = f"""DECLARE
  purging boolean := false;
BEGIN
  IF TG_OP = 'DELETE' THEN
{_PG_PURGING}    IF purging THEN RETURN OLD; END IF;
  END IF;
  {_pg_refuse("% is history; it is only ever added to, and deleted by a purge on record", "TG_TABLE_NAME")}
END
"""
_PG_PURGE_LOG = f"""BEGIN
  IF TG_OP = 'UPDATE' AND OLD.closed_at IS NULL AND NEW.closed_at IS NOT NULL
     AND NEW.id = OLD.id AND NEW.actor = OLD.actor AND NEW.cutoff = OLD.cutoff AND NEW.opened_at = OLD.opened_at
     AND NEW.transaction_id = OLD.transaction_id AND OLD.transaction_id = pg_current_xact_id() THEN
    RETURN NEW;
  END IF;
  {_pg_refuse("purge_log is history; a row is closed once, by the purge that opened it")}
END
"""


def _pg_guard(table: str, lifecycle: Lifecycle) -> str:
    ends = listed(lifecycle.ends)
    ended_only = f" AND OLD.status IN ({ends})" if lifecycle is not TOOL else ""
    refuse_delete = _pg_refuse(
        f"{table} % is %; only a purge on record deletes, and only what has ended", "OLD.id", "OLD.status"
    )
    refuse_ended = _pg_refuse(f"{table} % is %; what has ended cannot be changed", "OLD.id", "OLD.status")
    refuse_move = _pg_refuse(f"{table} % cannot go from % to %", "OLD.id", "OLD.status", "NEW.status")
    refuse_identity = _pg_refuse(f"{table} % keeps its id and the time of its creation", "OLD.id")
    versioned = (
        f"""    IF NEW.version <= OLD.version THEN
      {_pg_refuse(f"{table} % moves only with a new version", "OLD.id")}
    END IF;
"""
        if has(table, "version")
        else ""
    )
    return f"""DECLARE
  purging boolean := false;
BEGIN
  IF TG_OP = 'DELETE' THEN
{_PG_PURGING}    IF purging{ended_only} THEN RETURN OLD; END IF;
    {refuse_delete}
  END IF;
  IF OLD.status IN ({ends}) THEN
    {refuse_ended}
  END IF;
  IF NEW.id <> OLD.id OR NEW.created_at <> OLD.created_at THEN
    {refuse_identity}
  END IF;
  IF NEW.status <> OLD.status THEN
    IF NOT ({legal(lifecycle)}) THEN
      {refuse_move}
    END IF;
{versioned}  END IF;
{_PG_TOUCH_LINE if has(table, "updated_at") else ""}  RETURN NEW;
END
"""


# --- SQLite: a trigger a rule, since a trigger there can only refuse ---------------------------------------------

_CLOCK = "strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')"
_PURGING = "EXISTS (SELECT 1 FROM purge_log WHERE closed_at IS NULL)"


def sqlite() -> list[Guard]:
    """Every guard of SQLite."""
    guards = [guard for table, lifecycle in LIFECYCLES.items() for guard in _lite_guard(table, lifecycle)]
    for table, keys in APPEND_ONLY.items():
        guards.append(
            _lite_trigger(table, "keep", "BEFORE UPDATE", "", f"{table} is history; it is only ever added to")
        )
        guards.append(_lite_delete(table, _PURGING))
        guards.append(_lite_replace(table, keys))
    guards += _lite_purge_log()
    return guards + [_lite_touch(table) for table in TOUCHED]


def _lite_trigger(table: str, purpose: str, event: str, when: str, refusal: str) -> Guard:
    name = f"{table}_{purpose}"
    condition = f" WHEN {when}" if when else ""
    create = (
        f"CREATE TRIGGER IF NOT EXISTS {name} {event} ON {table} FOR EACH ROW{condition} "
        f"BEGIN SELECT RAISE(ABORT, '{refusal}'); END"
    )
    return Guard(name, table, create, f"DROP TRIGGER IF EXISTS {name}")


def _lite_delete(table: str, unless: str) -> Guard:
    return _lite_trigger(
        table,
        "delete",
        "BEFORE DELETE",
        f"NOT ({unless})",
        f"{table} is history; only a purge on record deletes, and only what has ended",
    )


def _lite_replace(table: str, keys: Iterable[str]) -> Guard:
    """Refuses a second row under any unique key, because REPLACE deletes the first without asking its trigger.

    SQLite's own number of a row is such a key too. Where nobody gives one, it is not known yet and is like no other.
    """
    same = " OR ".join(
        "(" + " AND ".join([*(f"{column} = NEW.{column}" for column in key.split(", ")), *_lite_only(key)]) + ")"
        for key in keys
    )
    taken = f"EXISTS (SELECT 1 FROM {table} WHERE {same})"
    return _lite_trigger(
        table, "replace", "BEFORE INSERT", taken, f"{table} has this row already; history cannot be replaced"
    )


def _lite_only(key: str) -> Iterator[str]:
    if key == "pipeline_execution_id, version":
        yield "task_execution_id IS NULL AND NEW.task_execution_id IS NULL"


def _lite_touch(table: str, *, unless: str = "") -> Guard:
    """Sets updated_at where an update did not, once: its own update finds the row no longer behind the clock."""
    key = metadata.tables[table].primary_key.columns.keys()[0]
    name = f"{table}_touch"
    create = (
        f"CREATE TRIGGER IF NOT EXISTS {name} AFTER UPDATE ON {table} FOR EACH ROW "
        f"WHEN NEW.updated_at = OLD.updated_at AND OLD.updated_at < {_CLOCK}{unless} "
        f"BEGIN UPDATE {table} SET updated_at = {_CLOCK} WHERE {key} = NEW.{key}; END"
    )
    return Guard(name, table, create, f"DROP TRIGGER IF EXISTS {name}")


def _lite_guard(table: str, lifecycle: Lifecycle) -> Iterator[Guard]:
    ended = f"OLD.status IN ({listed(lifecycle.ends)})"
    refusal = f"{table}: what has ended cannot be changed"
    columns = ", ".join(column.name for column in metadata.tables[table].c if column.name != "updated_at")
    yield _lite_trigger(table, "ended", f"BEFORE UPDATE OF {columns}", ended, refusal)
    if has(table, "updated_at"):
        # The touch below may bring an ended row up to the moment of its end, once.
        caught_up = f"{ended} AND OLD.updated_at >= OLD.completed_at"
        yield _lite_trigger(table, "settled", "BEFORE UPDATE OF updated_at", caught_up, refusal)
        yield _lite_touch(
            table, unless=f" AND NOT (NEW.status IN ({listed(lifecycle.ends)}) AND NEW.updated_at >= NEW.completed_at)"
        )
    yield _lite_trigger(
        table,
        "identity",
        "BEFORE UPDATE OF id, created_at",
        "NEW.id <> OLD.id OR NEW.created_at <> OLD.created_at",
        f"{table} keeps its id and the time of its creation",
    )
    moving = f"NEW.status <> OLD.status AND NOT ({legal(lifecycle)})"
    yield _lite_trigger(table, "move", "BEFORE UPDATE OF status", moving, f"{table} cannot go there from its state")
    if has(table, "version"):
        stale = "NEW.status <> OLD.status AND NEW.version <= OLD.version"
        yield _lite_trigger(
            table, "version", "BEFORE UPDATE OF status", stale, f"{table} moves only with a new version"
        )
    yield _lite_delete(table, _PURGING if lifecycle is TOOL else f"{ended} AND {_PURGING}")
    yield _lite_replace(table, ("id", "rowid"))


def _lite_purge_log() -> Iterator[Guard]:
    closing = "OLD.closed_at IS NULL AND NEW.closed_at IS NOT NULL AND NEW.id = OLD.id AND NEW.actor = OLD.actor AND NEW.cutoff = OLD.cutoff"
    refusal = "purge_log is history; a row is closed once, by the purge that opened it"
    yield _lite_trigger("purge_log", "keep", "BEFORE UPDATE", f"NOT ({closing})", refusal)
    yield _lite_trigger("purge_log", "delete", "BEFORE DELETE", "", refusal)
    yield _lite_replace("purge_log", ("id", "rowid"))
