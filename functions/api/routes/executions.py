"""Task executions: what is asked for, what became of it, and what people decide about it."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated
from uuid import UUID

from aws_lambda_powertools.event_handler.openapi.params import Body, Query

from api.results import made, must_exist, shown
from penstock.dal import tasks
from penstock.dal.executions import Effects
from penstock.dal.store import Tx
from penstock.dal.views import events as history
from penstock.dal.views import executions as view
from penstock.domain.errors import UnknownTasks
from penstock.domain.lifecycle import Status
from penstock.domain.tasks import Run
from penstock.http import answers, pages, problems
from penstock.http.answers import Reply
from penstock.http.exchange import Here
from penstock.http.operations import MADE, WITH_BODY, WITH_ID, answering, routes
from penstock.http.pages import Listing
from penstock.http.parameters import USUAL_LIMIT, Cursor, Id, IfNoneMatch, Limit
from penstock.http.replay import Done
from penstock.models import (
    ExecutionEvent,
    Moved,
    MovedExecutions,
    OneOrManyRuns,
    Parent,
    Parents,
    RunRequest,
    TaskExecution,
    TaskExecutionBrief,
)

router = routes()

# --- asked for ---------------------------------------------------------------------------------------------------


@router.post(
    "/v1/task-executions",
    tags=["task executions"],
    operation_id="run_tasks",
    **answering(
        "Runs one task of the catalogue, or many at once",
        TaskExecution | MovedExecutions,
        status=201,
        refuses=WITH_BODY,
        headers=MADE,
    ),
)
def run(exchange: Here, wanted: Annotated[OneOrManyRuns, Body()]) -> Reply:
    one = isinstance(wanted, RunRequest)
    runs = [wanted.wanted] if isinstance(wanted, RunRequest) else wanted.wanted

    def act(tx: Tx) -> Done:
        effects = entered(tx, [replace(each, traceparent=exchange.traceparent) for each in runs], one=one)
        return Done(made(exchange, tx, effects) if one else many(effects), effects)

    return exchange.act(act)


def entered(tx: Tx, runs: Sequence[Run], *, one: bool) -> Effects:
    """New executions; which of the runs it is that names no task is said as the document has it."""
    try:
        return tasks.run(tx, runs)
    except UnknownTasks as error:
        places = [place for place, run in enumerate(runs) if run.task in error.names]
        paths: list[Sequence[str | int]] = [["task"] if one else ["executions", place, "task"] for place in places]
        raise problems.unknown_tasks(paths) from None


def many(effects: Effects) -> Reply:
    """Those that have come to be, in the order in which they were asked for."""
    items = [Moved.model_validate(moved) for moved in effects.moved]
    return answers.said(MovedExecutions(items=items), status=201)


# --- shown -------------------------------------------------------------------------------------------------------


@router.get(
    "/v1/task-executions",
    tags=["task executions"],
    operation_id="list_task_executions",
    **answering("Lists task executions, newest first", Listing[TaskExecutionBrief], headers=("Link",)),
)
def page(
    exchange: Here,
    *,
    status: Annotated[list[Status] | None, Query(description="The states that are wanted.")] = None,
    queue: Annotated[str | None, Query(description="Where the work goes.")] = None,
    task_type: Annotated[str | None, Query(description="What kind of work it is.")] = None,
    name: Annotated[str | None, Query(description="The name of the execution.")] = None,
    task_id: Annotated[UUID | None, Query(description="The task of which these are runs.")] = None,
    pipeline_execution_id: Annotated[UUID | None, Query(description="The pipeline of which these are steps.")] = None,
    cursor: Cursor = None,
    limit: Limit = USUAL_LIMIT,
) -> Reply:
    asked = {"queue": queue, "task_type": task_type, "name": name, "task_id": task_id}
    return pages.answer(
        exchange,
        Listing[TaskExecutionBrief],
        view.page,
        status=status,
        pipeline_execution_id=pipeline_execution_id,
        cursor=cursor,
        limit=limit,
        **asked,
    )


@router.get(
    "/v1/task-executions/<id>",
    tags=["task executions"],
    operation_id="show_task_execution",
    **answering("Shows a task execution", TaskExecution, also=(304,), refuses=WITH_ID, headers=("ETag",)),
)
def show(exchange: Here, id: Id, if_none_match: IfNoneMatch = None) -> Reply:
    return exchange.read(shown, id, known=if_none_match)


@router.get(
    "/v1/task-executions/<id>/parents",
    tags=["task executions"],
    operation_id="show_parents",
    **answering("Shows what it waits for, or has waited for, with the outcomes", Parents, refuses=WITH_ID),
)
def parents(exchange: Here, id: Id) -> Reply:
    def ask(tx: Tx) -> Reply:
        must_exist(tx, id)
        return answers.said(Parents(items=[Parent.model_validate(parent) for parent in view.parents(tx, id)]))

    return exchange.read(ask)


@router.get(
    "/v1/task-executions/<id>/events",
    tags=["task executions"],
    operation_id="list_events_of_task_execution",
    **answering("Lists what happened to it, oldest first", Listing[ExecutionEvent], refuses=WITH_ID, headers=("Link",)),
)
def events(exchange: Here, id: Id, cursor: Cursor = None, limit: Limit = USUAL_LIMIT) -> Reply:
    exchange.read(must_exist, id)
    return pages.answer(exchange, Listing[ExecutionEvent], history.list_by_task, id=id, cursor=cursor, limit=limit)
