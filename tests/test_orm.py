"""The mapped classes: every table has one, none has drifted, they read what verbs write, and cannot rewrite what has ended."""

import re
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import pytest
import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy.exc import IntegrityError

import penstock.dal
from penstock import orm as mapped
from penstock.dal import events, executions, pipelines, schema
from penstock.dal.store import Store
from penstock.dal.views.tasks import OVERVIEW
from penstock.domain.executions import Outcome
from tests import shapes
from tests.acting import Clock, begin, by_hand, execution, job, only, run, step
from tests.migrations.rows import ROWS, inserts

CLASSES: list[Any] = mapped.Row.__subclasses__()
SECRET = {"lease", "settled_lease"}
IN_THE_SCHEMA = {"schema_translate_map": {None: "penstock"}}


def class_of(table: str) -> Any:
    (found,) = (each for each in CLASSES if each.__table__.name == table)
    return found


def relations_of(each: Any) -> set[str]:
    return set(each.__mapper__.relationships.keys())


def declared(each: Any) -> dict[str, Any]:
    """What is inside each Mapped[...] of a class, relations left out."""
    hints = {name: hint for name, hint in get_type_hints(each).items() if get_origin(hint) is orm.Mapped}
    return {name: get_args(hint)[0] for name, hint in hints.items() if name not in relations_of(each)}


def columns(each: Any) -> dict[str, Any]:
    """The columns of its table by the name of their attribute."""
    return {
        "metadata_" if column.name == "metadata" else column.name: column
        for column in each.__table__.c
        if column.name not in SECRET
    }


# --- no drift ----------------------------------------------------------------------------------------------------


def test_every_table_and_the_overview_have_a_class_over_the_very_table() -> None:
    expected = {**schema.metadata.tables, "task_overview": OVERVIEW}
    assert expected == {each.__table__.name: each.__table__ for each in CLASSES}
    assert {"Row", *(each.__name__ for each in CLASSES)} == set(mapped.__all__)


@pytest.mark.parametrize("each", CLASSES, ids=lambda each: each.__name__)
def test_a_class_says_of_each_column_what_its_table_says(each: Any) -> None:
    said = {name: shapes.of_hint(hint) for name, hint in declared(each).items()}
    assert set(columns(each)) == {attribute.key for attribute in each.__mapper__.column_attrs}
    if each is mapped.TaskOverview:  # A view does not say what may be missing.
        assert {name: shapes.of_column(column)[0] for name, column in columns(each).items()} == {
            name: kind for name, (kind, _) in said.items()
        }
    else:
        assert {name: shapes.of_column(column) for name, column in columns(each).items()} == said


def test_relations_are_only_looked_at() -> None:
    assert {True} == {relation.viewonly for each in CLASSES for relation in each.__mapper__.relationships}


def test_only_the_dialect_knows_the_orm_within_the_dal() -> None:
    """It recognises a session that somebody wants to join."""
    dal = Path(str(penstock.dal.__file__)).parent
    knowing = {
        str(file.relative_to(dal))
        for file in dal.rglob("*.py")
        if re.search(r"^\s*(from sqlalchemy import .*\borm\b|.*sqlalchemy\.orm)", file.read_text(), re.MULTILINE)
    }
    assert {"dialect/databases.py"} == knowing


# --- reading -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("each", CLASSES, ids=lambda each: each.__name__)
def test_a_row_of_each_table_is_read_as_the_types_that_its_class_declares(store: Store, each: Any) -> None:
    run(store, *inserts(ROWS))
    with orm.Session(store.database.engine) as session:
        found = session.scalars(sa.select(each)).first()
        read = {name: getattr(found, name) for name in columns(each)}
    kinds = {name: shapes.of_hint(hint)[0] for name, hint in declared(each).items()}
    assert {name: kinds[name] for name, value in read.items() if value is not None} == {
        name: shapes.of_hint(type(value))[0] for name, value in read.items() if value is not None
    }


