"""Retention deletes whole histories in bounded steps, keeps what lives, and says what went and what remains."""

from datetime import timedelta
from typing import Any

import pytest

from penstock.dal import executions, idempotency, schema
from penstock.dal.store import Store
from penstock.domain.errors import InvalidInput
from retention.app import DAYS, handler
from tests.acting import Clock, begin, create, job, rows
from tests.functions.conftest import LambdaContext
from tests.functions.payloads import event

DAY = timedelta(days=1)


@pytest.fixture
def environ(environ: dict[str, str]) -> dict[str, str]:
    return environ | {"RETENTION_DAYS": "90", "RETENTION_BATCH": "2"}


@pytest.fixture
def history(wired: Store, clock: Clock) -> Store:
    """Five jobs that ended a hundred days ago, three forty days ago, and one that still runs."""
    finish(wired, 5)
    begin(wired, *wired.alone(create, job(timeout_seconds=86_400)))
    clock.pass_(60 * DAY)
    finish(wired, 3)
    clock.pass_(40 * DAY)
    return wired


def finish(store: Store, number: int) -> None:
    for running in begin(store, *store.alone(create, *(job() for _ in range(number)))):
        store.alone(executions.complete, running)


def left(store: Store) -> int:
    return len(rows(store, schema.task_executions))


def retain(name: str, context: LambdaContext, **changes: Any) -> tuple[Any, Any]:
    answer = handler(event(name, **changes), context)
    return answer["deleted"], answer["remaining"]


def test_what_ended_long_enough_ago_goes_in_steps_of_their_own(history: Store, lambda_context: LambdaContext) -> None:
    deleted, remaining = retain("retention.scheduled", lambda_context)
    assert (5, 25, 3) == (deleted["task_executions"], deleted["events"], deleted["steps"])
    assert {"task_executions": 0, "pipeline_executions": 0, "events": 0} == remaining
    assert 4 == left(history)
    log = rows(history, schema.purge_log)
    assert ([2, 2, 1], {"retention"}) == ([step.task_executions for step in log], {step.actor for step in log})


def test_a_dry_run_counts_and_deletes_nothing(history: Store, lambda_context: LambdaContext) -> None:
    deleted, remaining = retain("retention.dry_run", lambda_context)
    assert (0, 0) == (deleted["task_executions"], deleted["steps"])
    assert {"task_executions": 5, "pipeline_executions": 0, "events": 25} == remaining
    assert (9, []) == (left(history), rows(history, schema.purge_log))


def test_a_run_may_be_asked_for_another_age(history: Store, lambda_context: LambdaContext) -> None:
    deleted, _ = retain("retention.older_than_days", lambda_context)
    assert 8 == deleted["task_executions"]
    assert ["running"] == [row.status for row in rows(history, schema.task_executions)]


def test_live_work_is_never_old_enough(history: Store, clock: Clock, lambda_context: LambdaContext) -> None:
    clock.pass_(4_000 * DAY)
    retain("retention.scheduled", lambda_context)
    assert ["running"] == [row.status for row in rows(history, schema.task_executions)]


def test_when_time_is_short_the_rest_remains_and_is_told(history: Store, lambda_context: LambdaContext) -> None:
    lambda_context.remaining_ms = 60_000
    deleted, remaining = retain("retention.scheduled", lambda_context)
    assert (0, 5) == (deleted["task_executions"], remaining["task_executions"])


def test_the_next_run_goes_on_where_the_time_ran_out(history: Store, lambda_context: LambdaContext) -> None:
    hurried = Hurried(steps=2)
    assert (4, 1) == tuple(part["task_executions"] for part in retain("retention.scheduled", hurried))
    assert (1, 0) == tuple(part["task_executions"] for part in retain("retention.scheduled", lambda_context))


class Hurried(LambdaContext):
    """Has time for so many steps."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.steps = steps

    def get_remaining_time_in_millis(self) -> int:
        self.steps -= 1
        return 900_000 if self.steps >= 0 else 0


def test_keys_of_requests_that_have_expired_go_too(wired: Store, clock: Clock, lambda_context: LambdaContext) -> None:
    for number in range(3):
        with wired.begin() as tx:
            idempotency.recall(tx, "ann", f"key-{number}", "print", clock.now + DAY * (1 + number))
            idempotency.keep(tx, "ann", f"key-{number}", {"status": 201})
    clock.pass_(2 * DAY)
    deleted, _ = retain("retention.scheduled", lambda_context)
    assert 2 == deleted["idempotency_keys"]
    assert ["key-2"] == [row.key for row in rows(wired, schema.idempotency_keys)]


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        ({"older_than_days": 0}, "older_than_days"),
        ({"older_than_days": -3}, "older_than_days"),
        ({"older_than_days": DAYS[1] + 1}, "older_than_days"),
        ({"older_than_days": "30"}, "older_than_days"),
        ({"older_than_days": 1.5}, "older_than_days"),
        ({"older_than_days": None}, "older_than_days"),
        ({"dry_run": "true"}, "dry_run"),
        ({"dry_run": 1}, "dry_run"),
    ],
)
def test_a_wish_that_cannot_be_meant_deletes_nothing(
    history: Store, lambda_context: LambdaContext, wish: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        handler(wish, lambda_context)
    assert (field, 9) == (refused.value.field, left(history))
