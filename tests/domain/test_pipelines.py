"""A graph of steps is checked whole before anything is written."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.domain import limits
from penstock.domain.errors import InvalidInput
from penstock.domain.pipelines import Graph, Step, TriggerRule
from tests.acting import job, step


@st.composite
def edges(draw: st.DrawFn) -> dict[str, list[str]]:
    """Any graph at all: who waits for whom."""
    names = [f"s{number}" for number in range(draw(st.integers(1, 8)))]
    return {name: draw(st.lists(st.sampled_from(names), max_size=3)) for name in draw(st.permutations(names))}


def steps(graph: dict[str, list[str]]) -> list[Step]:
    return [step(name, *parents) for name, parents in graph.items()]


def in_a_circle(graph: dict[str, list[str]]) -> bool:
    """Whether something is left when all that waits for nothing has been taken away, again and again."""
    left = {name: set(parents) for name, parents in graph.items()}
    while free := {name for name, parents in left.items() if not parents & set(left)}:
        left = {name: parents for name, parents in left.items() if name not in free}
    return bool(left)


def refused(steps: Sequence[Step]) -> InvalidInput:
    with pytest.raises(InvalidInput) as caught:
        Graph.of(steps)
    return caught.value


@given(graph=edges())
def test_a_graph_is_refused_if_and_only_if_it_has_a_circle(graph: dict[str, list[str]]) -> None:
    if in_a_circle(graph):
        assert "form a cycle" in refused(steps(graph)).problem
        return
    checked = Graph.of(steps(graph)).steps
    assert sorted(graph) == sorted(step.name for step in checked)
    done: set[str] = set()
    for each in checked:
        assert set(each.depends_on) <= done
        done.add(each.name)


@given(graph=edges())
def test_the_circle_that_is_named_is_one(graph: dict[str, list[str]]) -> None:
    if not in_a_circle(graph):
        return
    named = refused(steps(graph)).problem.removeprefix("form a cycle: ").partition(";")[0].split(" -> ")
    assert named[0] == named[-1]
    assert all(child in graph[parent] for parent, child in pairwise(named))


@pytest.mark.parametrize(
    ("graph", "field", "problem"),
    [
        ([], "steps", "is empty; a pipeline has at least one step"),
        ([step("a", "a")], "steps", "form a cycle: a -> a; remove one of these dependencies"),
        ([step("a"), step("a")], "steps", "has two steps named 'a'; names must differ"),
        ([step("a", "b", "c"), step("b")], "steps.a.depends_on", "names no step of this pipeline: c"),
        ([step("a", "y", "x")], "steps.a.depends_on", "names no step of this pipeline: y, x"),
    ],
)
def test_a_graph_that_cannot_run_is_refused_by_field_and_reason(graph: list[Step], field: str, problem: str) -> None:
    error = refused(graph)
    assert (field, problem) == (error.field, error.problem)


def test_a_pipeline_has_a_thousand_steps_at_most() -> None:
    many = [step(f"s{number}") for number in range(limits.STEPS + 1)]
    assert limits.STEPS == len(Graph.of(many[:-1]).steps)
    assert ("steps", "has 1,001 entries; at most 1,000 are allowed at once") == (
        refused(many).field, refused(many).problem,
    )  # fmt: skip


def test_the_longest_chain_is_no_problem() -> None:
    chain = [step(f"s{number}", *([f"s{number - 1}"] if number else [])) for number in range(limits.STEPS)]
    assert [f"s{number}" for number in range(limits.STEPS)] == [each.name for each in Graph.of(chain[::-1]).steps]


def test_a_dependency_that_is_named_twice_is_one() -> None:
    assert ("a", "b") == step("c", "a", "b", "a").depends_on


@pytest.mark.parametrize("rule", TriggerRule)
def test_who_waits_for_a_failure_handles_it(rule: TriggerRule) -> None:
    waits_for_failure = rule in ("all_done", "one_failed", "all_failed")
    graph = Graph.of([step("a"), step("b"), step("c", "a", rule=rule)])
    assert (frozenset({"a"}) if waits_for_failure else frozenset()) == graph.handled


def test_a_rule_may_be_given_by_its_name() -> None:
    assert TriggerRule.ALL_DONE is Step(job("a"), (), "all_done").trigger_rule  # type: ignore[arg-type]  # as JSON has it


@pytest.mark.parametrize("rule", ["ALL_DONE", "sometimes", "", None, 1])
def test_a_rule_that_nobody_knows_is_refused_with_those_that_are_known(rule: Any) -> None:
    with pytest.raises(InvalidInput, match="it must be one of all_success, all_done, one_success") as caught:
        Step(job("a"), (), rule)
    assert "steps.a.trigger_rule" == caught.value.field


@pytest.mark.parametrize("parents", ["b", (" ",), (7,), (None,), ("n" * 201,)])
def test_a_dependency_is_a_list_of_names(parents: Any) -> None:
    with pytest.raises(InvalidInput) as caught:
        Step(job("a"), parents)
    assert "steps.a.depends_on" == caught.value.field
