"""The composition root: settings become objects, each on its first use. Nothing here decides anything.

`compose` wires everything anew, from other settings or on another clock; otherwise it is wired from the environment.
"""

import logging
import os
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from penstock import world
from penstock.aws.secrets import Secrets, database_token
from penstock.aws.sqs import Doorbells
from penstock.dal.dialect import Database, Service, address, open_database, open_for
from penstock.dal.executions import Effects
from penstock.dal.store import Store
from penstock.domain.doorbells import Message
from penstock.domain.errors import InvalidInput
from penstock.settings import InvalidSetting, Settings

# How long a doorbell is left to the one who put it up before a drain rings it.
RING_GRACE = timedelta(seconds=30)


class Parts:
    """What one container is made of."""

    def __init__(self, environ: Mapping[str, str], clock: Callable[[], datetime] = world.now) -> None:
        self.environ = environ
        self.clock = clock

    @cached_property
    def settings(self) -> Settings:
        """What the deployment decided."""
        return Settings.read(self.environ)

    @cached_property
    def secrets(self) -> Secrets:
        """Secrets Manager."""
        return Secrets(self.clock)

    @cached_property
    def doorbells(self) -> Doorbells:
        """The queues that wake workers."""
        return Doorbells(self.settings.queues)

    @cached_property
    def database(self) -> Database:
        """The one engine."""
        named = self.settings.database
        service = Service(
            name=f"{self.settings.service}:{self.settings.function}",
            clock=self.clock,
            login=self._login if named.secret_arn or named.iam else None,
            root_certificate=named.root_certificate,
            connect_seconds=named.connect_seconds,
            encrypted=named.iam,
        )
        try:
            return open_for(service, self._url)
        except InvalidInput as error:
            raise InvalidSetting("DATABASE_URL", error.problem) from error

    @property
    def _url(self) -> str:
        named = self.settings.database
        if named.url:
            return named.url
        if named.host:
            return address(named.host, named.port, named.name, named.user)
        secret = self.secrets.secret(named.secret_arn or "")
        if "host" not in secret:
            raise InvalidSetting("DATABASE_HOST", "is not set, and the secret names no host")
        return address(secret["host"], int(secret.get("port", named.port)), secret.get("dbname", named.name), None)

    def _login(self, *, again: bool) -> dict[str, Any]:
        named = self.settings.database
        if named.iam:
            at = self.database.engine.url
            host, user = at.host or "", named.user or at.username or ""
            return {"user": user, "password": database_token(host, at.port or named.port, user)}
        secret = self.secrets.secret(named.secret_arn or "", fresh=again)
        return {"user": named.user or secret["username"], "password": secret["password"]}


_parts: Parts | None = None


def compose(environ: Mapping[str, str] | None = None, clock: Callable[[], datetime] = world.now) -> Parts:
    """Wires everything anew; what was opened before is closed."""
    global _parts  # noqa: PLW0603 - a container is one, and lives as long as its process
    if _parts is not None and "database" in vars(_parts):
        _parts.database.engine.dispose()
    _parts = Parts(os.environ if environ is None else environ, clock)
    return _parts


def _wired() -> Parts:
    return _parts or compose()


def settings() -> Settings:
    """What the deployment decided."""
    return _wired().settings


def secrets() -> Secrets:
    """Secrets Manager."""
    return _wired().secrets


def doorbells() -> Doorbells:
    """The queues that wake workers."""
    return _wired().doorbells


def store(actor: str) -> Store:
    """A store over the engine of this container, whose events name *actor*."""
    parts = _wired()
    grace = RING_GRACE if parts.settings.queues else timedelta(0)
    return Store(parts.database, actor, parts.clock, world.uuid7, world.random, grace)


def ring(effects: Effects) -> None:
    """Publishes the doorbells that were put up and are due. What fails here is rung by the next drain."""
    parts = _wired()
    now = parts.clock()
    messages = [
        Message(bell.task_execution_id, bell.queue, None, bell.traceparent)
        for bell in effects.bells
        if bell.available_at <= now and parts.doorbells.serves(bell.queue)
    ]
    if messages and (refused := parts.doorbells.send(messages)):
        # In a function this is the logger of `telemetry`; who embeds Penstock has one of their own.
        logger = logging.getLogger(parts.settings.service)
        logger.warning(
            "%d doorbells were refused; the drain rings them: %s", len(refused), sorted(set(refused.values()))
        )


def connect(url: str, *, actor: str, ring_grace: timedelta = timedelta(0), **engine_options: Any) -> Store:
    """A store over the database at *url*, whose events name *actor*. Opens nothing before its first use."""
    database = open_database(url, **engine_options)
    return Store(database, actor, world.now, world.uuid7, world.random, ring_grace)
