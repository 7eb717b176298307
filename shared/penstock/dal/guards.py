"""The database as the last judge: triggers for both engines, generated from the lifecycle.

They refuse illegal moves, any change of what has ended, and every way around that (delete, truncate, replace),
and they keep `updated_at` for whoever writes past the ledger. History may go only while a purge of the same
transaction is on record, and an execution only if it ended before the cutoff of that purge. A workflow that has been
active keeps its definition. The revisions hold this text frozen; a test says when the two differ.

On PostgreSQL a trigger calls a function of the schema `penstock`, which looks nothing up by the search path of whoever
makes it fire.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from penstock.dal.schema import RULES, listed, metadata
from penstock.domain.lifecycle import PIPELINE, TASK, TOOL, Lifecycle

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
# Tables that PostgreSQL lets nobody write but the functions of the schema.
LEDGER = (
    "task_executions", "pipeline_executions", "execution_events", "task_outbox", "task_dependencies", "pause_queue",
    "tool_executions", "purge_log",
)  # fmt: skip
IDENTITY = ("id", "created_at", "created_by")
TOUCHED = ("tasks", "workflows", "sessions", "configurations", "schedules", "relay_cursors")
NEVER_TRUNCATED = (*LIFECYCLES, *APPEND_ONLY, "purge_log")
# What a pipeline of a workflow was started from must be found as it was.
DEFINITION = ("name", "version", "definition")


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


# What a refused DELETE says: of an execution, and of what is part of one.
_ONLY_A_PURGE = (
    "only a purge on record deletes, and only what ended before its cutoff",
    "only a purge on record deletes",
)


# --- PostgreSQL: one function and one trigger a table ----------------------------------------------------------


def postgresql() -> list[Guard]:
    """Every guard of PostgreSQL, in the order in which they are made."""
    guards = [_pg_function("touch", _PG_TOUCH), _pg_function("keep", _PG_KEEP)]
    guards.append(_pg_function("only_functions", _PG_ONLY_FUNCTIONS))
    guards += [_pg_only_functions(table) for table in LEDGER]
    guards.append(_pg_function("append_only", _PG_APPEND_ONLY))
    for table, lifecycle in LIFECYCLES.items():
        when = "BEFORE INSERT OR UPDATE OR DELETE" if table in RULES else "BEFORE UPDATE OR DELETE"
        guards += _pg_guard(table, _pg_moves(table, lifecycle), when)
    guards += [_pg_trigger(table, "guard", "append_only", "BEFORE UPDATE OR DELETE") for table in APPEND_ONLY]
    guards += _pg_guard("purge_log", _PG_PURGE_LOG)
    guards += _pg_guard("workflows", _PG_WORKFLOWS)
    guards += _pg_guard("configurations", _PG_CONFIGURATIONS, "BEFORE INSERT OR UPDATE")
    guards += [_pg_trigger(table, "keep", "keep", "BEFORE TRUNCATE", "STATEMENT") for table in NEVER_TRUNCATED]
    guards += [_pg_trigger(table, "touch", "touch", "BEFORE UPDATE") for table in TOUCHED]
    return guards


def _pg_guard(table: str, body: str, when: str = "BEFORE UPDATE OR DELETE") -> Iterator[Guard]:
    """A function for one table, and the trigger that calls it."""
    yield _pg_function(f"guard_{table}", body)
    yield _pg_trigger(table, "guard", f"guard_{table}", when)


def _pg_function(name: str, body: str) -> Guard:
    create = (
        f"CREATE OR REPLACE FUNCTION penstock.{name}() RETURNS trigger LANGUAGE plpgsql"
        f" SET search_path = pg_catalog, pg_temp AS $penstock$\n{body}$penstock$"
    )
    return Guard(name, "", create, f"DROP FUNCTION IF EXISTS penstock.{name}()")


def _pg_trigger(table: str, purpose: str, function: str, when: str, each: str = "ROW") -> Guard:
    name = f"{table}_{purpose}"
    create = (
        f"CREATE OR REPLACE TRIGGER {name} {when} ON penstock.{table}"
        f" FOR EACH {each} EXECUTE FUNCTION penstock.{function}()"
    )
    return Guard(name, table, create, f"DROP TRIGGER IF EXISTS {name} ON penstock.{table}")


def _pg_only_functions(table: str) -> Guard:
    """Refuses what is written past the functions of the schema: each of them turns `row_security` off while it runs.

    So does pg_restore: what was dumped can be restored. Whoever else turns it off, as the owner, does so on purpose.
    """
    name = f"{table}_functions"
    create = (
        f"CREATE OR REPLACE TRIGGER {name} BEFORE INSERT OR UPDATE OR DELETE ON penstock.{table} FOR EACH STATEMENT"
        " WHEN (current_setting('row_security') <> 'off')"
        " EXECUTE FUNCTION penstock.only_functions()"
    )
    return Guard(name, table, create, f"DROP TRIGGER IF EXISTS {name} ON penstock.{table}")


def _pg_refuse(text: str, *values: str) -> str:
    return f"RAISE EXCEPTION '{text}'{''.join(f', {value}' for value in values)} USING ERRCODE = 'restrict_violation';"


_PG_TOUCH_LINE = """  IF NEW.updated_at IS NOT DISTINCT FROM OLD.updated_at THEN
    NEW.updated_at := greatest(clock_timestamp(), OLD.updated_at);
  END IF;
