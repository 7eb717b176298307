"""What verbs and views ask of a crowded database, and how each is to be answered: by which index, from how many rows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from penstock.dal import executions, outbox, pipelines, retention
from penstock.dal.store import Tx
from penstock.dal.views import audit, events, tasks, tools
from penstock.dal.views import executions as of_executions
from penstock.dal.views import outbox as of_outbox
from penstock.dal.views import pipelines as of_pipelines
from penstock.domain.executions import Failure, Lease, Outcome
from penstock.domain.lifecycle import PIPELINE, TASK
from tests.acting import MINUTE, START
from tests.dal import backlog

# The most rows that a batch or a page of ten may read, with all that belongs to them.
TENS = 100
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@dataclass(frozen=True)
class Asked:
    """A question, the indexes that answer it, the most rows that it may read, and the tables that it may read whole."""

    question: Callable[[Tx], object]
    indexes: Sequence[str] = ()
    rows: int | None = TENS
    whole: Sequence[str] = ()
    only_on: str | None = None


def _claim(queue: str) -> Callable[[Tx], object]:
    return lambda tx: executions.claim(tx, queue=queue, limit=10, worker="worker", hold_for=MINUTE)


def _ring(queue: str) -> Callable[[Tx], object]:
    return lambda tx: outbox.ring(tx, queue=queue, limit=10)


def _page(**filters: Any) -> Callable[[Tx], object]:
    return lambda tx: of_executions.page(tx, limit=10, **filters)


def _pipelines(**filters: Any) -> Callable[[Tx], object]:
    return lambda tx: of_pipelines.page(tx, limit=10, **filters)


READY = [backlog.execution(number) for number in backlog.BUSY[:10]]
HELD = [Lease(backlog.execution(number), backlog.execution(number)) for number in backlog.RUNNING[:10]]
STEP, HOME, RUNNING_HOME = backlog.STEPS[7], backlog.ENDED_PIPELINES[1], backlog.RUNNING_PIPELINES[0]


def _settle(tx: Tx) -> None:
    """Some complete, some are tried again."""
    retries = [executions.Settlement.retry(lease, Failure("boom"), at=START + HOUR) for lease in HELD[:5]]
    executions.settle(tx, [*(executions.Settlement.complete(lease, Outcome()) for lease in HELD[5:]), *retries])


VERBS: dict[str, Asked] = {
    "claim": Asked(_claim("busy"), ["ix_task_outbox_claim"]),
    "claim behind 100,000 that are not due": Asked(_claim("future"), ["ix_task_outbox_claim"]),
    # Three rows for each doorbell that is ahead in the queue while its pipeline is paused.
    "claim behind 10,000 of paused pipelines": Asked(_claim("halted"), ["ix_task_outbox_claim"], 30_000 + TENS),
    "claim these": Asked(lambda tx: executions.claim_these(tx, READY, worker="worker", hold_for=MINUTE)),
    "begin": Asked(lambda tx: executions.begin(tx, READY, worker="worker")),
    "ring": Asked(_ring("busy"), ["ix_task_outbox_ring"]),
    "ring behind 100,000 that are not due": Asked(_ring("future"), ["ix_task_outbox_ring"]),
    "ring behind 10,000 of paused pipelines": Asked(_ring("halted"), ["ix_task_outbox_ring"], 30_000 + TENS),
    "heartbeat": Asked(lambda tx: executions.heartbeat(tx, HELD, hold_for=MINUTE)),
    "complete": Asked(
        lambda tx: executions.settle(tx, [executions.Settlement.complete(lease, Outcome()) for lease in HELD])
    ),
    "settle": Asked(_settle),
    "refusals": Asked(lambda tx: executions.refusals(tx, "start", READY)),
    "pause": Asked(lambda tx: executions.pause(tx, READY)),
    "recover": Asked(lambda tx: executions.recover(tx, limit=10), ["ix_task_executions_lease_expires_at"], 2 * TENS),
    "resume deferred": Asked(lambda tx: executions.resume_deferred(tx, limit=10), ["ix_task_executions_resume_at"]),
    # Past the 3,500 that somebody paused by hand.
    "resume paused": Asked(
        lambda tx: executions.resume_paused(tx, limit=10), ["ix_pause_queue_priority"], 3_500 + TENS
    ),
    "cancel a pipeline": Asked(
        lambda tx: pipelines.cancel(tx, [backlog.pipeline(RUNNING_HOME)]),
        ["ix_task_executions_pipeline_execution_id"],
        1_000,
    ),
    "delete old histories": Asked(
        lambda tx: retention.delete_older_than(tx, START - 300 * DAY, 10),
        [
            "ix_task_executions_completed_at",
            "ix_pipeline_executions_completed_at",
            "ix_holds_task_execution_id",
            "ix_holds_pipeline_execution_id",
            "ix_task_dependencies_child_id",
            "ix_tool_executions_task_execution_id",
        ],
        25_000,  # past 2,500 that are held, each looked up, and the small tables whole
    ),
    "count old histories": Asked(
        lambda tx: retention.count_older_than(tx, START - 300 * DAY),
        ["ix_pipeline_executions_completed_at", "ix_task_executions_pipeline_execution_id"],
        None,
        ["task_executions", "execution_events"],  # in a generic plan: a third of all time, for all that it knows
    ),
}

STATES = {
    **{f"executions: {status}": Asked(_page(status=status), ["ix_task_executions_status"]) for status in TASK.ends},
    **{
        f"executions: {status}": Asked(_page(status=status), ["ix_task_executions_lease_expires_at"], 3_000 + TENS)
        for status in TASK.held
    },
    **{
        f"executions: {status}": Asked(_page(status=status), ["ix_task_executions_waiting"])
        for status in ("pending", "approved", "paused")
    },
    # All of them, where they are few: the index of deferrals is the smaller one.
    "executions: deferred": Asked(_page(status="deferred"), [], 3_000 + TENS),
    "executions: ready": Asked(_page(status="ready")),
}
PIPELINE_STATES = {
    f"pipelines: {status}": Asked(_pipelines(status=status), ["ix_pipeline_executions_status"])
    for status in PIPELINE.states
    if status != "completed"
}

LISTS: dict[str, Asked] = {
    **STATES,
    "executions: all": Asked(_page()),
    "executions: every state": Asked(_page(status=TASK.states)),
    "executions: every end": Asked(_page(status=TASK.ends), ["ix_task_executions_status"]),
    "executions: ends of a type": Asked(
        _page(status=TASK.ends, task_type="type-7"), ["ix_task_executions_status"], 2_000
    ),
    "executions: of a type": Asked(_page(task_type="type-7"), [], 500),
    "executions: of a task": Asked(_page(task_id=backlog.task(3)), ["ix_task_executions_task_id"]),
    "executions: failed, of a task": Asked(
        _page(task_id=backlog.task(3), status="failed"), ["ix_task_executions_task_id"], 500
    ),
    "executions: of a pipeline": Asked(
        _page(pipeline_execution_id=backlog.pipeline(HOME)), ["ix_task_executions_pipeline_execution_id"]
    ),
    "executions: by id": Asked(lambda tx: of_executions.by_id(tx, READY[0])),
    "executions: parents": Asked(
        lambda tx: of_executions.parents(tx, backlog.execution(STEP)), ["ix_task_dependencies_child_id"]
    ),
    # Every live one is counted, and what has ended since.
    "executions: counts": Asked(
        lambda tx: of_executions.counts(tx, days=7),
        ["ix_task_executions_status", "ix_task_executions_waiting", "ix_task_executions_lease_expires_at"],
        150_000,
        ["task_outbox"],
    ),
    **PIPELINE_STATES,
    "pipelines: all": Asked(_pipelines()),
    # Most have completed: they are met at once on the way back through all.
    "pipelines: completed": Asked(_pipelines(status="completed"), [], 2 * TENS),
    "pipelines: every state": Asked(_pipelines(status=PIPELINE.states), ["ix_pipeline_executions_status"], 2 * TENS),
    "pipelines: of a name": Asked(_pipelines(name="pipeline-3"), ["ix_pipeline_executions_name"]),
    "pipelines: of a workflow": Asked(_pipelines(workflow_id=backlog.task(1)), ["ix_pipeline_executions_workflow_id"]),
    "pipelines: by id": Asked(lambda tx: of_pipelines.by_id(tx, backlog.pipeline(HOME))),
    "pipelines: tasks": Asked(
        lambda tx: of_pipelines.tasks(tx, backlog.pipeline(HOME)), ["ix_task_executions_pipeline_execution_id"]
    ),
    "tasks: all": Asked(lambda tx: tasks.page(tx, limit=10), ["ix_task_executions_task_id"]),
    "tasks: failed": Asked(lambda tx: tasks.page(tx, limit=10, status="failed"), ["ix_task_executions_task_id"], 1_000),
    "tasks: by id": Asked(
        lambda tx: tasks.by_id(tx, backlog.task(1)), ["ix_task_executions_task_id"], len(backlog.CATALOGUE) + TENS
    ),
    "tools: last completed": Asked(
        lambda tx: tools.last_completed(tx, backlog.execution(7), "tool-7"), ["ix_tool_executions_task_execution_id"]
    ),
    # Every doorbell is counted.
    "outbox: lag": Asked(
        of_outbox.lag,
        ["ix_pipeline_executions_status", "ix_task_executions_pipeline_execution_id"],
        155_000,
        ["task_outbox"],
    ),
}

KUMA = ["ix_task_executions_services_touched"]

AUDIT: dict[str, Asked] = {
    "audit: failures": Asked(lambda tx: audit.failures(tx, limit=10), ["ix_task_executions_status"]),
    "audit: every end of a month": Asked(lambda tx: audit.query(tx, days=30, limit=10), ["ix_task_executions_status"]),
    "audit: an intent, in a month": Asked(
        lambda tx: audit.query(tx, intent="rotate", days=30, limit=10), ["ix_task_executions_status"], 15_000
    ),
    "audit: a service": Asked(lambda tx: audit.by_service(tx, "kuma", limit=10), KUMA, 500, only_on="postgresql"),
    "audit: failures in a service": Asked(
        lambda tx: audit.failures(tx, service="kuma", days=30, limit=10), KUMA, 500, only_on="postgresql"
    ),
    "audit: count of a service": Asked(lambda tx: audit.count(tx, service="kuma"), KUMA, 500, only_on="postgresql"),
    "audit: count of a month": Asked(lambda tx: audit.count(tx, days=30), ["ix_task_executions_status"], 15_000),
}

# On SQLite the order of all events is the order of the table itself.
IN_ORDER = ["execution_events"]

EVENTS: dict[str, Asked] = {
    "events: of a pipeline": Asked(
        lambda tx: events.list_by_pipeline(tx, backlog.pipeline(HOME), limit=10), ["ix_execution_events_pipeline"]
    ),
    "events: count of a pipeline": Asked(
        lambda tx: events.count_by_pipeline(tx, backlog.pipeline(HOME)), ["ix_execution_events_pipeline"]
    ),
    "events: of a task": Asked(
        lambda tx: events.list_by_task(tx, backlog.execution(STEP), limit=10), ["ux_execution_events_task"]
    ),
    "events: count of a task": Asked(
        lambda tx: events.count_by_task(tx, backlog.execution(STEP)), ["ux_execution_events_task"]
    ),
    "events: of a rare type": Asked(
        lambda tx: events.list_by_type(tx, "TaskRejected", limit=10), ["ix_execution_events_rare"]
    ),
    "events: of a usual type": Asked(
        lambda tx: events.list_by_type(tx, "TaskCreated", limit=10), [], 2 * TENS, IN_ORDER
    ),
    "events: latest": Asked(lambda tx: events.recent(tx, limit=10), [], TENS, IN_ORDER),
    "events: since an hour": Asked(
        lambda tx: events.recent(tx, since=START - HOUR, limit=10), ["ix_execution_events_created_at"], 10_000
    ),
    "events: types in an hour": Asked(
        lambda tx: events.count_by_type(tx, since=START - HOUR), ["ix_execution_events_created_at"], 10_000
    ),
}

QUESTIONS = {**VERBS, **LISTS, **AUDIT, **EVENTS}
