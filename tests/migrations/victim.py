"""A process whose migrations are killed: `python -m tests.migrations.victim URL` upgrades a database to head, again and again.

Of each two lives one dies by SIGKILL when it is about to commit, and the next when it has committed for the first time.
After each it prints where the database stands; it ends when that is the head.
"""

import os
import signal
import sys
from collections.abc import Callable
from itertools import cycle
from typing import Any

import sqlalchemy as sa
from alembic import command
from sqlalchemy.engine.interfaces import Dialect

from tests.databases import alembic_config
from tests.migrations.revisions import connected, scripts, version


def doomed(commit: Callable[..., None], moment: str) -> Callable[..., None]:
    """A commit that nobody survives."""

    def last(dialect: Dialect, connection: Any) -> None:
        if moment == "after":
            commit(dialect, connection)
        os.kill(os.getpid(), signal.SIGKILL)

    return last


def die(url: str, moment: str) -> None:
    """One life."""
    child = os.fork()
    if not child:
        dialect: Any = sa.make_url(url).get_dialect()
        dialect.do_commit = doomed(dialect.do_commit, moment)
        try:
            command.upgrade(alembic_config(url), "head")
        finally:
            os._exit(1)  # Not reached by who was killed.
    _, status = os.waitpid(child, 0)
    if not os.WIFSIGNALED(status):
        raise SystemExit("it was not killed")


def main(url: str) -> None:
    (head,) = scripts().get_heads()
    for moment in cycle(("before", "after")):
        die(url, moment)
        with connected(url) as connection:
            stands = version(connection)
        print(moment, stands, flush=True)
        if stands == head:
            return


if __name__ == "__main__":
    main(*sys.argv[1:])
