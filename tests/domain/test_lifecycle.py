"""The laws that the tables of legal moves keep, whatever their rows say."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.domain.lifecycle import NOTES, PIPELINE, TASK, TOOL, Lifecycle, Move, PipelineStatus, Proof, Status

LIFECYCLES = {"task": TASK, "pipeline": PIPELINE, "tool": TOOL}
EVERY = pytest.mark.parametrize("lifecycle", LIFECYCLES.values(), ids=LIFECYCLES)
WITH_HISTORY = {"task": TASK, "pipeline": PIPELINE}
ENDS = {Status.COMPLETED, Status.FAILED, Status.SKIPPED, Status.CANCELLED, Status.REJECTED}


def follows(lifecycle: Lifecycle, state: str | None, *, approved: bool) -> list[Move]:
    """The moves that are legal here; back out of a pause leads to where an approval has brought it."""
    wrong = Status.PENDING if approved else Status.APPROVED
    return [
        move
        for move in lifecycle.moves
        if (state in move.sources or (state is None and not move.sources))
        and not (move.events == ("TaskResumed",) and move.target == wrong)
    ]


@st.composite
def lives(draw: st.DrawFn, lifecycle: Lifecycle) -> list[Move]:
    """The moves of one life, each legal where it is made."""
    moves: list[Move] = []
    for _ in range(draw(st.integers(1, 20))):
        approved = any("TaskApproved" in move.events for move in moves)
        if not (legal := follows(lifecycle, moves[-1].target if moves else None, approved=approved)):
            break
        moves.append(draw(st.sampled_from(legal)))
    return moves


def history(moves: Sequence[Move]) -> list[str]:
    return [event for move in moves for event in move.events]


def explained(lifecycle: Lifecycle, types: Sequence[str]) -> set[str | None]:
    """Where these events lead if they are cut into legal moves, tried in every way; nowhere if they cannot be."""
    reached: list[set[tuple[str | None, bool]]] = [{(None, False)}, *(set() for _ in types)]
    for place in range(len(types)):
        for state, approved in reached[place]:
            for move in follows(lifecycle, state, approved=approved):
                end = place + len(move.events)
                if move.events == tuple(types[place:end]):
                    reached[end].add((move.target, approved or "TaskApproved" in move.events))
    return {state for state, _ in reached[-1]}


# --- the shape of the table --------------------------------------------------------------------------------------


def test_the_states_are_those_that_the_table_leads_to() -> None:
    assert set(Status) == set(TASK.states)
    assert set(PipelineStatus) == set(PIPELINE.states)


def test_the_ends_are_the_states_of_what_is_over() -> None:
    assert set(TASK.ends) == ENDS
    assert set(PIPELINE.ends) == {PipelineStatus.COMPLETED, PipelineStatus.FAILED, PipelineStatus.CANCELLED}
    assert set(TOOL.ends) == {"completed", "failed", "timeout"}


@EVERY
def test_nothing_leaves_an_end(lifecycle: Lifecycle) -> None:
    for end in lifecycle.ends:
        assert () == lifecycle.legal_from(end)
        assert all(old != end for old, _ in lifecycle.pairs)


@EVERY
def test_an_end_can_be_reached_from_everywhere_else(lifecycle: Lifecycle) -> None:
    for state in set(lifecycle.states) - set(lifecycle.ends):
        reached = {state}
        while further := {new for old, new in lifecycle.pairs if old in reached} - reached:
            reached |= further
        assert reached & set(lifecycle.ends), state


@EVERY
def test_a_life_begins_by_a_move_out_of_nowhere(lifecycle: Lifecycle) -> None:
    assert len({move.verb for move in lifecycle.moves if not move.sources}) == 1


@EVERY
def test_the_pairs_are_what_the_moves_change(lifecycle: Lifecycle) -> None:
    changed = {(old, move.target) for move in lifecycle.moves for old in move.sources if old != move.target}
    assert changed == set(lifecycle.pairs)


@EVERY
def test_the_rows_of_a_verb_ask_for_one_proof(lifecycle: Lifecycle) -> None:
    for verb in {move.verb for move in lifecycle.moves}:
        assert len({move.proof for move in lifecycle.of(verb)}) == 1, verb


def test_what_is_held_is_what_a_lease_or_its_end_can_move() -> None:
    assert set(TASK.held) == {Status.CLAIMED, Status.RUNNING}
    for move in TASK.moves:
        if move.proof in (Proof.LEASE, Proof.EXPIRED):
            assert set(move.sources) <= set(TASK.held), move


def test_a_verb_that_nobody_wrote_down_is_an_error() -> None:
    with pytest.raises(KeyError, match="no such verb: explode, vanish"):
        TASK.of("vanish", "complete", "explode")


# --- events ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lifecycle", WITH_HISTORY.values(), ids=WITH_HISTORY)
def test_the_events_of_a_move_lead_to_its_target(lifecycle: Lifecycle) -> None:
    for move in lifecycle.moves:
        assert move.target in lifecycle.leads_to(move.events[-1]), move


@pytest.mark.parametrize("lifecycle", WITH_HISTORY.values(), ids=WITH_HISTORY)
def test_every_move_writes_an_event(lifecycle: Lifecycle) -> None:
    assert all(move.events for move in lifecycle.moves)


def test_no_note_can_be_taken_for_a_move() -> None:
    assert not set(NOTES) & {*TASK.events, *PIPELINE.events}
    assert not set(TASK.events) & set(PIPELINE.events)


@given(moves=lives(TASK))
def test_the_fold_of_a_task_is_where_its_moves_have_led(moves: list[Move]) -> None:
    assert moves[-1].target == TASK.fold(history(moves))


@given(moves=lives(PIPELINE))
def test_the_fold_of_a_pipeline_is_where_its_moves_have_led(moves: list[Move]) -> None:
    assert moves[-1].target == PIPELINE.fold(history(moves))


def test_what_has_no_history_is_nowhere() -> None:
    assert TASK.fold([]) is None


@given(moves=lives(TASK), place=st.integers(0, 40), event=st.sampled_from(TASK.events), kind=st.integers(0, 2))
def test_a_history_that_was_tampered_with_is_refused_unless_moves_can_explain_it(
    moves: list[Move], place: int, event: str, kind: int
) -> None:
    types = history(moves)
    at = place % len(types)
    tampered = types[:at] + [[event], [event, types[at]], []][kind] + types[at + 1 :]
    if ends := explained(TASK, tampered):
        assert {TASK.fold(tampered)} == ends
    else:
        with pytest.raises(ValueError, match="cannot follow"):
            TASK.fold(tampered)


@pytest.mark.parametrize(
    ("types", "problem"),
    [
        (["TaskCompleted"], "TaskCompleted cannot follow None"),
        (["TaskCreated", "TaskCreated"], "TaskCreated cannot follow pending"),
        (["TaskCreated", "TaskClaimed"], "TaskClaimed cannot follow pending"),
        (["TaskCreated", "TaskMarkedReady", "TaskClaimed", "TaskCompleted"], "TaskCompleted cannot follow claimed"),
        (["TaskCreated", "TaskCancelled", "TaskMarkedReady"], "TaskMarkedReady cannot follow cancelled"),
        (["TaskCreated", "PipelinePaused"], "PipelinePaused cannot follow pending"),
        (
            ["TaskCreated", "TaskMarkedReady", "TaskClaimed", "TaskStarted", "TaskDeferred", "TaskResumed"],
            "TaskResumed cannot follow deferred",
        ),
    ],
)
def test_a_history_that_is_not_legal_says_where(types: list[str], problem: str) -> None:
    with pytest.raises(ValueError, match=f"^{problem}$"):
        TASK.fold(types)


def test_out_of_a_pause_an_approval_decides_where_it_goes_on() -> None:
    assert Status.PENDING == TASK.fold(["TaskCreated", "TaskPaused", "TaskResumed"])
    assert Status.APPROVED == TASK.fold(["TaskCreated", "TaskApproved", "TaskPaused", "TaskResumed"])
    assert Status.READY == TASK.fold(["TaskCreated", "TaskApproved", "TaskPaused", "TaskResumed", "TaskMarkedReady"])


# --- words -------------------------------------------------------------------------------------------------------


@EVERY
def test_a_refusal_names_the_verb_the_state_and_what_is_legal(lifecycle: Lifecycle) -> None:
    for state in lifecycle.states:
        said = lifecycle.refusal("complete", state)
        assert said.startswith(f"cannot complete: it is {state}; from {state} ")
        verbs = {move.verb for move in lifecycle.moves if state in move.sources}
        assert verbs == set(lifecycle.legal_from(state))
        assert f"from {state} {', '.join(sorted(verbs)) or 'nothing'} is possible" in said


def test_a_refusal_reads_as_a_sentence() -> None:
    assert TASK.refusal("complete", "cancelled") == (
        "cannot complete: it is cancelled; from cancelled nothing is possible"
    )


@EVERY
def test_the_diagram_has_every_arrow_once_with_every_verb(lifecycle: Lifecycle) -> None:
    first, *lines = lifecycle.diagram().splitlines()
    assert first == "stateDiagram-v2"
    wanted = {
        (old, move.target, move.verb) for move in lifecycle.moves for old in move.sources or ("[*]",)
    }  # fmt: skip
    drawn = [line.strip().partition(": ") for line in lines]
    arrows = [arrow.split(" --> ") for arrow, _, _ in drawn]
    assert len(arrows) == len({tuple(arrow) for arrow in arrows})
    assert {(old, end, "") for old, end in arrows if end == "[*]"} == {(end, "[*]", "") for end in lifecycle.ends}
    found = {
        (old, new, verb)
        for (old, new), (_, _, verbs) in zip(arrows, drawn, strict=True)
        for verb in verbs.split(", ")
        if verb
    }
    assert wanted == found
