"""`penstock events` and `status`: what happened, and how things stand."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from threading import Event
from typing import Any
from uuid import UUID

from penstock.cli.session import Session, Unusable
from penstock.cli.words import Commands, command
from penstock.dal import schema
from penstock.dal.store import Tx
from penstock.dal.views import events as history
from penstock.dal.views import executions, health, outbox
from penstock.dal.views.pages import Page
from penstock.domain import limits
from penstock.local.client import Client
from penstock.models import ExecutionEvent, QueueLag

LOOK_SECONDS = 0.5
DAYS = 30

Shown = Mapping[str, Any]
Ask = Callable[[int], Sequence[Shown]]


def add(commands: Commands) -> None:
    """The commands."""
    made = command(commands, "events", show_events, "Shows what happened, oldest first.", remote=True)
    of = made.add_mutually_exclusive_group()
    of.add_argument("--pipeline", type=UUID, metavar="ID", help="to this pipeline and its tasks")
    of.add_argument("--execution", type=UUID, metavar="ID", help="to this task execution")
    of.add_argument("--type", metavar="TYPE", help="of this type, such as TaskFailed")
    made.add_argument("--limit", type=int, default=50, metavar="N", help="how many of the latest, where no ID is given")
    made.add_argument("--follow", action="store_true", help="go on with what happens, until Ctrl-C")
    command(
        commands,
        "status",
        show_status,
        "Shows the schema, counts by state, and how far ringing is behind.",
        remote=True,
    )


# --- events ------------------------------------------------------------------------------------------------------


def show_events(session: Session) -> None:
    """Once, or for as long as somebody looks."""
    args = session.args
    ask = _there(session, session.service) if session.service else _here(session)
    looked = ask(args.limit)
    seen: set[str] = set()
    _show_new(session, looked, seen)
    # What was not asked for at first is not news later; what comes to light late is, its transaction having been open.
    first = looked[0]["sequence_num"] if looked else 0
    while args.follow:
        Event().wait(LOOK_SECONDS)
        _show_new(session, [event for event in ask(limits.PAGE) if event["sequence_num"] >= first], seen)


def _show_new(session: Session, events: Sequence[Shown], seen: set[str]) -> None:
    for event in events:
        if event["id"] not in seen:
            seen.add(event["id"])
            session.show(event, [_line(event)])


def _line(event: Shown) -> str:
    subject = event["task_execution_id"] or event["pipeline_execution_id"]
    by = event["worker_id"] or event["actor"]
    return f"{event['created_at']}  {subject}  {event['event_type']:<18}  {by}"


def _there(session: Session, service: Client) -> Ask:
    args = session.args
    if args.pipeline:
        return lambda _: list(service.items(f"/v1/pipelines/{args.pipeline}/events"))
    if args.execution:
        return lambda _: list(service.items(f"/v1/task-executions/{args.execution}/events"))
    raise Unusable("the service shows events of a --pipeline or an --execution; ask a --database for the others")


def _here(session: Session) -> Ask:
    store, args = session.store(), session.args

    def ask(limit: int) -> list[Shown]:
        with store.read() as tx:
            return [_shown(row) for row in _asked(tx, args.pipeline, args.execution, args.type, limit)]

    return ask


def _asked(tx: Tx, pipeline: UUID | None, execution: UUID | None, kind: str | None, limit: int) -> Iterator[Any]:
    if pipeline:
        return _pages(lambda cursor: history.list_by_pipeline(tx, pipeline, cursor=cursor))
    if execution:
        return _pages(lambda cursor: history.list_by_task(tx, execution, cursor=cursor))
    limits.within("--limit", limit, (1, limits.PAGE))
    page = history.list_by_type(tx, kind, limit=limit) if kind else history.recent(tx, limit=limit)
    return iter(page.rows[::-1])


def _pages(turn: Callable[[str | None], Page]) -> Iterator[Any]:
    page = turn(None)
    yield from page.rows
    while page.cursor:
        page = turn(page.cursor)
        yield from page.rows


def _shown(row: Any) -> Shown:
    return ExecutionEvent.model_validate(row).model_dump(mode="json")


# --- status ------------------------------------------------------------------------------------------------------


def show_status(session: Session) -> None:
    """How things stand."""
    found = session.service.get("/v1/health") if session.service else _standing(session)
    session.show(found, _lines(found))


def _standing(session: Session) -> Shown:
    store = session.any_store()
    with store.read() as tx:
        revision = health.schema_revision(tx)
        if revision is None:
            raise Unusable("the database has never been migrated: penstock migrate up")
        return {
            "schema_revision": revision,
            "schema_needed": schema.REVISION,
            "history_protected": health.history_protected(tx),
            "task_executions": executions.counts(tx, days=DAYS),
            "queues": [QueueLag.model_validate(lag).model_dump(mode="json") for lag in outbox.lag(tx)],
        }


def _lines(found: Shown) -> Iterator[str]:
    needed, revision = found["schema_needed"], found["schema_revision"]
    yield f"schema     {revision}{'' if revision == needed else f', and this code needs {needed}'}"
    yield f"history    {'protected' if found['history_protected'] else 'not protected from this login'}"
    if "task_executions" in found:
        counts = (f"{number} {status}" for status, number in found["task_executions"].items() if number)
        yield f"executions {', '.join(counts) or 'none'} (ended ones of the last {DAYS} days)"
    for lag in found["queues"]:
        since = f", the oldest since {lag['oldest']}" if lag["oldest"] else ""
        yield f"queue      {lag['queue']}: {lag['due']} due{since}, {lag['delayed']} delayed, {lag['halted']} halted"
    if not found["queues"]:
        yield "queue      nothing waits"
