"""The moments at which a function can die and leave something behind: around each commit, around each call to Amazon.

A point is named by what happens there: the verb that is committed, the operation that is called. Between two points
nothing leaves the process, so to die there is to die at one of them.
"""

import inspect
import os
import signal
import sqlite3
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import boto3
import psycopg
import sqlalchemy as sa
from psycopg.pq import TransactionStatus

from penstock.dal.store import Store


@dataclass
class Fate:
    """Which point is the last one, and whether it is passed; none, for a life that is only recorded."""

    last: int | None = None
    after: bool = False
    passed: list[str] = field(default_factory=list)

    def before(self) -> None:
        """A point is reached."""
        if not self.after and self.last == len(self.passed):
            die()

    def behind(self, name: str) -> None:
        """What happens at this point has happened."""
        if self.after and self.last == len(self.passed):
            die()
        self.passed.append(name)

    @contextmanager
    def point(self, name: str) -> Iterator[None]:
        """The block is what happens at a point."""
        self.before()
        yield
        self.behind(name)


FATE = Fate()


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


# --- commits -----------------------------------------------------------------------------------------------------


class MortalConnection(psycopg.Connection[Any]):
    """psycopg asks its connection to wait for everything that it does with the server."""

    def wait(self, gen: Any, *args: Any, **kwargs: Any) -> Any:
        verb = verb_at_work() if self._commits(inspect.getgeneratorlocals(gen)) else None
        with FATE.point(f"commit {verb}") if verb else nullcontext():
            return super().wait(gen, *args, **kwargs)

    def _commits(self, at_work: Mapping[str, Any]) -> bool:
        """Outside of a transaction each statement commits itself; what SQLAlchemy asks a new connection is not ours."""
        outside = self.info.transaction_status == TransactionStatus.IDLE
        ours, query = isinstance(at_work.get("self"), psycopg.RawCursor), at_work.get("query")
        return ours and query != "BEGIN" and (outside or query == "COMMIT")


class MortalCursor(sqlite3.Cursor):
    def execute(self, sql: str, *args: Any) -> Any:
        if sql != "COMMIT":
            return super().execute(sql, *args)
        with FATE.point(f"commit {verb_at_work()}"):
            return super().execute(sql, *args)


class MortalFile(sqlite3.Connection):
    def cursor(self, *_: Any) -> Any:
        return super().cursor(MortalCursor)


def verb_at_work() -> str | None:
    """The verb that the store has been given; none while somebody only reads."""
    frame = sys._getframe()  # noqa: SLF001 - the public ways to a frame walk all of the stack
    while frame.f_code is not Store.alone.__code__:
        if frame.f_back is None:
            return None
        frame = frame.f_back
    verb = frame.f_locals["verb"]
    return f"{verb.__module__.rpartition('.')[2]}.{verb.__name__}"


def watch_commits(engine: sa.Engine) -> None:
    """Each connection that this engine opens is a mortal one."""

    @sa.event.listens_for(engine, "do_connect")
    def connect(dialect: Any, _record: Any, arguments: Any, options: dict[str, Any]) -> Any:
        if dialect.name == "sqlite":
            return sqlite3.connect(*arguments, **options, factory=MortalFile)
        return MortalConnection.connect(*arguments, **options)


# --- calls to Amazon ---------------------------------------------------------------------------------------------


def watch_calls() -> None:
    """Each call of each client that boto3 makes from now on is a point."""
    boto3.setup_default_session()
    events = boto3._get_default_session().events  # noqa: SLF001 - the session that boto3.client takes
    events.register("before-call", lambda **_: FATE.before())
    events.register("after-call", lambda event_name, **_: FATE.behind(event_name.replace("after-call.", "call ")))
