"""PgBouncer in front of a test server, in transaction mode: a stand-in for RDS Proxy, and stricter.

A session of the server is anybody's between two transactions, and the next transaction gets another one: what a client
leaves in its session, or expects to find there, is lost at once. RDS Proxy would pin the session to the client instead.
"""

import atexit
import shutil
import subprocess
import tempfile
from collections import deque
from contextlib import suppress
from functools import cache
from pathlib import Path
from threading import Thread
from typing import IO

import psycopg
from psycopg import sql
from sqlalchemy import make_url

# Nothing is said to the server that the client did not say: no query between two clients, no startup parameter let pass.
SETTINGS = """
[databases]
* = host={server}
[pgbouncer]
pool_mode = transaction
listen_port = 5432
unix_socket_dir = {directory}
auth_type = trust
auth_file = {directory}/users
auth_user = postgres
admin_users = postgres
server_round_robin = 1
default_pool_size = 40
max_client_conn = 1000
log_connections = 0
log_disconnections = 0
log_stats = 0
server_login_retry = 0
query_wait_timeout = 10
"""
# Ends the pooler when standard input ends: when this process has ended, in whatever way.
KEEPER = """pgbouncer "$1/pgbouncer.ini" & read _; kill $!; wait; rm -rf "$1" """
READY = "process up"


# Prepared statements are the session's.
UNPREPARED = {"prepare_threshold": None}
SERVER = "server"


def through(url: str) -> str:
    """The same database, by way of the pooler of its server."""
    pooled = _at(url, start(_host(url)))
    _have_sessions_to_alternate(pooled)
    return pooled


def past(url: str) -> str:
    """The same database without the pooler, for who needs a session of his own."""
    return _at(url, (_host(url) / SERVER).readlink()) if leads_through(url) else url


def forget_sessions(url: str) -> None:
    """Whoever comes through the pooler from now on finds a new session."""
    if leads_through(url):
        console = make_url(url).set(drivername="postgresql", database="pgbouncer")
        with psycopg.connect(console.render_as_string(hide_password=False), autocommit=True) as session:
            session.execute(sql.SQL("RECONNECT {}").format(sql.Identifier(make_url(url).database or "")))


def wait_for(url: str) -> None:
    """Until the pooler has found out that the database is back: to the first who asks it repeats the last refusal."""
    while leads_through(url):
        with suppress(psycopg.OperationalError), psycopg.connect(url.replace("+psycopg", "")) as session:
            session.execute("SELECT 1")
            return


def leads_through(url: str) -> bool:
    """Whether a pooler is on the way to this database."""
    return "host" in make_url(url).query and (_host(url) / SERVER).is_symlink()


def _host(url: str) -> Path:
    return Path(str(make_url(url).query["host"]))


def _at(url: str, host: Path) -> str:
    return make_url(url).set(query={"host": str(host)}).render_as_string(hide_password=False)


def _have_sessions_to_alternate(url: str) -> None:
    """Two transactions at once need two sessions, and from then on they take turns."""
    libpq = url.replace("+psycopg", "")
    with psycopg.connect(libpq) as one, psycopg.connect(libpq) as other:
        one.execute("SELECT 1")
        other.execute("SELECT 1")


@cache
def start(server: Path) -> Path:
    """The directory of its socket."""
    if not shutil.which("pgbouncer"):
        raise FileNotFoundError("pgbouncer is not installed; on Debian: apt-get install pgbouncer")
    directory = Path(tempfile.mkdtemp(prefix="penstock-"))
    (directory / "pgbouncer.ini").write_text(SETTINGS.format(server=server, directory=directory))
    (directory / SERVER).symlink_to(server)
    (directory / "users").write_text('"postgres" ""\n')
    shutil.chown(directory, server.owner())
    pooler = subprocess.Popen(
        ["sh", "-c", KEEPER, "pooler", directory],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C is meant for the tests
        user=server.owner(),  # PgBouncer does not run as root
        cwd="/",
    )
    log: IO[str] = pooler.stderr  # type: ignore[assignment]  # a pipe, as asked for
    if not any(READY in line for line in log):
        raise RuntimeError(f"the pooler did not start; see what it says: pgbouncer {directory}/pgbouncer.ini")
    Thread(target=deque, args=(log, 0), daemon=True).start()  # so that it can go on speaking
    atexit.register(_end, pooler)
    return directory


def _end(pooler: "subprocess.Popen[str]") -> None:
    assert pooler.stdin
    pooler.stdin.close()
    pooler.wait()
