"""What a database does for a question: which indexes it reads, which tables it reads whole, and how much of them.

The statements are those that the code runs, with the parameters that it gives them: they are overheard, not retyped.
What a function of PostgreSQL reads is counted by the server: EXPLAIN does not look into functions.
"""

import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import sql

from penstock.dal.dialect import Query, Session
from penstock.dal.dialect.calls import Rows, Step, steps_of
from penstock.dal.dialect.queries import POSTGRESQL, SQLITE
from penstock.dal.store import Store, Tx
from tests.dal.asking import rolled_back

Question = Callable[[Tx], object]


@dataclass(frozen=True, slots=True)
class Plan:
    """What was read: indexes and whole tables by name; and the work: PostgreSQL counts rows and pages, SQLite steps."""

    indexes: frozenset[str]
    whole_tables: frozenset[str]
    rows: int = 0
    pages: int = 0
    steps: int = 0

    def __add__(self, other: "Plan") -> "Plan":
        return Plan(
            self.indexes | other.indexes,
            self.whole_tables | other.whole_tables,
            self.rows + other.rows,
            self.pages + other.pages,
            self.steps + other.steps,
        )


NOTHING = Plan(frozenset(), frozenset())


@dataclass(frozen=True, slots=True)
class Explaining(Session):
    """A session that explains what is run on it before it runs it."""

    mode: str = ""
    plans: list[Plan] = field(default_factory=list)

    def run(self, query: Query, params: Mapping[str, Any]) -> list[Any]:
        if self.has_functions:
            self.plans.append(_query_on_postgresql(self, query, params))
            return Session.run(self, query, params)
        self.plans.append(_query_on_sqlite(self, query, params))
        with self._counted():
            return Session.run(self, query, params)

    def call(
        self, name: str, arguments: Mapping[str, Any], columns: str, now: datetime, new_id: Callable[[], UUID]
    ) -> Rows:
        if self.has_functions:
            before = _counters(self)
            self.cursor.execute(f"SET LOCAL plan_cache_mode = {self.mode}")
            rows = Session.call(self, name, arguments, columns, now, new_id)
            self.plans.append(_difference(before, _counters(self)))
            return rows
        self.plans.append(_verb_on_sqlite(self, name))
        with self._counted():
            return Session.call(self, name, arguments, columns, now, new_id)

    @contextmanager
    def _counted(self) -> Iterator[None]:
        with _counting(self) as counted:
            yield
        self.plans.append(Plan(frozenset(), frozenset(), steps=sum(counted)))


def plan(store: Store, question: Question, mode: str) -> Plan:
    """How the database answers a question, all its statements together. Nothing stays of it."""
    plans: list[Plan] = []
    with rolled_back(store) as tx:
        session = Explaining(tx.session.cursor, tx.session.has_functions, tx.session.spans, mode, plans)
        question(replace(tx, session=session))
    return sum(plans, NOTHING)


# --- PostgreSQL: run in a savepoint, and measured --------------------------------------------------------------------


def _query_on_postgresql(session: Explaining, query: Query, params: Mapping[str, Any]) -> Plan:
    text, bound = query.compiled(POSTGRESQL, params)
    values = [sql.Literal(value).as_string() for value in bound.values()]
    run = session.cursor.execute
    run("SAVEPOINT unexplained")
    run(f"SET LOCAL plan_cache_mode = {session.mode}")
    run(f"PREPARE asked AS {text}")
    arguments = f"({', '.join(values)})" if values else ""
    run(f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) EXECUTE asked{arguments}")
    ((explained,),) = session.cursor.fetchall()
    run("DEALLOCATE asked")
    run("ROLLBACK TO SAVEPOINT unexplained")
    nodes = list(_nodes(explained[0]["Plan"]))
    scans = [node for node in nodes if "Relation Name" in node and "Scan" in node["Node Type"]]
    return Plan(
        frozenset(node["Index Name"] for node in nodes if "Index Name" in node),
        frozenset(node["Relation Name"] for node in scans if node["Node Type"] == "Seq Scan"),
        round(sum(_rows_read(scan) for scan in scans)),
        sum(scan["Shared Hit Blocks"] + scan["Shared Read Blocks"] for scan in scans),
    )


