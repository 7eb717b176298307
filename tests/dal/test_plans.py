"""At 200,000 executions a batch of ten costs what it costs at twenty: each question is answered from its index.

Plans are read for the values that are asked for and, on PostgreSQL, also for any values: such a generic plan is what a
statement gets that is prepared once and run often.
"""

from collections.abc import Iterator

import pytest

from penstock.dal import schema
from penstock.dal.store import Store
from tests.acting import Clock, store_at
from tests.dal import backlog
from tests.dal.explaining import Plan, plan
from tests.dal.questions import QUESTIONS
from tests.databases import ENGINE_KINDS, Databases

MODES = {"sqlite": [""], "postgresql": ["force_custom_plan", "force_generic_plan"]}
# A row costs SQLite's machine up to so many instructions: its columns, the index, the events that are written for it.
STEPS_PER_ROW = 200

FOREIGN_KEY = "found when what it refers to is deleted"
NO_QUESTION_YET = "of the noun's own verbs and views, which are not there yet"
WITHOUT_A_PLAN = {
    "ix_annotations_task_execution_id": FOREIGN_KEY,
    "ix_annotations_pipeline_execution_id": FOREIGN_KEY,
    "ix_schedules_task_id": FOREIGN_KEY,
    "ix_schedules_workflow_id": FOREIGN_KEY,
    "ix_workflow_tasks_task_id": FOREIGN_KEY,
    "ix_purge_log_open": "asked by the guards, for each row that is deleted",
    "ix_idempotency_keys_expires_at": NO_QUESTION_YET,
    "ix_schedules_next_run_at": NO_QUESTION_YET,
    "ix_sessions_client_id": NO_QUESTION_YET,
    "ix_sessions_heartbeat": NO_QUESTION_YET,
    "ix_sessions_user_id": NO_QUESTION_YET,
    "ix_tasks_task_type": NO_QUESTION_YET,
    "ix_tasks_workspace_path": NO_QUESTION_YET,
    "ix_tool_executions_status": NO_QUESTION_YET,
    "ix_tool_executions_tool_name": NO_QUESTION_YET,
    "ix_workflows_status": NO_QUESTION_YET,
}
BIG = {table.name for table in (backlog.E, backlog.P, backlog.V, backlog.O, backlog.D, schema.tool_executions)}
INDEXES = {str(index.name): index for table in schema.metadata.tables.values() for index in table.indexes}


@pytest.fixture(scope="module", params=ENGINE_KINDS)
def crowded(request: pytest.FixtureRequest, databases: Databases) -> Iterator[Store]:
    """A store with a year of history and a crowded present; no test leaves anything in it."""
    with databases.migrated(request.param) as url:
        store = store_at(url, Clock())
        backlog.fill(store.database.engine)
        yield store
        store.database.engine.dispose()


def plans(store: Store, name: str) -> dict[str, Plan]:
    engine = store.database.engine.dialect.name
    asked = QUESTIONS[name]
    modes = MODES[engine] if asked.only_on in (None, engine) else []
    return {mode: plan(store, asked.question, mode) for mode in modes}


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_question_is_answered_from_its_index(crowded: Store, name: str) -> None:
    asked = QUESTIONS[name]
    for mode, found in plans(crowded, name).items():
        assert (mode, []) == (mode, sorted(set(asked.indexes) - found.indexes))
        assert (mode, []) == (mode, sorted(found.whole_tables & BIG - set(asked.whole)))
        if asked.rows is not None:
            assert max(found.rows, found.steps / STEPS_PER_ROW) <= asked.rows, (mode, found)


@pytest.mark.parametrize("name", ["claim", "claim behind 100,000 that are not due"])
def test_a_claim_of_ten_touches_a_few_pages_of_memory(crowded: Store, name: str) -> None:
    """What it writes included, its indexes too: on a server. A file counts steps instead, which are bounded above."""
    found = list(plans(crowded, name).values())
    assert all(each.steps or 0 < each.pages < 500 for each in found), [each.pages for each in found]


def test_every_index_answers_a_question_or_says_why_it_is_there() -> None:
    earned = {index for asked in QUESTIONS.values() for index in asked.indexes}
    other = {name for name, index in INDEXES.items() if not index.unique and name not in earned}
    assert set(WITHOUT_A_PLAN) == other


def test_an_index_for_a_foreign_key_begins_with_one() -> None:
    for name in (name for name, reason in WITHOUT_A_PLAN.items() if reason == FOREIGN_KEY):
        assert next(iter(INDEXES[name].columns)).foreign_keys, name
