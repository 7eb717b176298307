"""A worker for tests: a shift over a store, with task functions of the test's own, and what it wrote into its journal."""

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from penstock.dal.effects import Effects
from penstock.dal.store import Store
from penstock.work.context import Context
from penstock.work.journal import Journal
from penstock.work.shift import MARGIN, Shift

HOUR = timedelta(hours=1)
MOMENT = timedelta(milliseconds=50)
Function = Callable[[Context], Any]


@dataclass
class Worker:
    """Works through executions; *left* is how much time its shift has, always."""

    store: Store
    functions: dict[str, Function] = field(default_factory=dict)
    left: timedelta = HOUR
    rung: list[Effects] = field(default_factory=list)
    numbers: dict[str, float] = field(default_factory=dict)
    about: list[dict[str, object]] = field(default_factory=list)

    def work(self, *ids: UUID) -> "Worker":
        journal = Journal(logging.getLogger("worker"), self._about, self._measure)
        Shift(self.store, "worker", lambda: self.left, self.rung.append, journal, self.functions.get).work(ids)
        return self

    @property
    def doorbells(self) -> set[UUID]:
        """What it rang for."""
        return {bell.task_execution_id for effects in self.rung for bell in effects.bells}

    @contextmanager
    def _about(self, **keys: object) -> Iterator[None]:
        self.about.append(keys)
        yield

    def _measure(self, **numbers: float) -> None:
        for name, number in numbers.items():
            self.numbers[name] = self.numbers.get(name, 0) + number


def of(store: Store, function: Function, **options: Any) -> Worker:
    """A worker for jobs of the type noop, as the tests' jobs are."""
    return Worker(store, {"noop": function}, **options)


def block(_context: object = None) -> None:
    """Reads from a pipe that nobody writes to: only a signal ends that."""
    reader, writer = os.pipe()
    try:
        os.read(reader, 1)
    finally:
        os.close(reader)
        os.close(writer)


OUT_OF_TIME = MARGIN + MOMENT
