"""What the SQL of the ledger spells out is what the domain says: events, states, bounds."""

import re
from pathlib import Path

import pytest

from penstock.dal.ledger.functions import FILES
from penstock.domain import limits
from penstock.domain.lifecycle import NOTES, PIPELINE, TASK, Lifecycle

ENGINES = {"postgresql": FILES, "sqlite": FILES.parent / "sqlite"}
# Which file holds which verbs of the table of legal moves; what follows from them is in files of its own.
FILES_OF_VERBS: dict[str, tuple[Lifecycle, tuple[str, ...]]] = {
    "create": (TASK, ("create",)),
    "retry": (TASK, ("create",)),
    "claim": (TASK, ("claim", "begin")),
    "settle": (TASK, ("complete", "fail", "schedule_retry", "defer", "release", "start")),
    "follow": (TASK, ("make_ready", "skip")),
    "recover": (TASK, ("recover", "abandon")),
    **{verb: (TASK, (verb,)) for verb in ("approve", "reject", "skip", "cancel", "reset", "pause")},
    "end_pipelines": (PIPELINE, ("complete", "fail")),
    "pause_pipelines": (PIPELINE, ("pause",)),
    "resume_pipelines": (PIPELINE, ("resume",)),
}


def text(engine: str, name: str) -> str:
    return (ENGINES[engine] / f"{name}.sql").read_text()


def whole(engine: str) -> str:
    return "\n".join(path.read_text() for path in sorted(ENGINES[engine].glob("*.sql")))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", FILES_OF_VERBS)
def test_a_verb_writes_the_events_of_its_moves_and_no_others(engine: str, name: str) -> None:
    lifecycle, verbs = FILES_OF_VERBS[name]
    events = {event for move in lifecycle.of(*verbs) for event in move.events}
    assert events == set(re.findall(r"'((?:Task|Pipeline)[A-Z]\w+)'", text(engine, name)))


def test_every_verb_of_the_table_has_its_file() -> None:
    for lifecycle in (TASK, PIPELINE):
        held = {verb for of, verbs in FILES_OF_VERBS.values() for verb in verbs if of is lifecycle}
        # Resuming is one file for three ways to it; pipelines start and are cancelled with their steps.
        assert {move.verb for move in lifecycle.moves} - held <= {"resume", "start", "cancel"}


@pytest.mark.parametrize("engine", ENGINES)
def test_every_event_that_is_written_is_known(engine: str) -> None:
    written = set(re.findall(r"'((?:Task|Pipeline)[A-Z]\w+)'", whole(engine)))
    assert {*TASK.events, *PIPELINE.events} <= written <= {*TASK.events, *PIPELINE.events, *NOTES}


@pytest.mark.parametrize("engine", ENGINES)
def test_the_bounds_that_are_spelled_out_are_those_of_the_domain(engine: str) -> None:
    found = whole(engine)
    assert {str(limits.RECOVERIES)} == set(re.findall(r"recoveries (?:>=|<) (\d+)", found))
    assert {str(limits.LEASE_MARGIN_SECONDS)} == set(re.findall(r"timeout_seconds \+ (\d+)", found))
    assert {str(limits.PAYLOAD)} == set(re.findall(r"> (2\d{5})\b", found))


def test_the_priorities_that_a_claim_goes_through_are_those_of_the_domain() -> None:
    first, last = limits.PRIORITY
    every = [str(priority) for priority in range(first, last + 1)]
    assert f"(VALUES ({'), ('.join(every)})) AS p (priority)" in text("postgresql", "claim")
    assert f"priority IN ({', '.join(every)})" in text("sqlite", "claim")


def test_every_verb_of_a_file_is_a_function_of_the_server() -> None:
    files = {engine: {path.stem for path in folder.glob("*.sql")} for engine, folder in ENGINES.items()}
    assert files["sqlite"] <= files["postgresql"]


@pytest.mark.parametrize("path", sorted(FILES.glob("*.sql")), ids=lambda path: path.stem)
def test_a_function_pins_its_search_path_and_names_every_table_with_its_schema(path: Path) -> None:
    found = path.read_text()
    if path.stem in ("types", "ring_at"):
        return
    assert "SET search_path = pg_catalog, pg_temp" in found
    tables = re.findall(r"\b(?:FROM|JOIN|INTO|UPDATE)\s+([a-z_]+)\b(?!\.)", _code(found))
    ours = {"task_executions", "pipeline_executions", "execution_events", "task_outbox", "task_dependencies", "tasks"}
    assert set() == ours & set(tables)


def _code(text: str) -> str:
    """Without comments."""
    return re.sub(r"--.*", "", text.partition("COMMENT ON")[0])
