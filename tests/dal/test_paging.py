"""Lists in pages: every row once, whatever happens in between, and no cursor but one's own."""

import base64
import json
from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.dal import events, executions, pipelines
from penstock.dal.store import Store
from penstock.dal.views import audit, tasks
from penstock.dal.views import events as of_events
from penstock.dal.views import executions as of_executions
from penstock.dal.views import pipelines as of_pipelines
from penstock.domain.errors import InvalidInput
from tests.acting import MINUTE, START, Clock, job, only, step
from tests.dal.asking import ask, every_row, ids

View = Callable[..., Any]


def spelled(value: Any) -> str:
    """A cursor as a list would spell it."""
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def one_more(store: Store) -> None:
    """One more row for every list: an execution that has ended, a pipeline of one task, their events."""
    store.alone(executions.cancel, [only(store.alone(executions.create, job()))])
    store.alone(pipelines.start, pipelines.NewPipeline("p", [step("a")]))


NEWEST_FIRST: dict[str, View] = {
    "executions": of_executions.page,
    "cancelled executions": partial(of_executions.page, status="cancelled"),
    "ready executions": partial(of_executions.page, status=["ready", "running"]),
    "pipelines": of_pipelines.page,
    "events": of_events.recent,
    "events since": partial(of_events.recent, since=START),
    "events of a type": partial(of_events.list_by_type, event_type="TaskCreated"),
    "audit": audit.query,
}


@pytest.mark.parametrize("name", NEWEST_FIRST)
def test_every_row_comes_once_while_others_are_written_between_the_pages(store: Store, clock: Clock, name: str) -> None:
    view = NEWEST_FIRST[name]
    for _ in range(5):
        one_more(store)
        clock.pass_(MINUTE)
    before = ids(ask(store, view, limit=1_000).rows)
    seen: list[Any] = []
    cursor: str | None = None
    while cursor is not None or not seen:
        page = ask(store, view, cursor=cursor, limit=2)
        seen += ids(page.rows)
        cursor = page.cursor
        one_more(store)
    assert len(before) >= 5
    assert before == seen


def test_a_history_is_read_to_its_end_while_it_grows(store: Store) -> None:
    id = only(store.alone(executions.create, job()))
    seen: list[int] = []
    cursor: str | None = None
    for _ in range(4):
        page = ask(store, of_events.list_by_task, id, cursor=cursor, limit=1)
        seen += [event.sequence_num for event in page.rows]
        store.alone(events.create, "TaskNoted", task_execution_id=id)
        cursor = page.cursor
    whole = [event.sequence_num for event in every_row(store, of_events.list_by_task, id)]
    assert 6 == len(whole)
    assert whole[:4] == seen


def test_the_last_page_has_no_cursor_even_if_it_is_full(store: Store) -> None:
    store.alone(executions.create, *[job()] * 4)
    first = ask(store, of_executions.page, limit=2)
    second = ask(store, of_executions.page, limit=2, cursor=first.cursor)
    assert ([2, 2], None) == ([len(first.rows), len(second.rows)], second.cursor)
    assert first.cursor is not None


LISTS: dict[str, View] = {
    **NEWEST_FIRST,
    "tasks": tasks.page,
    "history": partial(of_events.list_by_task, id=UUID(int=7)),
}


@pytest.mark.parametrize("name", LISTS)
def test_a_page_has_from_one_to_a_thousand_rows(store: Store, name: str) -> None:
    for limit in (0, -1, 1_001, True, "5", 2.5, None):
        with pytest.raises(InvalidInput, match=r"limit: .* from 1 to 1,000"):
            ask(store, LISTS[name], limit=limit)


def test_one_row_and_a_thousand_are_pages(store: Store) -> None:
    store.alone(executions.create_many, [job()] * 1_001)
    for limit in (1, 1_000):
        page = ask(store, of_executions.page, limit=limit)
        assert (limit, False) == (len(page.rows), page.cursor is None)


def test_a_cursor_leads_on_in_its_own_list_alone(store: Store) -> None:
    for _ in range(2):
        one_more(store)
    cursors = {name: ask(store, LISTS[name], limit=1).cursor for name in ("executions", "pipelines", "events", "audit")}
    assert None not in cursors.values()
    for mine in cursors:
        for other in cursors.keys() - {mine}:
            with pytest.raises(InvalidInput, match="cursor: belongs to another list"):
                ask(store, LISTS[mine], cursor=cursors[other])


NOT_A_CURSOR: list[Any] = [
    "", "x", "é", "====", "a b", 5, b"bytes", "A" * 100_000,
    spelled(None), spelled([]), spelled({}), spelled("executions"), spelled(["executions", "x"]), spelled(["executions", 5]),
    spelled(["executions", None]), spelled(["executions", ["x"]]), spelled(["executions", {"x": 1}]), spelled(["executions"]),
    spelled(["executions", "01900000-0000-7000-8000-000000000001", 1]), spelled(["executions", "\x00"]),
    base64.urlsafe_b64encode(b"[" * 100_000).decode(), base64.urlsafe_b64encode(b"\xff\xfe").decode(),
]  # fmt: skip