"""
_PG_TOUCH = f"BEGIN\n{_PG_TOUCH_LINE}  RETURN NEW;\nEND\n"
_PG_KEEP = f"BEGIN\n  {_pg_refuse('% is history; it cannot be truncated', 'TG_TABLE_NAME')}\nEND\n"
_PG_ONLY_FUNCTIONS = """BEGIN
  RAISE EXCEPTION '% is written by the functions of the schema penstock only', TG_TABLE_NAME
    USING ERRCODE = 'restrict_violation', HINT = 'Call a function, such as penstock.enqueue.';
END
"""
_PG_PURGE = "SELECT FROM penstock.purge_log p WHERE p.closed_at IS NULL AND p.transaction_id = pg_current_xact_id()"
_PG_APPEND_ONLY = f"""BEGIN
  IF TG_OP = 'DELETE' AND EXISTS ({_PG_PURGE}) THEN
    RETURN OLD;
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


_PG_WORKFLOWS = f"""BEGIN
  IF TG_OP = 'DELETE' THEN
    IF OLD.status = 'draft' THEN
      RETURN OLD;
    END IF;
    {_pg_refuse("workflows % is %; only a draft can be deleted", "OLD.id", "OLD.status")}
  END IF;
  IF OLD.status <> 'draft' THEN
    IF NEW.status = 'draft' THEN
      {_pg_refuse("workflows % is %; it cannot be a draft again", "OLD.id", "OLD.status")}
    END IF;
    IF {" OR ".join(f"NEW.{column} <> OLD.{column}" for column in DEFINITION)} THEN
      {_pg_refuse("workflows % is %; it keeps its name, version and definition", "OLD.id", "OLD.status")}
    END IF;
  END IF;
  RETURN NEW;
END
"""
# A CHECK cannot ask this before PostgreSQL 16. The value is not repeated: it may be a secret.
_PG_CONFIGURATIONS = f"""BEGIN
  IF NEW.value_type = 'json' THEN
    BEGIN
      PERFORM NEW.value::json;
    EXCEPTION
      WHEN data_exception THEN
        {_pg_refuse("configurations %: the value is not JSON", "NEW.key")}
    END;
  END IF;
  RETURN NEW;
END
"""


def _pg_moves(table: str, lifecycle: Lifecycle) -> str:
    """What may happen to a row that has a state."""
    ends = listed(lifecycle.ends)
    refuse_delete = _pg_refuse(f"{table} % is %; {_ONLY_A_PURGE[lifecycle is TOOL]}", "OLD.id", "OLD.status")
    refuse_ended = _pg_refuse(f"{table} % is %; what has ended cannot be changed", "OLD.id", "OLD.status")
    refuse_move = _pg_refuse(f"{table} % cannot go from % to %", "OLD.id", "OLD.status", "NEW.status")
    refuse_identity = _pg_refuse(f"{table} % keeps its id, its creator and the time of its creation", "OLD.id")
    changed = " OR ".join(f"NEW.{name} <> OLD.{name}" for name in IDENTITY if has(table, name))
    purged = f"EXISTS ({_PG_PURGE})"
    if lifecycle is not TOOL:
        purged = f"OLD.status IN ({ends}) AND EXISTS ({_PG_PURGE} AND OLD.completed_at < p.cutoff)"
    versioned = (
        f"""    IF NEW.version <= OLD.version THEN
      {_pg_refuse(f"{table} % moves only with a new version", "OLD.id")}
    END IF;
"""
        if has(table, "version")
        else ""
    )
    return f"""BEGIN
  IF TG_OP = 'DELETE' THEN
    IF {purged} THEN
      RETURN OLD;
    END IF;
    {refuse_delete}
  END IF;
{_pg_rules(table)}  IF OLD.status IN ({ends}) THEN
    {refuse_ended}
  END IF;
  IF {changed} THEN
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


def _pg_rules(table: str) -> str:
    """The rules of a table whose CHECKs the guard keeps: it is parsed once a session, a CHECK once a statement."""
    if table not in RULES:
        return ""
    rules = {name: _of_new(table, text) for name, text in RULES[table].items()}
    every = "\n     AND ".join(f"({text})" for text in rules.values())
    broken = "\n".join(f"      WHEN ({text}) IS FALSE THEN '{name}'" for name, text in rules.items())
    return f"""  IF ({every}) IS FALSE THEN
    RAISE EXCEPTION '{table} % breaks the rule %', NEW.id, CASE
{broken}
    END USING ERRCODE = 'check_violation';
  END IF;
  IF TG_OP = 'INSERT' THEN
    RETURN NEW;
  END IF;
