"""A process that is killed around the commit of a verb leaves all that the verb writes, or nothing.

Each verb is killed before every call to the database that it makes, while the answer to one is on the way, and after
the last one; alone and between BEGIN and COMMIT.
"""

import signal
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from penstock.dal import executions, pipelines, schema
from penstock.dal.store import Store
from penstock.domain.lifecycle import PIPELINE, TASK
from tests.acting import Clock, rows, store_at
from tests.books import discrepancies
from tests.databases import Databases
from tests.killer import Killer, running
from tests.victim import CASES

WRITTEN = (
    schema.task_executions, schema.pipeline_executions, schema.execution_events, schema.task_outbox, schema.pause_queue,
    schema.task_dependencies,
)  # fmt: skip
GONE = "SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name = 'victim'"
KILLED = {"killed by": signal.SIGKILL}
Picture = Mapping[str, Counter[str]]
Difference = Mapping[str, tuple[int, int]]
NOTHING: Difference = {}


@pytest.fixture(params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest, databases: Databases, clock: Clock) -> Iterator[Store]:
    """How the versions of PostgreSQL commit does not differ: one is enough."""
    with databases.migrated(request.param) as url:
        made = store_at(url, clock)
        yield made
        made.database.engine.dispose()


@pytest.fixture(scope="module")
def killer() -> Iterator[Killer]:
    with running("tests.victim") as process:
        yield process


@dataclass(frozen=True)
class Deaths:
    """One verb on one store, to be killed again and again."""

    killer: Killer
    store: Store
    verb: str
    way: str

    def rehearse(self) -> None:
        assert "rehearsed" == self.killer.tell({"url": self._url, "verb": self.verb, "way": "rehearsal"})
        end_everything(self.store)

    def after_the_last_call(self) -> tuple[int, Difference]:
        """How many calls the verb makes, and what it writes."""
        before = self._prepare(last=None, in_flight=False)
        calls = self.killer.tell("go")
        assert KILLED == self.killer.hear()
        return calls, self._written_since(before)

    def at(self, last: int, *, in_flight: bool) -> Difference:
        """What the verb has written when it is killed at this call."""
        before = self._prepare(last=last, in_flight=in_flight)
        assert KILLED == self.killer.tell("go")
        return self._written_since(before)

    def _prepare(self, **moment: Any) -> Picture:
        assert "prepared" == self.killer.tell({"url": self._url, "verb": self.verb, "way": self.way, **moment})
        return picture(self.store)

    @property
    def _url(self) -> str:
        return self.store.database.engine.url.render_as_string(hide_password=False)

    def _written_since(self, before: Picture) -> Difference:
        if self.store.database.commits_alone:
            until_gone(self.store)
        after = picture(self.store)
        assert [] == discrepancies(self.store)
        end_everything(self.store)
        return {
            name: ((before[name] - after[name]).total(), (after[name] - before[name]).total())
            for name in before
            if before[name] != after[name]
        }


def picture(store: Store) -> Picture:
    """Every row that a verb may write."""
    return {table.name: Counter(repr(row) for row in rows(store, table)) for table in WRITTEN}


def until_gone(store: Store) -> None:
    """Returns once the server has seen that nobody is there any more."""
    with store.database.engine.connect() as observer:
        while not observer.exec_driver_sql(GONE).scalar_one():
            pass


def end_everything(store: Store) -> None:
    """So that the next victim finds nothing but what it prepares."""
    live = [row.id for row in rows(store, schema.pipeline_executions) if row.status not in PIPELINE.ends]
    store.alone(pipelines.cancel, live)
    live = [row.id for row in rows(store, schema.task_executions) if row.status not in TASK.ends]
    store.alone(executions.cancel, live)


@pytest.mark.parametrize("verb", CASES)
def test_a_killed_verb_has_written_everything_or_nothing(store: Store, killer: Killer, verb: str) -> None:
    for way in ["alone", "begin"] if store.database.commits_alone else ["begin"]:
        deaths = Deaths(killer, store, verb, way)
        deaths.rehearse()
        calls, everything = deaths.after_the_last_call()
        assert everything
        assert [NOTHING] * calls == [deaths.at(call, in_flight=False) for call in range(calls)]
        if store.database.commits_alone:
            answers = [deaths.at(call, in_flight=True) for call in range(calls)]
            assert [NOTHING] * (calls - 1) == answers[:-1]
            assert answers[-1] in (NOTHING, everything)


def test_the_calls_of_a_verb_are_its_statement_and_the_ends_of_its_transaction(store: Store, killer: Killer) -> None:
    """Else the moments above would not be those that they are said to be."""
    if store.database.commits_alone:
        assert (1, 3) == tuple(
            Deaths(killer, store, "start", way).after_the_last_call()[0] for way in ("alone", "begin")
        )
    else:
        assert Deaths(killer, store, "start", "begin").after_the_last_call()[0] > 3
