"""An engine for a container that serves one request at a time, and may be frozen for an hour between two.

It keeps one connection, and asks whether that is still there only when it has lain idle. Behind a proxy the
connection is anybody's between two transactions: so nothing is prepared, and nothing is set for the session.
What the URL itself says wins.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy import event

from penstock.dal.dialect.databases import Database, open_database

IDLE = timedelta(seconds=30)
# Below the half hour after which a proxy closes an idle client.
POOL = {"pool_size": 1, "max_overflow": 0, "pool_timeout": 2, "pool_recycle": 1500}
WIRE = {
    "prepare_threshold": None,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}


class Login(Protocol):
    """Who logs in, as the driver is told."""

    def __call__(self, *, again: bool) -> dict[str, Any]:
        """User and password: for each new connection, and *again* if what was said did not open the door."""


@dataclass(frozen=True, slots=True)
class Service:
    """Who serves: its name in the server's list of sessions, its clock, and how it logs in."""

    name: str
    clock: Callable[[], datetime]
    login: Login | None = None
    root_certificate: str | None = None
    encrypted: bool = False
    # Longer where it is known to have scaled to nothing: it takes half a minute to come back.
    connect_seconds: int = 5


def address(host: str, port: int, name: str, user: str | None) -> str:
    """The URL of a database on a server."""
    return sa.URL.create("postgresql", user, None, host, port, name).render_as_string(hide_password=False)


def open_for(service: Service, url: str) -> Database:
    """The database at a URL, as a container of this service uses it; nothing is opened before the first use."""
    if not _has_server(url):
        return open_database(url)
    own = {"application_name": service.name, "connect_timeout": service.connect_seconds}
    wire = WIRE | own | _encryption(service)
    said = sa.make_url(url).query
    database = open_database(
        url, **POOL, connect_args={name: value for name, value in wire.items() if name not in said}
    )
    _ask_after_idling(database.engine, service.clock)
    if service.login:
        _log_in(database.engine, service.login)
    return database


def _has_server(url: str) -> bool:
    try:
        return sa.make_url(url).get_backend_name() == "postgresql"
    except sa.exc.ArgumentError:
        return False


def _encryption(service: Service) -> dict[str, str]:
    if service.root_certificate:
        return {"sslmode": "verify-full", "sslrootcert": service.root_certificate}
    return {"sslmode": "require"} if service.encrypted else {}


def _ask_after_idling(engine: sa.Engine, clock: Callable[[], datetime]) -> None:
    """A ping before each transaction would double its round trips; after a freeze the other end may be gone."""

    @event.listens_for(engine, "checkin")
    def note(_connection: Any, record: Any) -> None:
        record.info["used_at"] = clock()

    @event.listens_for(engine, "checkout")
    def ask(connection: Any, record: Any, _proxy: Any) -> None:
        used_at = record.info.get("used_at")
        if used_at is not None and clock() - used_at >= IDLE and not _answers(engine, connection):
            raise sa.exc.DisconnectionError


def _answers(engine: sa.Engine, connection: Any) -> bool:
    try:
        return engine.dialect.do_ping(connection)
    except engine.dialect.loaded_dbapi.Error:
        return False


def _log_in(engine: sa.Engine, login: Login) -> None:
    """Tokens last minutes and passwords are rotated: what was right when the engine was made is no use."""

    @event.listens_for(engine, "do_connect")
    def connect(dialect: Any, _record: Any, arguments: Any, options: dict[str, Any]) -> Any:
        known = login(again=False)
        try:
            return dialect.connect(*arguments, **options | known)
        except dialect.loaded_dbapi.OperationalError:
            # A server refuses a password in its own words, a proxy in others. What counts is whether there is a new one.
            changed = login(again=True)
            if changed == known:
                raise
            return dialect.connect(*arguments, **options | changed)