"""


def _of_new(table: str, text: str) -> str:
    """A condition over the columns of a row, as one over NEW."""
    columns = "|".join(column.name for column in metadata.tables[table].c)
    return re.sub(rf"'[^']*'|\b({columns})\b", lambda found: f"NEW.{found[1]}" if found[1] else found[0], text)


# --- SQLite: a trigger a rule, since a trigger there can only refuse ---------------------------------------------

_CLOCK = "strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')"
_PURGE = "SELECT 1 FROM purge_log WHERE closed_at IS NULL"


def sqlite() -> list[Guard]:
    """Every guard of SQLite."""
    guards = [guard for table, lifecycle in LIFECYCLES.items() for guard in _lite_guard(table, lifecycle)]
    for table, keys in APPEND_ONLY.items():
        guards.append(
            _lite_trigger(table, "keep", "BEFORE UPDATE", "", f"{table} is history; it is only ever added to")
        )
        guards.append(_lite_delete(table, f"EXISTS ({_PURGE})", _ONLY_A_PURGE[1]))
        guards.append(_lite_replace(table, keys))
    guards += _lite_purge_log()
    guards += _lite_workflows()
    return guards + [_lite_touch(table) for table in TOUCHED]


def _lite_trigger(table: str, purpose: str, event: str, when: str, refusal: str) -> Guard:
    name = f"{table}_{purpose}"
    condition = f" WHEN {when}" if when else ""
    create = (
        f"CREATE TRIGGER IF NOT EXISTS {name} {event} ON {table} FOR EACH ROW{condition} "
        f"BEGIN SELECT RAISE(ABORT, '{refusal}'); END"
    )
    return Guard(name, table, create, f"DROP TRIGGER IF EXISTS {name}")


def _lite_delete(table: str, unless: str, refusal: str) -> Guard:
    return _lite_trigger(table, "delete", "BEFORE DELETE", f"NOT ({unless})", f"{table} is history; {refusal}")


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
        f"BEFORE UPDATE OF {', '.join(name for name in IDENTITY if has(table, name))}",
        " OR ".join(f"NEW.{name} <> OLD.{name}" for name in IDENTITY if has(table, name)),
        f"{table} keeps its id, its creator and the time of its creation",
    )
    moving = f"NEW.status <> OLD.status AND NOT ({legal(lifecycle)})"
    yield _lite_trigger(table, "move", "BEFORE UPDATE OF status", moving, f"{table} cannot go there from its state")
    if has(table, "version"):
        stale = "NEW.status <> OLD.status AND NEW.version <= OLD.version"
        yield _lite_trigger(
            table, "version", "BEFORE UPDATE OF status", stale, f"{table} moves only with a new version"
        )
    purged = (
        f"EXISTS ({_PURGE})" if lifecycle is TOOL else f"{ended} AND EXISTS ({_PURGE} AND OLD.completed_at < cutoff)"
    )
    yield _lite_delete(table, purged, _ONLY_A_PURGE[lifecycle is TOOL])
    yield _lite_replace(table, ("id", "rowid"))


def _lite_purge_log() -> Iterator[Guard]:
    closing = "OLD.closed_at IS NULL AND NEW.closed_at IS NOT NULL AND NEW.id = OLD.id AND NEW.actor = OLD.actor AND NEW.cutoff = OLD.cutoff"
    refusal = "purge_log is history; a row is closed once, by the purge that opened it"
    yield _lite_trigger("purge_log", "keep", "BEFORE UPDATE", f"NOT ({closing})", refusal)
    yield _lite_trigger("purge_log", "delete", "BEFORE DELETE", "", refusal)
    yield _lite_replace("purge_log", ("id", "rowid"))


def _lite_workflows() -> Iterator[Guard]:
    published = "OLD.status <> 'draft'"
    yield _lite_trigger("workflows", "delete", "BEFORE DELETE", published, "workflows: only a draft can be deleted")
    again = f"{published} AND NEW.status = 'draft'"
    refusal = "workflows: what has been active cannot be a draft again"
    yield _lite_trigger("workflows", "published", "BEFORE UPDATE OF status", again, refusal)
    changed = f"{published} AND ({' OR '.join(f'NEW.{column} <> OLD.{column}' for column in DEFINITION)})"
    yield _lite_trigger(
        "workflows",
        "definition",
        f"BEFORE UPDATE OF {', '.join(DEFINITION)}",
        changed,
        "workflows: what has been active keeps its name, version and definition",
    )
    same = "id = NEW.id OR (name = NEW.name AND version = NEW.version) OR rowid = NEW.rowid"
    taken = f"EXISTS (SELECT 1 FROM workflows WHERE status <> 'draft' AND ({same}))"
    yield _lite_trigger("workflows", "replace", "BEFORE INSERT", taken, "workflows: only a draft can be replaced")
