"""Whether something is still what somebody read, and why a pipeline did not move."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import ModuleType
from typing import Any
from uuid import UUID, uuid4

import pytest

from penstock.dal import executions, pipelines, schema
from penstock.dal.executions import Effects
from penstock.dal.store import NeedsTransaction, Store
from penstock.domain.errors import NotFound, NotMoved, VersionChanged
from penstock.domain.executions import Outcome
from penstock.domain.lifecycle import PIPELINE, PipelineStatus
from tests.acting import begin, job, only, row, step
from tests.racing import PATIENCE_SECONDS, overlapping, until_waiting
from tests.reaching import BOOM


def started(store: Store) -> Effects:
    return store.alone(pipelines.start, pipelines.NewPipeline("p", [step("a")]))


def an_execution(store: Store) -> UUID:
    return only(store.alone(executions.create, job()))


def a_step(store: Store) -> UUID:
    return only(started(store))


def a_pipeline(store: Store) -> UUID:
    return started(store).pipelines[0].id


# --- still what it was -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Kind:
    """Something with a version, and the verbs that know it."""

    name: str
    verbs: ModuleType
    table: Any
    make: Callable[[Store], UUID]

    def version(self, store: Store, id: UUID) -> int:
        return int(row(store, self.table, id).version)


KINDS = [
    Kind("task execution", executions, schema.task_executions, an_execution),
    Kind("task execution", executions, schema.task_executions, a_step),
    Kind("pipeline execution", pipelines, schema.pipeline_executions, a_pipeline),
]
every_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.make.__name__)


@every_kind
def test_what_is_as_it_was_read_may_be_moved(store: Store, kind: Kind) -> None:
    id = kind.make(store)
    version = kind.version(store, id)
    with store.begin() as tx:
        kind.verbs.expect(tx, id, version)
        kind.verbs.pause(tx, [id])
    assert version + 1 == kind.version(store, id)


@every_kind
def test_what_has_changed_since_says_so(store: Store, kind: Kind) -> None:
    id = kind.make(store)
    version = kind.version(store, id)
    store.alone(kind.verbs.pause, [id])
    message = f"{id} is at version {version + 1} by now, not at {version}; read it again and decide anew"
    with pytest.raises(VersionChanged, match=message):
        store.alone(kind.verbs.expect, id, version)


@every_kind
def test_what_is_not_there_is_not_found(store: Store, kind: Kind) -> None:
    id = uuid4()
    with pytest.raises(NotFound, match=f"there is no {kind.name} {id}"):
        store.alone(kind.verbs.expect, id, 1)


@every_kind
def test_it_stays_as_expected_until_the_transaction_ends(postgres: Store, kind: Kind) -> None:
    id = kind.make(postgres)
    version = kind.version(postgres, id)
    _, rival = overlapping(
        postgres,
        lambda tx: kind.verbs.expect(tx, id, version),
        lambda: postgres.alone(kind.verbs.cancel, [id]),
    )
    assert rival.moved
    assert version + 1 == kind.version(postgres, id)


@every_kind
def test_who_expects_what_is_just_changing_waits_and_is_told(postgres: Store, kind: Kind) -> None:
    id = kind.make(postgres)
    version = kind.version(postgres, id)

    def second() -> Any:
        with pytest.raises(VersionChanged) as refused:
            postgres.alone(kind.verbs.expect, id, version)
        return refused.value.actual

    _, actual = overlapping(postgres, lambda tx: kind.verbs.pause(tx, [id]), second)
    assert version + 1 == actual


def test_an_expected_step_holds_its_pipeline_first(postgres: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the order of every verb's locks: a rival who begins with the pipeline waits there, and holds nothing yet."""
    monkeypatch.setattr("penstock.dal.store.TRIES", 1)
    effects = started(postgres)
    id, owner = only(effects), effects.pipelines[0].id
    with ThreadPoolExecutor(1) as threads:
        with postgres.begin() as tx:
            executions.expect(tx, id, 2)
            rival = threads.submit(postgres.alone, pipelines.cancel, [owner])
            until_waiting(postgres, 1, rival)
            assert {id} == executions.cancel(tx, [id]).ids
        assert [] == rival.result(PATIENCE_SECONDS).moved


@every_kind
def test_an_expectation_outside_a_transaction_would_hold_nothing(postgres: Store, kind: Kind) -> None:
    with postgres.read() as tx, pytest.raises(NeedsTransaction):
        kind.verbs.expect(tx, uuid4(), 1)


# --- why a pipeline did not move ---------------------------------------------------------------------------------


def paused(store: Store) -> UUID:
    id = a_pipeline(store)
    store.alone(pipelines.pause, [id])
    return id


def cancelled(store: Store) -> UUID:
    id = a_pipeline(store)
    store.alone(pipelines.cancel, [id])
    return id


def settled(store: Store, settle: Callable[[Any], Any]) -> UUID:
    effects = started(store)
    store.alone(executions.settle, [settle(begin(store, only(effects))[0])])
    return effects.pipelines[0].id


def completed(store: Store) -> UUID:
    return settled(store, lambda held: executions.Settlement.complete(held, Outcome()))


def failed(store: Store) -> UUID:
    return settled(store, lambda held: executions.Settlement.fail(held, BOOM))


REACH: dict[PipelineStatus, Callable[[Store], UUID]] = {
    PipelineStatus.RUNNING: a_pipeline,
    PipelineStatus.PAUSED: paused,
    PipelineStatus.COMPLETED: completed,
    PipelineStatus.FAILED: failed,
    PipelineStatus.CANCELLED: cancelled,
}


@pytest.mark.parametrize("verb", ["pause", "resume", "cancel"])
@pytest.mark.parametrize("status", REACH)
def test_a_pipeline_moves_or_says_why_not(store: Store, status: PipelineStatus, verb: str) -> None:
    id = REACH[status](store)
    refused = store.alone(pipelines.refusals, verb, [id])
    effects = getattr(pipelines, verb)
    if any(status in move.sources for move in PIPELINE.of(verb)):
        assert [] == refused
        assert id == store.alone(pipelines.must_move, verb, id, store.alone(effects, [id])).id
        return
    with pytest.raises(NotMoved, match=f"{id}: cannot {verb}: it is {status}; from {status} ") as why:
        store.alone(pipelines.must_move, verb, id, store.alone(effects, [id]))
    assert [why.value.refusal] == refused
    assert (status, PIPELINE.legal_from(status)) == (refused[0].state, refused[0].legal)


def test_a_pipeline_that_is_not_there_says_so(store: Store) -> None:
    id = uuid4()
    with pytest.raises(NotMoved, match=f"{id}: cannot pause: there is no such pipeline"):
        store.alone(pipelines.must_move, "pause", id, store.alone(pipelines.pause, [id]))


def test_each_of_several_pipelines_says_why_for_itself(store: Store) -> None:
    running, ended, missing = a_pipeline(store), cancelled(store), uuid4()
    refused = store.alone(pipelines.refusals, "pause", [missing, running, ended, ended])
    assert [(missing, None), (ended, PipelineStatus.CANCELLED)] == [(refusal.id, refusal.state) for refusal in refused]