def test_what_no_list_has_answered_is_no_cursor(store: Store) -> None:
    for cursor in NOT_A_CURSOR:
        with pytest.raises(InvalidInput, match="cursor: "):
            ask(store, of_executions.page, cursor=cursor)


ID = "01900000-0000-7000-8000-000000000001"
NOT_A_PLACE: dict[str, tuple[View, list[Any]]] = {
    "a moment that is none": (audit.query, ["ended executions", "yesterday", ID]),
    "a moment without a time zone": (audit.query, ["ended executions", "2100-01-01T00:00:00", ID]),
    "a moment before all calendars": (audit.query, ["ended executions", "0001-01-01T00:00:00+14:00", ID]),
    "a number as a moment": (audit.query, ["ended executions", 5, ID]),
    "a negative number": (of_events.recent, ["events", -1]),
    "a number that no database holds": (of_events.recent, ["events", 2**63]),
    "a number with a fraction": (of_events.recent, ["events", 1.5]),
    "a truth as a number": (of_events.recent, ["events", True]),
    "a number as text": (of_events.recent, ["events", "5"]),
    "no number": (of_events.recent, ["events", float("nan")]),
    "a blank name": (tasks.page, ["tasks", " "]),
    "a name that no database holds": (tasks.page, ["tasks", "a\x00b"]),
    "half a character": (tasks.page, ["tasks", "\ud800"]),
    "a list as a name": (tasks.page, ["tasks", ["a"]]),
}


def test_a_cursor_to_no_place_is_refused(store: Store) -> None:
    for view, place in NOT_A_PLACE.values():
        with pytest.raises(InvalidInput, match="cursor: "):
            ask(store, view, cursor=spelled(place))


@given(st.text() | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(spelled))
def test_no_text_breaks_the_reading_of_cursors(cursor: str) -> None:
    with pytest.raises(InvalidInput, match="cursor: "):
        of_executions.BY_CREATION.place(cursor)


UNKNOWN_STATES: dict[str, tuple[View, str, str]] = {
    "executions": (of_executions.page, "done", "pending, ready, approved"),
    "pipelines": (of_pipelines.page, "pending", "running, completed, failed, paused, cancelled"),
    "tasks": (tasks.page, "done", "pending, ready, approved"),
    "audit": (audit.query, "running", "rejected, completed, failed, skipped, cancelled"),
    "audit of a service": (partial(audit.by_service, service="s3"), "running", "rejected, completed"),
    "audit count": (audit.count, "running", "rejected, completed"),
}


@pytest.mark.parametrize("name", UNKNOWN_STATES)
def test_an_unknown_state_is_refused_and_the_known_ones_are_named(store: Store, name: str) -> None:
    view, unknown, known = UNKNOWN_STATES[name]
    for wanted in (unknown, [unknown, "failed"]):
        with pytest.raises(InvalidInput, match=f"status: is {unknown}; it must be one of {known}"):
            ask(store, view, status=wanted)


@pytest.mark.parametrize("name", UNKNOWN_STATES)
def test_no_state_at_all_is_refused(store: Store, name: str) -> None:
    with pytest.raises(InvalidInput, match="status: is empty"):
        ask(store, UNKNOWN_STATES[name][0], status=[])


def test_a_filter_that_nothing_can_match_is_refused(store: Store) -> None:
    impossible: list[dict[str, Any]] = [
        {"queue": ""}, {"name": " "}, {"task_type": "a\x00"}, {"queue": 5}, {"name": "n" * 201},
    ]  # fmt: skip
    for filters in impossible:
        with pytest.raises(InvalidInput, match=f"{next(iter(filters))}: "):
            ask(store, of_executions.page, **filters)


def test_an_id_is_no_text(store: Store) -> None:
    for field in ("task_id", "pipeline_execution_id"):
        wrong: Any = {field: ID}
        with pytest.raises(InvalidInput, match=f"{field}: .* must be a UUID"):
            ask(store, of_executions.page, **wrong)


@pytest.mark.parametrize("view", [of_events.recent, of_events.count_by_type])
def test_a_moment_needs_its_time_zone(store: Store, view: View) -> None:
    with pytest.raises(InvalidInput, match=r"since: .* time zone"):
        ask(store, view, since=START.replace(tzinfo=None))


@pytest.mark.parametrize("view", [audit.failures, audit.query, audit.count, of_executions.counts])
def test_history_is_asked_for_by_days_of_a_year(store: Store, view: View) -> None:
    for days in (0, 366, True, "7"):
        with pytest.raises(InvalidInput, match=r"days: .* from 1 to 365"):
            ask(store, view, days=days)
