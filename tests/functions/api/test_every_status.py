"""Each operation answers with every status that its documentation has, and with no other."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import pytest

from penstock.dal import schema
from penstock.dal.store import Store
from penstock.http.arrivals import LARGEST_BODY
from tests.acting import run
from tests.functions.api.documentation import Operation, operations
from tests.functions.api.scenes import CASES, Ask, Scene
from tests.functions.gateway import NOBODY, Answer, Client, token
from tests.migrations.revisions import VERSIONS

Reach = Callable[["Sender"], Answer]
TEXT = {"content-type": "text/plain"}


class Sender:
    """Sends requests of one operation."""

    def __init__(self, operation: Operation, api: Client, scene: Scene) -> None:
        self.operation = operation
        self.api = api
        self.scene = scene
        self.case = CASES[operation.id]

    def __call__(self, ask: Ask, **more: Any) -> Answer:
        path = self.operation.path.replace("{id}", str(ask.id))
        headers = {**ask.headers, **more.pop("headers", {})}
        return self.api(self.operation.method, path, ask.body, headers=headers, **more)

    def well(self, **more: Any) -> Answer:
        return self(self.case.well(self.scene), **more)

    def conflicting(self) -> Answer:
        assert self.case.conflict
        return self(self.case.conflict(self.scene))

    def with_body(self, body: Any, **more: Any) -> Answer:
        ask = self.case.well(self.scene)
        return self(Ask(ask.id, body, ask.headers), **more)

    def unconditional(self) -> Answer:
        ask = self.case.well(self.scene)
        return self(Ask(ask.id, ask.body))

    def nowhere(self) -> Answer:
        ask = self.case.well(self.scene)
        return self(Ask(uuid4(), ask.body, ask.headers))

    def unchanged(self) -> Answer:
        ask = self.case.well(self.scene)
        return self(ask, headers={"If-None-Match": self(ask).etag})


@contextmanager
def renamed(store: Store, old: str, new: str) -> Iterator[None]:
    """The column that says which revision the schema has, under another name."""
    run(store, f"ALTER TABLE {_versions(store)} RENAME COLUMN {old} TO {new}")
    yield
    run(store, f"ALTER TABLE {_versions(store)} RENAME COLUMN {new} TO {old}")


@contextmanager
def behind(store: Store) -> Iterator[None]:
    """A schema that waits for a migration."""
    run(store, f"UPDATE {_versions(store)} SET version_num = '0001'")
    yield
    run(store, f"UPDATE {_versions(store)} SET version_num = '{schema.REVISION}'")


def _versions(store: Store) -> str:
    return VERSIONS[store.database.engine.dialect.name]


def broken(send: Sender) -> Answer:
    with renamed(send.scene.store, "version_num", "gone"):
        return send.well()


def too_old(send: Sender) -> Answer:
    with behind(send.scene.store):
        return send.well()


# In this order: the first success in a container is the last time that it asks for the revision.
STATUSES: Mapping[int, Reach] = {
    500: broken,
    503: too_old,
    400: lambda send: send.well(query="nonsense=1"),
    401: lambda send: send.well(authorizer=NOBODY),
    403: lambda send: send.well(authorizer=token("alice", "other")),
    404: Sender.nowhere,
    409: Sender.conflicting,
    412: lambda send: send.well(headers={"If-Match": send.case.stale}),
    413: lambda send: send.with_body("x" * (LARGEST_BODY + 1)),
    415: lambda send: send.with_body("hello", headers=TEXT),
    422: lambda send: send.with_body({"nonsense": 1}),
    428: Sender.unconditional,
    304: Sender.unchanged,
    200: Sender.well,
    201: Sender.well,
    204: Sender.well,
}


@pytest.mark.parametrize("operation", operations(), ids=lambda operation: operation.id)
def test_an_operation_answers_with_every_status_that_is_documented(
    operation: Operation, api: Client, scene: Scene, database_url: str
) -> None:
    for status in sorted(operation.statuses, key=list(STATUSES).index):
        fresh = Scene(scene.store, scene.clock)
        reached = STATUSES[status](Sender(operation, api, _cleared(fresh)))
        assert (operation.id, status, reached.body) == (operation.id, reached.status, reached.body)


def _cleared(scene: Scene) -> Scene:
    """Nothing of the status before is in the way: names of tasks are free again."""
    run(scene.store, "UPDATE tasks SET name = id || name")
    return scene