def test_an_execution_is_read_with_all_that_hangs_on_it(store: Store, clock: Clock) -> None:
    started = store.alone(pipelines.start, pipelines.NewPipeline("p", [step("a", metadata={"k": 1}), step("b", "a")]))
    (first,) = (moved.id for moved in started.moved if moved.status == "ready")
    (running,) = begin(store, first)
    store.alone(executions.complete, running, Outcome(services_touched=("crm",), suggestions=({"try": "again"},)))
    with orm.Session(store.database.engine) as session:
        a = session.get_one(mapped.TaskExecution, first)
        (b,) = a.children
        assert ({"k": 1}, ["crm"], [{"try": "again"}]) == (a.metadata_, a.services_touched, a.suggestions)
        assert [a] == b.parents
        assert b.doorbell is not None
        assert (None, None, clock.now) == (a.doorbell, b.pause, b.doorbell.available_at)
        assert ["TaskCreated", "TaskMarkedReady", "TaskClaimed", "TaskStarted", "TaskCompleted"] == [
            event.event_type for event in a.events
        ]
        assert a.pipeline is not None
        assert ([a, b], 8) == (a.pipeline.tasks, len(a.pipeline.events))


def test_a_paused_execution_is_found_through_its_entry(store: Store) -> None:
    id = only(store.alone(executions.create, job()))
    store.alone(executions.pause, [id], work_plan={"step": 2})
    with orm.Session(store.database.engine) as session:
        entry = session.scalars(sa.select(mapped.PauseQueueEntry)).one()
        assert ({"step": 2}, "manual_pause", id) == (entry.work_plan, entry.reason, entry.task_execution.id)
        assert entry is entry.task_execution.pause


def test_the_leases_of_an_execution_are_not_read() -> None:
    assert not [name for name in SECRET if hasattr(mapped.TaskExecution, name)]


# --- not writing -------------------------------------------------------------------------------------------------


def test_a_verb_joins_the_session_that_reads(store: Store) -> None:
    native = store.database.engine.dialect.name == "postgresql"
    engine = sa.create_engine(store.database.engine.url, execution_options=IN_THE_SCHEMA if native else {})
    with orm.Session(engine) as session:
        tx = store.join(session)
        id = only(executions.create(tx, job()))
        events.create(tx, "TaskNoted", task_execution_id=id)
        assert "ready" == session.get_one(mapped.TaskExecution, id).status
        session.commit()
    engine.dispose()
    assert "ready" == execution(store, id).status


def test_a_server_refuses_every_flush_that_changes_the_ledger(postgres: Store) -> None:
    """Also one that the table of moves would allow: it would leave no event."""
    id = only(postgres.alone(executions.create, job()))
    before = execution(postgres, id)
    with orm.Session(postgres.database.engine) as session:
        session.get_one(mapped.TaskExecution, id).status = "paused"
        session.get_one(mapped.TaskExecution, id).version += 1
        with pytest.raises(IntegrityError, match="task_executions is written by the functions"):
            session.flush()
        session.rollback()
        session.delete(session.scalars(sa.select(mapped.OutboxEntry)).one())
        with pytest.raises(IntegrityError, match="task_outbox is written by the functions"):
            session.flush()
        session.rollback()
        session.add(mapped.ExecutionEvent(task_execution_id=id, event_type="TaskNoted", actor="nobody"))
        with pytest.raises(IntegrityError, match="execution_events is written by the functions"):
            session.flush()
    assert before == execution(postgres, id)


# The guards are the last judge, also where a session passes for a function.


def test_the_guard_refuses_a_flush_that_changes_what_has_ended(store: Store) -> None:
    id = only(store.alone(executions.create, job()))
    store.alone(executions.cancel, [id])
    before = execution(store, id)
    with by_hand(store) as connection, orm.Session(connection) as session:
        session.get_one(mapped.TaskExecution, id).name = "other"
        with pytest.raises(IntegrityError, match="what has ended cannot be changed"):
            session.flush()
    assert before == execution(store, id)


def test_the_guard_refuses_a_flush_that_moves_without_a_version_and_one_that_rewrites_history(store: Store) -> None:
    id = only(store.alone(executions.create, job()))
    with by_hand(store) as connection, orm.Session(connection) as session:
        session.get_one(mapped.TaskExecution, id).status = "paused"
        with pytest.raises(IntegrityError, match="only with a new version"):
            session.flush()
        session.rollback()
        session.scalars(sa.select(mapped.ExecutionEvent)).all()[0].actor = "nobody"
        with pytest.raises(IntegrityError, match="only ever added to"):
            session.flush()
    assert "ready" == execution(store, id).status
