"""What becomes of a request: an execution as it is then, where a new one is, or why one did not move."""

from uuid import UUID

from penstock.dal import executions
from penstock.dal.executions import Effects
from penstock.dal.store import Tx
from penstock.dal.views import executions as view
from penstock.domain.errors import NotFound
from penstock.domain.executions import Lease
from penstock.http import answers
from penstock.http.answers import Reply
from penstock.http.exchange import Exchange
from penstock.models import TaskExecution


def shown(tx: Tx, id: UUID, *, status: int = 200, location: str | None = None, known: str | None = None) -> Reply:
    """An execution as it is, with the tag of its version."""
    execution = must_exist(tx, id)
    return answers.versioned(execution, execution.version, status=status, location=location, known=known)


def must_exist(tx: Tx, id: UUID) -> TaskExecution:
    """The execution under this id."""
    execution = view.by_id(tx, id)
    if execution is None:
        raise NotFound("task execution", id)
    return TaskExecution.model_validate(execution)


def made(exchange: Exchange, tx: Tx, effects: Effects) -> Reply:
    """The one execution that has come to be, and where it is."""
    (new,) = effects.moved
    return shown(tx, new.id, status=201, location=exchange.address("task-executions", new.id))


def must_have_moved(tx: Tx, verb: str, wanted: UUID | Lease, effects: Effects) -> None:
    """Says why an execution did not move, where it did not."""
    if not effects.moved:
        must_exist(tx, wanted if isinstance(wanted, UUID) else wanted.id)
    executions.must_move(tx, verb, wanted, effects)