def _nodes(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield node
    for part in node.get("Plans", ()):
        yield from _nodes(part)


def _rows_read(scan: Mapping[str, Any]) -> float:
    """What a scan looked at, whether it kept it or not, in all of its rounds."""
    looked_at = ("Actual Rows", "Rows Removed by Filter", "Rows Removed by Index Recheck")
    return float(sum(scan.get(name, 0) for name in looked_at) * scan["Actual Loops"])


COUNTERS = """
    SELECT i.relname, t.relname, pg_stat_get_xact_numscans(i.oid), pg_stat_get_xact_tuples_returned(i.oid),
        pg_stat_get_xact_blocks_fetched(i.oid), false
    FROM pg_class i JOIN pg_index x ON x.indexrelid = i.oid JOIN pg_class t ON t.oid = x.indrelid
    WHERE i.relnamespace = 'penstock'::regnamespace
    UNION ALL
    SELECT t.relname, t.relname, pg_stat_get_xact_numscans(t.oid), pg_stat_get_xact_tuples_returned(t.oid),
        pg_stat_get_xact_blocks_fetched(t.oid), true
    FROM pg_class t WHERE t.relnamespace = 'penstock'::regnamespace AND t.relkind = 'r'
"""


Counters = dict[tuple[str, bool], tuple[int, int, int]]


def _counters(session: Explaining) -> Counters:
    """How often each index and each whole table has been scanned in this transaction, what came of it, and the pages."""
    session.cursor.execute(COUNTERS)
    return {(name, whole): (scans, rows, pages) for name, _, scans, rows, pages, whole in session.cursor.fetchall()}


def _difference(before: Counters, after: Counters) -> Plan:
    scanned = {key for key, (scans, _, _) in after.items() if scans > before[key][0]}
    return Plan(
        frozenset(name for name, whole in scanned if not whole),
        frozenset(name for name, whole in scanned if whole),
        sum(rows - before[key][1] for key, (_, rows, _) in after.items()),
        sum(pages - before[key][2] for key, (_, _, pages) in after.items()),
    )


# --- SQLite: planned, then run, and counted --------------------------------------------------------------------------

INDEX = re.compile(r"USING (?:COVERING )?INDEX (\w+)")
WHOLE = re.compile(r"SCAN (\w+)(?: USING COVERING INDEX \w+)?")


class Unbound(dict[str, Any]):
    """A plan does not depend on the values of parameters."""

    def __missing__(self, _name: str) -> None:
        return None


def _query_on_sqlite(session: Explaining, query: Query, params: Mapping[str, Any]) -> Plan:
    text, _ = query.compiled(SQLITE, params)
    return _planned(session, [text])


def _verb_on_sqlite(session: Explaining, name: str) -> Plan:
    return _planned(session, [step.sql for step in steps_of(name) if isinstance(step, Step)])


def _planned(session: Explaining, texts: Iterable[str]) -> Plan:
    details: list[str] = []
    for text in texts:
        session.cursor.execute(f"EXPLAIN QUERY PLAN {text}", Unbound())
        details += [detail for *_, detail in session.cursor.fetchall()]
    return Plan(
        frozenset(found[1] for detail in details if (found := INDEX.search(detail))),
        frozenset(found[1] for detail in details if (found := WHOLE.fullmatch(detail))),
    )


STRIDE = 50


@contextmanager
def _counting(session: Explaining) -> Iterator[list[int]]:
    """The instructions of SQLite's machine that are spent meanwhile."""
    counted: list[int] = []
    cursor: Any = session.cursor
    connection: sqlite3.Connection = cursor.connection
    connection.set_progress_handler(lambda: counted.append(STRIDE), STRIDE)
    yield counted
    connection.set_progress_handler(None, 0)
