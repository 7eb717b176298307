"""What Hypothesis draws: jobs, graphs of steps, and how a worker's runs turn out."""

from datetime import timedelta
from typing import Any

from hypothesis import strategies as st

from penstock.domain import limits
from penstock.domain.executions import NewExecution
from penstock.domain.pipelines import Step, TriggerRule
from penstock.domain.retry import Retry
from tests.acting import Clock

Options = dict[str, Any]
Drawn = list[tuple[Options, int, TriggerRule]]
Whom = tuple[bool, list[int]]
MOST_STEPS = 7
QUEUES = ("default", "other")
HOLD = timedelta(minutes=5)
DELAYS = (0, 0, 0, 0, 0, 0, 30, 600)
# A clock that is set back is part of life; one that leaps lets leases, retries and pauses run out.
LEAPS = tuple(timedelta(seconds=s) for s in (1, 40, 400, 4_000, 90_000, -1, -500))


def places(number: int) -> list[int]:
    """One to four numbers below 64, out of one: to draw a list takes several times as long."""
    return [number // 4 // 64**digit % 64 for digit in range(number % 4 + 1)]


def job(clock: Clock, name: str, drawn: Options) -> NewExecution:
    """A new execution; one that is delayed may not begin before its time."""
    values = dict(drawn)
    delay = values.pop("delay")
    later = clock.now + timedelta(seconds=delay) if delay else None
    retry = Retry("fixed", delay_seconds=60, never=("Hopeless",))
    return NewExecution(name, "noop", available_at=later, retry=retry, timeout_seconds=300, **values)


def graph(clock: Clock, drawn: Drawn) -> list[Step]:
    """Steps whose parents are earlier ones, as the bits of a number say; given in the wrong order."""
    made = [
        Step(
            job(clock, f"s{place}", options),
            tuple(f"s{parent}" for parent in range(place) if parents >> parent & 1),
            rule,
        )
        for place, (options, parents, rule) in enumerate(drawn)
    ]
    return made[::-1]


numbers = st.integers(0, 63)
few = st.integers(0, 4 * 64**4 - 1).map(places)
whom = st.tuples(st.sampled_from((True, True, True, False)), few)
queues = st.sampled_from(QUEUES)
leaps = st.sampled_from(LEAPS)
options = st.fixed_dictionaries(
    {
        "priority": st.integers(*limits.PRIORITY),
        "queue": st.sampled_from((QUEUES[0], QUEUES[0], QUEUES[1])),
        "max_attempts": st.integers(1, 3),
        "requires_approval": st.integers(0, 7).map(lambda number: number == 7),
        "delay": st.sampled_from(DELAYS),
    }
)
steps = st.tuples(options, st.integers(0, 2**MOST_STEPS - 1), st.sampled_from(TriggerRule))
graphs = st.lists(steps, min_size=3, max_size=MOST_STEPS)
