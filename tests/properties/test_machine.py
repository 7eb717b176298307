"""The ledger keeps its laws under random verbs, clock jumps, stale leases and graphs.

`make test ARGS="tests/properties --hypothesis-profile=long"` looks for longer, and elsewhere each time.
"""

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import initialize, run_state_machine_as_test

from penstock.dal.store import Store
from tests.acting import Clock
from tests.databases import POSTGRES, SQLITE
from tests.properties.drawing import Drawn, few, graph, graphs, numbers
from tests.properties.example import Tally
from tests.properties.people import People
from tests.properties.workers import Workers

STEPS = 50
TIMES = {SQLITE: 5, POSTGRES: 1}


class Ledger(People, Workers):
    """In everybody's hands at once."""

    @initialize(drawn=graphs, ways=few, rounds=numbers)
    def begins_with_a_pipeline_under_way(self, drawn: Drawn, ways: list[int], rounds: int) -> None:
        self.submits(graph(self.clock, drawn))
        for place in range(rounds % 4):
            self.works_off_what_is_due(ways[place:] or ways)


@pytest.mark.parametrize("engine_kind", TIMES)
def test_the_laws_hold_after_every_step(
    engine_kind: str, in_order: Store, clock: Clock, record_property: Callable[[str, object], None]
) -> None:
    tally = Tally(STEPS)
    wanted = settings.default.max_examples * TIMES[engine_kind]  # type: ignore[union-attr]  # a profile is loaded
    run_state_machine_as_test(
        lambda: Ledger(in_order, clock, tally),  # type: ignore[arg-type]  # a function will do, says its docstring
        settings=settings(
            max_examples=wanted,
            stateful_step_count=STEPS,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )
    record_property(f"random verbs on {engine_kind}", str(tally))
    assert tally.examples >= wanted
