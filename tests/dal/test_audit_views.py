"""The audit: what has ended, by state, time, service and intent; a service is matched by its whole name, and a total is true."""

from collections.abc import Iterable
from datetime import timedelta
from itertools import product
from typing import Any
from uuid import UUID

import pytest

from penstock.dal import executions, schema
from penstock.dal.store import Store
from penstock.dal.views import audit
from penstock.domain.errors import InvalidInput
from penstock.domain.executions import Failure, Outcome
from penstock.domain.lifecycle import TASK
from tests.acting import Clock, begin, job, only, rows
from tests.dal.asking import ask, every_row, ids
from tests.reaching import REACH

DAY = timedelta(days=1)
SERVICES = (
    "kuma", "kuma2", "KUMA", "kum", "k%", "k_ma", "%", "_", "o'brien", '"quoted"', "back\\slash", "two words", "ünïcode", "水道",
    '["kuma"]', "kuma,kuma2", "{kuma}", "null", "👩‍🚒", " kuma",
)  # fmt: skip


def completed(store: Store, *services: str, **output: Any) -> UUID:
    (held,) = begin(store, only(store.alone(executions.create, job())))
    store.alone(executions.complete, held, Outcome(output, services))
    return held.id


def failed(store: Store, *services: str) -> UUID:
    (held,) = begin(store, only(store.alone(executions.create, job())))
    store.alone(executions.fail, held, Failure("boom", "Boom", services))
    return held.id


def newest(found: Iterable[UUID]) -> list[UUID]:
    return sorted(found, reverse=True)


def test_a_service_is_matched_by_its_whole_name(store: Store) -> None:
    touched = {service: completed(store, service) for service in SERVICES}
    everything = completed(store, *SERVICES)
    completed(store)
    for service, id in touched.items():
        assert (service, [everything, id]) == (service, ids(ask(store, audit.by_service, service).rows))
        assert (service, 2) == (service, ask(store, audit.count, service=service))
    assert [] == ask(store, audit.by_service, "kuma3").rows


def test_what_touched_a_service_is_listed_by_state_and_time(store: Store, clock: Clock) -> None:
    old = completed(store, "s3")
    clock.pass_(10 * DAY)
    done, broken = completed(store, "s3", "ses"), failed(store, "s3")
    failed(store, "ses")
    assert newest([old, done, broken]) == ids(every_row(store, audit.by_service, "s3", limit=1))
    assert newest([done, broken]) == ids(every_row(store, audit.by_service, "s3", days=9))
    assert newest([old, done]) == ids(every_row(store, audit.by_service, "s3", status="completed"))
    assert [done] == ids(every_row(store, audit.by_service, "s3", status=["completed", "skipped"], days=9))


def test_failures_are_those_of_the_last_days(store: Store, clock: Clock) -> None:
    old = failed(store, "s3")
    clock.pass_(7 * DAY)
    at_the_edge = failed(store, "s3")
    clock.pass_(7 * DAY)
    recent = failed(store)
    completed(store)
    assert newest([at_the_edge, recent]) == ids(every_row(store, audit.failures))
    assert [recent] == ids(every_row(store, audit.failures, days=6))
    assert [at_the_edge] == ids(every_row(store, audit.failures, service="s3"))
    assert newest([old, at_the_edge]) == ids(every_row(store, audit.failures, service="s3", days=365))


def test_an_intent_is_what_the_outcome_says(store: Store) -> None:
    rotated = completed(store, action_type="rotate")
    completed(store, action_type="rotate2")
    completed(store, note="rotate")
    completed(store, action_type={"name": "rotate"})
    completed(store, action_type=["rotate"])
    assert [rotated] == ids(every_row(store, audit.query, intent="rotate"))
    assert 1 == ask(store, audit.count, intent="rotate")


def test_intents_may_have_any_characters(store: Store) -> None:
    for intent in ("o'brien", '"quoted"', "100%", "a_b", "ünïcode 水", "back\\slash", "true", "5"):
        id = completed(store, action_type=intent)
        assert (intent, [id]) == (intent, ids(ask(store, audit.query, intent=intent).rows))


def test_what_still_lives_is_no_part_of_the_audit(store: Store, clock: Clock) -> None:
    reached = {state: reach(store, clock).id for state, reach in REACH.items()}
    ended = [id for state, id in reached.items() if state in TASK.ends]
    found = every_row(store, audit.query)
    assert set(ended) == set(ids(found)) - {row.id for row in found if row.name == "parent"}
    assert set(TASK.ends) == {row.status for row in found}


def test_every_total_counts_the_rows_of_all_pages(store: Store, clock: Clock) -> None:
    for _ in range(2):
        for services, intent in product(((), ("s3",), ("s3", "ses")), ("rotate", "report")):
            completed(store, *services, action_type=intent)
            failed(store, *services)
        store.alone(executions.cancel, [only(store.alone(executions.create, job()))])
        clock.pass_(10 * DAY)
    wanted: dict[str, tuple[Any, ...]] = {
        "status": (None, "failed", ["completed", "cancelled"]),
        "service": (None, "s3", "lambda"),
        "intent": (None, "rotate"),
        "days": (None, 15, 5),
    }
    totals = []
    for values in product(*wanted.values()):
        filters = dict(zip(wanted, values, strict=True))
        listed = every_row(store, audit.query, limit=7, **filters)
        assert (filters, len(listed)) == (filters, ask(store, audit.count, **filters))
        assert len(set(ids(listed))) == len(listed)
        totals.append(len(listed))
    assert (26, 26, 13, 0) == (len(rows(store, schema.task_executions)), *totals[:3])


def test_the_audit_shows_what_was_touched_and_what_came_of_it(store: Store) -> None:
    (held,) = begin(store, only(store.alone(executions.create, job())))
    store.alone(executions.complete, held, Outcome({"rows": 7}, ("s3",), ({"title": "Smaller batches"},)))
    (row,) = ask(store, audit.query).rows
    assert (["s3"], {"success": True, "rows": 7}, [{"title": "Smaller batches"}]) == (
        row.services_touched, row.outcome, row.suggestions,
    )  # fmt: skip
    assert "lease" not in row._fields


def test_a_service_without_a_name_is_refused(store: Store) -> None:
    for service in ("", " ", "s" * 201, "a\x00"):
        with pytest.raises(InvalidInput, match="service: "):
            ask(store, audit.by_service, service)
