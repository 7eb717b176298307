"""A function that is killed in any gap between its commits and calls leaves nothing that ordinary operation cannot end.

Which gaps there are is found out by running it once. Then it is killed in each, and a normal shift of drain, worker and
sweep brings every job to its end: settled once, and rung for.
"""

import json
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from penstock import wiring
from penstock.dal import schema
from penstock.dal.store import Store
from penstock.domain.lifecycle import TASK
from penstock.work import registry
from tests import amazon as moto
from tests.acting import Clock, rows
from tests.amazon import Amazon
from tests.books import discrepancies
from tests.functions.conftest import LambdaContext
from tests.functions.crashing.scenes import KEPT_FOR_DAYS, SCENES, Death, Scene, deaths, work
from tests.functions.shifts import TASK_TYPE, until_all_have_ended
from tests.killer import Killer, running

GONE = "SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name = 'penstock:victim'"
ENDINGS = {move.events[-1] for move in TASK.moves if move.target in TASK.ends}


@pytest.fixture(params=["sqlite", "postgres"])
def engine_kind(request: pytest.FixtureRequest) -> str:
    """How the versions of PostgreSQL commit does not differ: one is enough."""
    kind: str = request.param
    return kind


@pytest.fixture
def environ(database_url: str, amazon: Amazon) -> dict[str, str]:
    """One queue is there; a scene may name others."""
    default = amazon.queue("default")
    batch = {"RETENTION_DAYS": str(KEPT_FOR_DAYS), "RETENTION_BATCH": "2"}
    return {"DATABASE_URL": database_url, "default": default, **batch}


@pytest.fixture(autouse=True)
def rehearsed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry._known, TASK_TYPE, work)  # noqa: SLF001 - for these tests only


@pytest.fixture(scope="module")
def killer() -> Iterator[Killer]:
    with running("tests.functions.crashing.victim", **Amazon(moto.start()).environ) as process:
        yield process


@dataclass(frozen=True)
class Stage:
    """A scene on a database of its own."""

    scene: Scene
    store: Store
    event: Any
    case: dict[str, Any]
    killer: Killer

    def record(self) -> list[str]:
        """Which points it comes by when it lives."""
        points: list[str] = self.killer.tell({**self.case, "last": None})
        return points

    def kill(self, death: Death) -> None:
        """It dies there."""
        assert signal.SIGKILL == self.killer.tell({**self.case, "last": death.place, "after": death.after})
        if self.store.database.commits_alone:
            with self.store.database.engine.connect() as observer:
                while not observer.exec_driver_sql(GONE).scalar_one():
                    pass


@contextmanager
def staged(name: str, environ: dict[str, str], clock: Clock, killer: Killer) -> Iterator[Stage]:
    scene = SCENES[name]
    queues = {queue: environ["default"].replace("default", queue) for queue in scene.queues}
    environ = environ | {"QUEUES": json.dumps(queues)}
    clock.govern(environ["DATABASE_URL"])
    wiring.compose(environ, clock)
    store = wiring.store("tester")
    event = scene.prepare(store, clock)
    case = {"scene": name, "event": event, "now": clock.now.isoformat(), "last": None, "after": False}
    case["environ"] = environ | {"AWS_LAMBDA_FUNCTION_NAME": "victim"}
    yield Stage(scene, store, event, case, killer)
    wiring.compose({})


@pytest.mark.parametrize("name", SCENES)
def test_the_gaps_of_a_function_are_those_that_are_tried(
    environ: dict[str, str], clock: Clock, killer: Killer, name: str
) -> None:
    with staged(name, environ, clock, killer) as stage:
        assert list(stage.scene.gaps) == stage.record()


@pytest.mark.parametrize("death", deaths(), ids=str)
def test_what_a_killed_function_leaves_is_ended_by_a_normal_shift(
    environ: dict[str, str], clock: Clock, amazon: Amazon, killer: Killer, death: Death
) -> None:
    with staged(death.scene, environ, clock, killer) as stage:
        stage.kill(death)
        assert [] == discrepancies(stage.store)
        if stage.scene.asked_again:
            answer = stage.scene.handler(stage.event, LambdaContext())
            assert answer.get("statusCode", 200) in {200, 201}, answer
        unfinished = {row.id for row in rows(stage.store, schema.task_executions) if row.status not in TASK.ends}
        for queue in stage.scene.queues:
            amazon.queue(queue)
        rung = until_all_have_ended(stage.store, clock, amazon)
        assert unfinished <= rung
        assert [] == discrepancies(stage.store)
        assert stage.scene.ends == Counter(row.status for row in rows(stage.store, schema.task_executions))
        assert [1] * sum(stage.scene.ends.values()) == endings(stage.store)
        assert stage.scene.purged == sum(step.task_executions for step in rows(stage.store, schema.purge_log))


def endings(store: Store) -> list[int]:
    """How often each execution has ended."""
    events = schema.execution_events
    ended = Counter(event.task_execution_id for event in rows(store, events, events.c.event_type.in_(ENDINGS)))
    return [ended[row.id] for row in rows(store, schema.task_executions)]
