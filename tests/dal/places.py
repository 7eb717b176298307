"""A PostgreSQL database with logins of every kind."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import psycopg
import sqlalchemy as sa

from penstock.dal import executions
from penstock.dal.store import Store
from tests import servers
from tests.acting import Clock, begin, job, only, store_at
from tests.databases import SERVERS, Databases

ROLES = ("penstock_reader", "penstock_client", "penstock_worker", "penstock_operator", "penstock_purger")
LOGINS: Mapping[str, tuple[str, ...]] = {
    "nobody": (),
    **{role.removeprefix("penstock_"): (role,) for role in ROLES},
    "all roles": ROLES,
}


@dataclass(frozen=True)
class Place:
    """A database with some work in it, as its owner sees it, and the ways in for others."""

    owner: Store
    url: str
    logins: Mapping[str, str]
    done: UUID

    def connect(self, who: str) -> psycopg.Connection[Any]:
        return psycopg.connect(self._as(who).replace("+psycopg", ""), autocommit=True)

    @contextmanager
    def store(self, who: str, clock: Clock) -> Iterator[Store]:
        store = store_at(self._as(who), clock)
        yield store
        store.database.engine.dispose()

    def _as(self, who: str) -> str:
        return sa.make_url(self.url).set(username=self.logins[who]).render_as_string(hide_password=False)


@contextmanager
def opened(kind: str, databases: Databases, clock: Clock) -> Iterator[Place]:
    """A migrated database on a server of this kind, and its logins, which go with it."""
    server = servers.start(SERVERS[kind]).replace("+psycopg", "")
    with databases.migrated(kind) as url, psycopg.connect(server, autocommit=True) as admin:
        logins = {who: f"login_{uuid4().hex}" for who in LOGINS}
        for who, name in logins.items():
            admin.execute(f"CREATE ROLE {name} LOGIN".encode())
            for role in LOGINS[who]:
                admin.execute(f"GRANT {role} TO {name}".encode())
        owner = store_at(url, clock)
        yield Place(owner, url, logins, finish(owner))
        owner.database.engine.dispose()
        for name in logins.values():
            with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as inside:
                inside.execute(f"DROP OWNED BY {name}".encode())
            admin.execute(f"DROP ROLE {name}".encode())


def finish(store: Store) -> UUID:
    (running,) = begin(store, only(store.alone(executions.create, job())))
    store.alone(executions.complete, running)
    return running.id
