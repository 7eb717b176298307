"""Which function runs which type of task. A decorator is all that it takes to add one."""

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from penstock.domain import limits
from penstock.domain.executions import Outcome

if TYPE_CHECKING:
    from penstock.work.context import Context

TaskFunction = Callable[["Context"], Mapping[str, Any] | Outcome | None]
F = TypeVar("F", bound=TaskFunction)

_known: dict[str, TaskFunction] = {}


class RegisteredTwice(Exception):
    """Two functions claim the same type of task."""

    def __init__(self, name: str, functions: tuple[TaskFunction, TaskFunction]) -> None:
        first, second = (_place(function) for function in functions)
        super().__init__(f"the task type {name!r} is registered twice: by {first} and by {second}; rename one of them")


def task_type(name: str) -> Callable[[F], F]:
    """Registers a function that runs the tasks of this type."""
    limits.name("task_type", name)

    def register(function: F) -> F:
        if inspect.iscoroutinefunction(function):
            raise TypeError(
                f"{_place(function)} is async; a task function is called, and its result kept: make it plain"
            )
        other = _known.setdefault(name, function)
        if other is not function:
            raise RegisteredTwice(name, (other, function))
        return function

    return register


def find(name: str) -> TaskFunction | None:
    """The function that runs this type of task, if this worker has one."""
    return _known.get(name)


def names() -> list[str]:
    """Every type of task that this worker can run."""
    return sorted(_known)


def _place(function: object) -> str:
    return f"{getattr(function, '__module__', '?')}.{getattr(function, '__qualname__', repr(function))}"
