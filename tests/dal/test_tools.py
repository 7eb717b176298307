"""Tools on both engines: a use begins under a lease, ends once, and says how long it took."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from penstock.dal import executions, schema, tools
from penstock.dal.store import Store
from penstock.domain.errors import InvalidInput, LeaseLost, NotFound, NotMoved
from penstock.domain.executions import Job, Lease
from tests.acting import MINUTE, Clock, begin, job, only, row, rows
from tests.racing import overlapping


def running(store: Store) -> Job:
    return begin(store, only(store.alone(executions.create, job())))[0]


def used(store: Store, lease: Lease | Job, arguments: dict[str, Any] | None = None) -> UUID:
    return store.alone(tools.start, lease, "http", arguments or {})


def test_a_use_is_on_record_from_its_start(store: Store, clock: Clock) -> None:
    held = running(store)
    id = used(store, held, {"url": "https://example.com"})
    assert (id, held.id, "http", {"url": "https://example.com"}, None, "running", None, clock.now, None, None) == tuple(
        row(store, schema.tool_executions, id)
    )


@pytest.mark.parametrize(
    ("status", "output", "error"),
    [
        ("completed", {"status": 200}, None),
        ("completed", [1, "two", None], None),
        ("completed", "a text", None),
        ("completed", None, None),
        ("failed", None, "refused"),
        ("timeout", None, "no answer"),
    ],
)
def test_a_use_ends_as_it_ended(store: Store, clock: Clock, status: str, output: Any, error: str | None) -> None:
    id = used(store, running(store))
    clock.pass_(timedelta(milliseconds=1_234))
    store.alone(tools.finish, id, status, output=output, error=error)
    kept = row(store, schema.tool_executions, id)
    assert (status, output, error, clock.now, 1_234) == (
        kept.status, kept.output, kept.error, kept.completed_at, kept.duration_ms,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("time", "milliseconds"),
    [
        (timedelta(0), 0),
        (timedelta(microseconds=700), 1),
        (timedelta(days=1, milliseconds=1), 86_400_001),
        (timedelta(days=25), 2**31 - 1),
        (-MINUTE, 0),
    ],
)
def test_a_duration_is_whole_milliseconds_never_below_zero_and_fits(
    store: Store, clock: Clock, time: timedelta, milliseconds: int
) -> None:
    id = used(store, running(store))
    clock.pass_(time)
    store.alone(tools.finish, id, "completed")
    assert milliseconds == row(store, schema.tool_executions, id).duration_ms


def test_without_the_lease_no_tool_is_used(store: Store) -> None:
    held = running(store)
    with pytest.raises(LeaseLost, match=f"{held.id} no longer runs under this lease"):
        used(store, Lease(held.id, uuid4()))
    assert [] == rows(store, schema.tool_executions)


def test_what_has_only_been_claimed_does_not_use_tools(store: Store) -> None:
    id = only(store.alone(executions.create, job()))
    (held,) = store.alone(executions.claim_these, [id], worker="worker", hold_for=MINUTE)
    with pytest.raises(LeaseLost):
        used(store, held)


def test_a_tool_is_not_used_for_what_is_being_cancelled(postgres: Store) -> None:
    held = running(postgres)

    def use() -> bool:
        with pytest.raises(LeaseLost):
            used(postgres, held)
        return True

    cancelled, _ = overlapping(postgres, lambda tx: executions.cancel(tx, [held.id]), use)
    assert {held.id} == cancelled.ids
    assert [] == rows(postgres, schema.tool_executions)


def test_a_use_ends_once(store: Store) -> None:
    id = used(store, running(store))
    store.alone(tools.finish, id, "completed", output={"first": True})
    with pytest.raises(NotMoved) as refused:
        store.alone(tools.finish, id, "failed", error="second")
    assert (id, "fail", "completed", ()) == (
        refused.value.refusal.id, refused.value.refusal.verb, refused.value.refusal.state, refused.value.refusal.legal,
    )  # fmt: skip
    assert {"first": True} == row(store, schema.tool_executions, id).output


def test_the_answer_of_a_tool_is_kept_after_its_execution_was_cancelled(store: Store) -> None:
    held = running(store)
    id = used(store, held)
    store.alone(executions.cancel, [held.id])
    store.alone(tools.finish, id, "completed", output={"sent": True})
    assert {"sent": True} == row(store, schema.tool_executions, id).output


def test_a_use_that_never_began_is_not_found(store: Store) -> None:
    id = uuid4()
    with pytest.raises(NotFound, match=f"there is no tool execution {id}"):
        store.alone(tools.finish, id, "completed")


def test_what_is_said_of_a_use_is_checked(store: Store) -> None:
    held = running(store)
    id = used(store, held)
    with pytest.raises(InvalidInput, match=r"^status: is 'done'; it must be one of completed, failed, timeout$"):
        store.alone(tools.finish, id, "done")
    with pytest.raises(InvalidInput, match=r"^output: is not JSON"):
        store.alone(tools.finish, id, "completed", output={1, 2})
    with pytest.raises(InvalidInput, match=r"^error: is 10,001 characters long"):
        store.alone(tools.finish, id, "failed", error="e" * 10_001)
    with pytest.raises(InvalidInput, match=r"^tool_name: must be a text that is not blank"):
        store.alone(tools.start, held, " ", {})
