"""Pipelines: a graph of runs, submitted whole, shown with its tasks, and decided about as one."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any
from uuid import UUID

from aws_lambda_powertools.event_handler.openapi.params import Body, Query

from penstock.dal import pipelines, tasks
from penstock.dal.executions import Effects
from penstock.dal.store import Tx
from penstock.dal.views import events as history
from penstock.dal.views import pipelines as view
from penstock.domain.errors import NotFound, UnknownTasks
from penstock.domain.lifecycle import PipelineStatus
from penstock.http import answers, conditions, pages, problems
from penstock.http.answers import Reply
from penstock.http.exchange import Exchange, Here
from penstock.http.operations import MADE, REPLAYABLE, TAGGED, WITH_BODY, WITH_ID, answering, routes
from penstock.http.pages import Listing
from penstock.http.parameters import USUAL_LIMIT, Cursor, Id, IfMatch, IfNoneMatch, Limit
from penstock.http.replay import Done
from penstock.models import (
    ExecutionEvent,
    NothingToSay,
    PipelineExecution,
    PipelineExecutionBrief,
    ReasonRequest,
    RunPipelineRequest,
    TaskExecutionBrief,
)

router = routes()
TAGS: dict[str, Any] = {"tags": ["pipelines"]}
REASON, NOTHING = ReasonRequest(), NothingToSay()

# --- asked for, and shown ----------------------------------------------------------------------------------------


@router.post(
    "/v1/pipelines",
    operation_id="start_pipeline",
    **TAGS,
    **answering("Starts a graph of runs", PipelineExecution, status=201, refuses=WITH_BODY, headers=MADE),
)
def start(exchange: Here, wanted: RunPipelineRequest) -> Reply:
    def act(tx: Tx) -> Done:
        effects = started(tx, wanted, exchange.traceparent)
        (new,) = effects.pipelines
        return Done(shown(tx, new.id, status=201, location=exchange.address("pipelines", new.id)), effects)

    return exchange.act(act)


def started(tx: Tx, wanted: RunPipelineRequest, traceparent: str | None) -> Effects:
    """The new pipeline; which of its steps names no task is said as the document has it."""
    try:
        return tasks.start(tx, wanted.name, wanted.wanted, input=wanted.input, traceparent=traceparent)
    except UnknownTasks as error:
        places = [place for place, step in enumerate(wanted.steps) if step.task in error.names]
        raise problems.unknown_tasks(["steps", place, "task"] for place in places) from None


@router.get(
    "/v1/pipelines",
    operation_id="list_pipelines",
    **TAGS,
    **answering("Lists pipelines, newest first", Listing[PipelineExecutionBrief], headers=("Link",)),
)
def page(
    exchange: Here,
    *,
    status: Annotated[list[PipelineStatus] | None, Query(description="The states that are wanted.")] = None,
    name: Annotated[str | None, Query(description="The name of the pipeline.")] = None,
    workflow_id: Annotated[UUID | None, Query(description="The workflow of which these are runs.")] = None,
    cursor: Cursor = None,
    limit: Limit = USUAL_LIMIT,
) -> Reply:
    asked = {"status": status, "name": name, "workflow_id": workflow_id, "cursor": cursor, "limit": limit}
    return pages.answer(exchange, Listing[PipelineExecutionBrief], view.page, **asked)


@router.get(
    "/v1/pipelines/<id>",
    operation_id="show_pipeline",
    **TAGS,
    **answering("Shows a pipeline", PipelineExecution, also=(304,), refuses=WITH_ID, headers=TAGGED),
)
def show(exchange: Here, id: Id, if_none_match: IfNoneMatch = None) -> Reply:
    return exchange.read(shown, id, known=if_none_match)


@router.get(
    "/v1/pipelines/<id>/tasks",
    operation_id="list_tasks_of_pipeline",
    **TAGS,
    **answering(
        "Lists its tasks, in an order in which they could run",
        Listing[TaskExecutionBrief],
        refuses=WITH_ID,
        headers=("Link",),
    ),
)
def page_of_tasks(exchange: Here, id: Id, cursor: Cursor = None, limit: Limit = USUAL_LIMIT) -> Reply:
    exchange.read(must_exist, id)
    return pages.answer(exchange, Listing[TaskExecutionBrief], view.tasks, id=id, cursor=cursor, limit=limit)


@router.get(
    "/v1/pipelines/<id>/events",
    operation_id="list_events_of_pipeline",
    **TAGS,
    **answering(
        "Lists what happened to it and to its tasks, oldest first",
        Listing[ExecutionEvent],
        refuses=WITH_ID,
        headers=("Link",),
    ),
)
def events(exchange: Here, id: Id, cursor: Cursor = None, limit: Limit = USUAL_LIMIT) -> Reply:
    exchange.read(must_exist, id)
    return pages.answer(exchange, Listing[ExecutionEvent], history.list_by_pipeline, id=id, cursor=cursor, limit=limit)


def shown(tx: Tx, id: UUID, *, status: int = 200, location: str | None = None, known: str | None = None) -> Reply:
    """A pipeline as it is, with the tag of its version."""
    pipeline = must_exist(tx, id)
    return answers.versioned(pipeline, pipeline.version, status=status, location=location, known=known)


def must_exist(tx: Tx, id: UUID) -> PipelineExecution:
    """The pipeline under this id."""
    pipeline = view.by_id(tx, id)
    if pipeline is None:
        raise NotFound("pipeline execution", id)
    return PipelineExecution.model_validate(pipeline)


# --- decided about -----------------------------------------------------------------------------------------------


def decide(exchange: Exchange, name: str, id: UUID, verb: Callable[[Tx], Effects], if_match: str | None) -> Reply:
    """Moves a pipeline, if it is as the caller has seen it; the answer is the pipeline as it is then."""
    expected = conditions.version(if_match)

    def act(tx: Tx) -> Done:
        if expected is not None:
            pipelines.expect(tx, id, expected)
        effects = verb(tx)
        if not effects.pipelines:
            must_exist(tx, id)
        pipelines.must_move(tx, name, id, effects)
        return Done(shown(tx, id), effects)

    return exchange.act(act)


def deciding(verb: str, summary: str) -> dict[str, Any]:
    """The arguments of a route by which somebody decides about a pipeline."""
    refuses: Sequence[int] = (*WITH_ID, *WITH_BODY, 409, 412)
    documented = answering(summary, PipelineExecution, refuses=refuses, headers=REPLAYABLE)
    return {**TAGS, "operation_id": f"{verb}_pipeline", **documented}


@router.post("/v1/pipelines/<id>/pause", **deciding("pause", "Nothing of it is claimed any more; what runs goes on"))
def pause(exchange: Here, id: Id, said: Annotated[ReasonRequest, Body()] = REASON, if_match: IfMatch = None) -> Reply:
    return decide(exchange, "pause", id, lambda tx: pipelines.pause(tx, [id], reason=said.reason), if_match)


@router.post("/v1/pipelines/<id>/resume", **deciding("resume", "It goes on, and what is due in it is rung at once"))
def resume(exchange: Here, id: Id, _said: Annotated[NothingToSay, Body()] = NOTHING, if_match: IfMatch = None) -> Reply:
    return decide(exchange, "resume", id, lambda tx: pipelines.resume(tx, [id]), if_match)


@router.post("/v1/pipelines/<id>/cancel", **deciding("cancel", "Ends it, and everything in it that has not ended"))
def cancel(exchange: Here, id: Id, said: Annotated[ReasonRequest, Body()] = REASON, if_match: IfMatch = None) -> Reply:
    return decide(exchange, "cancel", id, lambda tx: pipelines.cancel(tx, [id], reason=said.reason), if_match)
