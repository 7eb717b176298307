"""Task types: a name, a function, and no way to get it wrong without being told."""

from typing import Any

import pytest

from penstock.domain.errors import InvalidInput
from penstock.work import Context, registry, task_type
from penstock.work.registry import RegisteredTwice


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing, until a test registers it."""
    monkeypatch.setattr(registry, "_known", {})


def first(_context: Context) -> None:
    """Does nothing."""


def second(_context: Context) -> None:
    """Does nothing either."""


def test_a_decorated_function_stays_what_it_was_and_is_found_by_its_type() -> None:
    assert first is task_type("report.send")(first)
    assert first is registry.find("report.send")
    assert ["report.send"] == registry.names()


def test_a_type_that_nobody_registered_is_not_found() -> None:
    assert None is registry.find("report.send")


def test_two_functions_for_one_type_are_refused_by_both_their_names() -> None:
    task_type("report.send")(first)
    with pytest.raises(RegisteredTwice, match=r"'report.send' is registered twice: by .*first and by .*second"):
        task_type("report.send")(second)
    assert first is registry.find("report.send")


def test_one_function_may_be_registered_again_and_under_another_name() -> None:
    for name in ("report.send", "report.send", "mail.send"):
        task_type(name)(first)
    assert ["mail.send", "report.send"] == registry.names()


def test_an_async_function_is_refused_when_it_is_registered() -> None:
    async def later(_context: Context) -> None:
        """Would never run."""

    wrong: Any = later
    with pytest.raises(TypeError, match="is async"):
        task_type("report.send")(wrong)


def test_a_type_has_a_name() -> None:
    with pytest.raises(InvalidInput, match="task_type: must be a text that is not blank"):
        task_type(" ")
