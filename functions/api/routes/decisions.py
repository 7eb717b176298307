"""What people decide about a task execution. Each may say which version of it they have seen."""

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any
from uuid import UUID

from aws_lambda_powertools.event_handler.openapi.params import Body

from api.results import made, must_have_moved, shown
from penstock.dal import executions
from penstock.dal.executions import Effects
from penstock.dal.store import Tx
from penstock.http import conditions
from penstock.http.answers import Reply
from penstock.http.exchange import Exchange, Here
from penstock.http.operations import MADE, REPLAYABLE, WITH_BODY, WITH_ID, answering, routes
from penstock.http.parameters import Id, IfMatch
from penstock.http.replay import Done
from penstock.models import NoteRequest, NothingToSay, PauseRequest, ReasonRequest, TaskExecution

router = routes()
NOTE, REASON, PAUSE, NOTHING = NoteRequest(), ReasonRequest(), PauseRequest(), NothingToSay()
Answer = Callable[[Tx, Effects], Reply]

Verb = Callable[[Tx], Effects]


def decide(
    exchange: Exchange, name: str, id: UUID, verb: Verb, if_match: str | None, *, answer: Answer | None = None
) -> Reply:
    """Moves an execution, if it is as the caller has seen it; the usual answer is the execution as it is then."""
    expected = conditions.version(if_match)

    def act(tx: Tx) -> Done:
        if expected is not None:
            executions.expect(tx, id, expected)
        effects = verb(tx)
        must_have_moved(tx, name, id, effects)
        return Done(answer(tx, effects) if answer else shown(tx, id), effects)

    return exchange.act(act)


def deciding(verb: str, summary: str) -> dict[str, Any]:
    """The arguments of a route by which somebody decides about an execution."""
    return {
        "tags": ["decisions"],
        "operation_id": f"{verb}_task_execution",
        **answering(summary, TaskExecution, refuses=(*WITH_ID, *WITH_BODY, 409, 412), headers=REPLAYABLE),
    }


@router.post("/v1/task-executions/<id>/approve", **deciding("approve", "Agrees: what waits for nothing else is ready"))
def approve(exchange: Here, id: Id, said: Annotated[NoteRequest, Body()] = NOTE, if_match: IfMatch = None) -> Reply:
    return decide(exchange, "approve", id, lambda tx: executions.approve(tx, [id], note=said.note), if_match)


@router.post("/v1/task-executions/<id>/reject", **deciding("reject", "Refuses: a failure for what depends on it"))
def reject(exchange: Here, id: Id, said: Annotated[ReasonRequest, Body()] = REASON, if_match: IfMatch = None) -> Reply:
    return decide(exchange, "reject", id, lambda tx: executions.reject(tx, [id], reason=said.reason), if_match)


@router.post("/v1/task-executions/<id>/cancel", **deciding("cancel", "Ends it; whoever runs it has lost its lease"))
def cancel(exchange: Here, id: Id, said: Annotated[ReasonRequest, Body()] = REASON, if_match: IfMatch = None) -> Reply:
    return decide(exchange, "cancel", id, lambda tx: executions.cancel(tx, [id], reason=said.reason), if_match)


@router.post("/v1/task-executions/<id>/skip", **deciding("skip", "It will not run"))
def skip(exchange: Here, id: Id, said: Annotated[ReasonRequest, Body()] = REASON, if_match: IfMatch = None) -> Reply:
    return decide(exchange, "skip", id, lambda tx: executions.skip(tx, [id], reason=said.reason), if_match)


@router.post("/v1/task-executions/<id>/reset", **deciding("reset", "It is due now, with all its attempts before it"))
def reset(exchange: Here, id: Id, _said: Annotated[NothingToSay, Body()] = NOTHING, if_match: IfMatch = None) -> Reply:
    return decide(exchange, "reset", id, lambda tx: executions.reset(tx, [id]), if_match)


@router.post("/v1/task-executions/<id>/pause", **deciding("pause", "Puts aside what has not been claimed"))
def pause(exchange: Here, id: Id, said: Annotated[PauseRequest, Body()] = PAUSE, if_match: IfMatch = None) -> Reply:
    return decide(exchange, "pause", id, lambda tx: executions.pause(tx, [id], **dict(said)), if_match)


@router.post("/v1/task-executions/<id>/resume", **deciding("resume", "It goes on from where it would be by now"))
def resume(exchange: Here, id: Id, _said: Annotated[NothingToSay, Body()] = NOTHING, if_match: IfMatch = None) -> Reply:
    return decide(exchange, "resume", id, lambda tx: executions.resume(tx, [id]), if_match)


@router.post(
    "/v1/task-executions/<id>/retry",
    tags=["decisions"],
    operation_id="retry_task_execution",
    **answering(
        "Runs what has ended once more, as a new execution that names it in `retry_of`",
        TaskExecution,
        status=201,
        refuses=(*WITH_ID, *WITH_BODY, 409, 412),
        headers=MADE,
    ),
)
def retry(exchange: Here, id: Id, _said: Annotated[NothingToSay, Body()] = NOTHING, if_match: IfMatch = None) -> Reply:
    answer = partial(made, exchange)
    return decide(exchange, "retry", id, lambda tx: executions.retry(tx, [id]), if_match, answer=answer)
