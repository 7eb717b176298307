"""The only text that writes a status, an event or an outbox row: all three together, or none.

`move` is every change of state of task executions, `enter` is their beginning, and `pipelines` holds the moves
that begin with a pipeline. A verb file says what is special about its verb; what follows from any move (events,
doorbells, the count-down of children, the end of a pipeline) is written here once.
"""

from penstock.dal.ledger.cases import Case
from penstock.dal.ledger.claiming import best_of_queue
from penstock.dal.ledger.effects import Bell, Effects, Moved
from penstock.dal.ledger.entering import enter, enter_again
from penstock.dal.ledger.moving import Movement, move, take
from penstock.dal.ledger.noting import note
from penstock.dal.ledger.pipelines import cancel_pipelines, move_pipelines
from penstock.dal.ledger.ringing import postpone, ring, ring_again

__all__ = [
    "Bell",
    "Case",
    "Effects",
    "Moved",
    "Movement",
    "best_of_queue",
    "cancel_pipelines",
    "enter",
    "enter_again",
    "move",
    "move_pipelines",
    "note",
    "postpone",
    "ring",
    "ring_again",
    "take",
]
