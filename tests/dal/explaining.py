"""What a database does for a question: which indexes it reads, which tables it reads whole, and how much of them.

The statements are those that the code runs, with the parameters that it gives them: they are overheard, not retyped.
"""

import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from psycopg import sql

from penstock.dal.dialect import Session, Statement
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

    def run(self, statement: Statement, params: Mapping[str, Any]) -> list[Any]:
        if self.one_statement:
            self.plans.append(_one_plan(self, statement, params))
            return Session.run(self, statement, params)
        self.plans.append(_many_plans(self, statement, params))
        with _counting(self) as counted:
            rows = Session.run(self, statement, params)
        self.plans.append(Plan(frozenset(), frozenset(), steps=sum(counted)))
        return rows


def plan(store: Store, question: Question, mode: str) -> Plan:
    """How the database answers a question, all its statements together. Nothing stays of it."""
    plans: list[Plan] = []
    with rolled_back(store) as tx:
        session = Explaining(tx.session.cursor, tx.session.one_statement, tx.session.spans, mode, plans)
        question(replace(tx, session=session))
    return sum(plans, NOTHING)


# --- PostgreSQL: run in a savepoint, and measured --------------------------------------------------------------------


def _one_plan(session: Explaining, statement: Statement, params: Mapping[str, Any]) -> Plan:
    asked = statement.as_one.statement
    values = [sql.Literal(value).as_string() for value in asked.values(params).values()]
    run = session.cursor.execute
    run("SAVEPOINT unexplained")
    run(f"SET LOCAL plan_cache_mode = {session.mode}")
    run(f"PREPARE asked AS {asked.text}")
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


# --- SQLite: planned, then run, and counted --------------------------------------------------------------------------

INDEX = re.compile(r"USING (?:COVERING )?INDEX (\w+)")
WHOLE = re.compile(r"SCAN (\w+)(?: USING COVERING INDEX \w+)?")


def _many_plans(session: Explaining, statement: Statement, params: Mapping[str, Any]) -> Plan:
    pieces = statement.as_many.statements
    known = {**params, **{name: [] for name, _ in pieces}}
    details: list[str] = []
    for _, piece in pieces:
        session.cursor.execute(f"EXPLAIN QUERY PLAN {piece.text}", piece.values(known))
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
