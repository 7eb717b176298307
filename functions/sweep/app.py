"""Takes up, each minute, what time alone decides: leases that ran out, deferrals and pauses that are over.

Only expiry takes work away from a worker. Two sweeps at once are harmless: each moves what is still there to move.
"""

from collections.abc import Callable, Mapping
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from penstock import telemetry, wiring
from penstock.dal import executions
from penstock.dal.executions import Effects
from penstock.dal.store import Store
from penstock.dal.views import executions as standing

STEP = 100
MARGIN_MS = 15_000


@telemetry.entry
def handler(_event: Mapping[str, Any], context: LambdaContext) -> dict[str, int]:
    """Each kind in bounded steps, until nothing moves or time is short."""
    store = wiring.store("sweep")

    def sweep(step: Callable[[Store], Effects]) -> int:
        moved = 0
        while context.get_remaining_time_in_millis() > MARGIN_MS and (effects := step(store)).moved:
            wiring.ring(effects)
            moved += len(effects.moved)
        return moved

    recovered, deferred, paused = sweep(recover), sweep(resume_deferred), sweep(resume_paused)
    telemetry.measure(LeasesExpired=recovered, DeferralsOver=deferred, PausesOver=paused)
    return {"recovered": recovered, "resumed_deferred": deferred, "resumed_paused": paused}


def recover(store: Store) -> Effects:
    """What silent workers hold."""
    return store.alone(executions.recover, limit=STEP)


def resume_deferred(store: Store) -> Effects:
    """What waited for a moment that has come."""
    return store.alone(executions.resume_deferred, limit=STEP)


def resume_paused(store: Store) -> Effects:
    """What was put aside and may go on, as far as there is capacity."""
    room = STEP
    if (capacity := wiring.settings().capacity) is not None:
        with store.read() as tx:
            room = min(STEP, capacity - standing.occupied(tx))
    return store.alone(executions.resume_paused, limit=room) if room > 0 else Effects()
