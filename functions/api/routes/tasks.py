"""The catalogue: what can be run. A task is changed by who has seen it as it is."""

from typing import Annotated
from uuid import UUID

from aws_lambda_powertools.event_handler.openapi.params import Query

from penstock.dal import tasks
from penstock.dal.store import Tx
from penstock.dal.views import tasks as view
from penstock.domain.errors import NotFound
from penstock.domain.lifecycle import Status
from penstock.http import answers, conditions, pages
from penstock.http.answers import Reply
from penstock.http.exchange import Here
from penstock.http.operations import MADE, TAGGED, WITH_BODY, WITH_ID, answering, routes
from penstock.http.pages import Listing
from penstock.http.parameters import USUAL_LIMIT, Cursor, Id, IfMatch, Limit
from penstock.http.replay import Done
from penstock.models import Task, TaskChanges, TaskRequest

router = routes()


@router.post(
    "/v1/tasks",
    tags=["tasks"],
    operation_id="create_task",
    **answering(
        "Adds a task to the catalogue",
        Task,
        status=201,
        refuses=(*WITH_BODY, 409),
        headers=MADE,
    ),
)
def create(exchange: Here, wanted: TaskRequest) -> Reply:
    def act(tx: Tx) -> Done:
        (created,) = tasks.create(tx, wanted.wanted)
        return Done(shown(tx, created.id, status=201, location=exchange.address("tasks", created.id)))

    return exchange.act(act)


@router.get(
    "/v1/tasks",
    tags=["tasks"],
    operation_id="list_tasks",
    **answering("Lists the catalogue by name", Listing[Task], headers=("Link",)),
)
def page(
    exchange: Here,
    *,
    status: Annotated[list[Status] | None, Query(description="The state of the newest execution.")] = None,
    task_type: Annotated[str | None, Query(description="What kind of work it is.")] = None,
    queue: Annotated[str | None, Query(description="Where its work goes.")] = None,
    cursor: Cursor = None,
    limit: Limit = USUAL_LIMIT,
) -> Reply:
    return pages.answer(
        exchange, Listing[Task], view.page, status=status, task_type=task_type, queue=queue, cursor=cursor, limit=limit
    )


@router.get(
    "/v1/tasks/<id>",
    tags=["tasks"],
    operation_id="show_task",
    **answering("Shows a task with the state of its newest execution", Task, refuses=WITH_ID, headers=TAGGED),
)
def show(exchange: Here, id: Id) -> Reply:
    return exchange.read(shown, id)


@router.patch(
    "/v1/tasks/<id>",
    tags=["tasks"],
    operation_id="change_task",
    **answering("Changes a task", Task, refuses=(*WITH_ID, *WITH_BODY, 409, 412, 428), headers=TAGGED),
)
def change(exchange: Here, id: Id, changes: TaskChanges, if_match: IfMatch = None) -> Reply:
    since = conditions.moment(conditions.required(if_match))

    def act(tx: Tx) -> Done:
        tasks.change(tx, id, changes.wanted, unless_changed_since=since)
        return Done(shown(tx, id))

    return exchange.act(act)


@router.delete(
    "/v1/tasks/<id>",
    tags=["tasks"],
    operation_id="delete_task",
    **answering("Deletes a task that nothing refers to", status=204, refuses=(*WITH_ID, 409, 412)),
)
def delete(exchange: Here, id: Id, if_match: IfMatch = None) -> Reply:
    since = conditions.moment(if_match)

    def act(tx: Tx) -> Done:
        tasks.delete(tx, id, unless_changed_since=since)
        return Done(answers.nothing())

    return exchange.act(act)


def shown(tx: Tx, id: UUID, *, status: int = 200, location: str | None = None) -> Reply:
    """A task as it is, with the tag of its definition."""
    task = view.by_id(tx, id)
    if task is None:
        raise NotFound("task", id)
    tag = conditions.tag_of_moment(task.updated_at)
    return answers.said(Task.model_validate(task), status=status, Location=location, ETag=tag)
