"""The catalogue on both engines: names are taken once, a change is seen, what is in use stays, a run costs little."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from penstock.dal import pipelines, schema, tasks
from penstock.dal.dialect import Query, Session
from penstock.dal.store import Store, Tx
from penstock.domain.errors import InUse, InvalidInput, NameTaken, NotFound, VersionChanged
from penstock.domain.lifecycle import Status
from penstock.domain.pipelines import TriggerRule
from penstock.domain.retry import Retry
from penstock.domain.tasks import NewTask, Run, RunStep
from tests.acting import MINUTE, Clock, execution, only, row, rows, step
from tests.racing import overlapping

MICROSECOND = timedelta(microseconds=1)


def task(name: str = "export", **options: Any) -> NewTask:
    return NewTask(name, "A title", "noop", **options)


def created(store: Store, name: str = "export", **options: Any) -> UUID:
    (made,) = store.alone(tasks.create, task(name, **options))
    id: UUID = made.id
    return id


def as_said(kept: Any) -> NewTask:
    """A row, as somebody would have asked for it."""
    values = {name: getattr(kept, name) for name in NewTask.__dataclass_fields__}
    return NewTask(**{**values, "retry": Retry.read(kept.retry)})


def insert(store: Store, table: sa.Table, **values: Any) -> None:
    with store.database.engine.connect() as connection:
        connection.execute(sa.insert(table).values(**values))


# --- creating ----------------------------------------------------------------------------------------------------


def test_tasks_are_created_in_the_order_in_which_they_were_given(store: Store, clock: Clock) -> None:
    made = store.alone(tasks.create, task("b"), task("a"), task("c"))
    assert ["b", "a", "c"] == [each.name for each in made]
    assert {each.id: each for each in made} == {each.id: each for each in rows(store, schema.tasks)}
    assert {(clock.now, clock.now)} == {(each.created_at, each.updated_at) for each in made}


def test_a_task_keeps_all_that_was_said_of_it(store: Store) -> None:
    said = NewTask(
        "export", "Export", "sql.run", "Each night", "nightly", {"a": [1, None]}, {"team": "data"}, "/exports", 1, 7,
        Retry("fixed", 9, on=("Boom",)), 60, requires_approval=True,
    )  # fmt: skip
    (made,) = store.alone(tasks.create, said)
    assert said == as_said(made) == as_said(row(store, schema.tasks, made.id))


def test_a_name_is_taken_once(store: Store) -> None:
    created(store)
    with pytest.raises(NameTaken, match="the name 'export' is taken"):
        store.alone(tasks.create, task("export"))
    assert 1 == len(rows(store, schema.tasks))


def test_of_several_tasks_all_are_created_or_none(store: Store) -> None:
    created(store, "b")
    with pytest.raises(NameTaken, match="'b'"):
        store.alone(tasks.create, task("a"), task("b"), task("c"))
    assert ["b"] == [each.name for each in rows(store, schema.tasks)]


def test_a_taken_name_leaves_the_transaction_alive(store: Store) -> None:
    created(store, "a")
    with store.begin() as tx:
        with pytest.raises(NameTaken):
            tasks.create(tx, task("a"))
        tasks.create(tx, task("b"))
    assert ["a", "b"] == [each.name for each in rows(store, schema.tasks)]


def test_two_new_tasks_of_one_name_are_refused(store: Store) -> None:
    with pytest.raises(InvalidInput, match=r"^name: is given to several of these tasks: a"):
        store.alone(tasks.create, task("a"), task("a"), task("b"))


def test_who_takes_a_name_at_the_same_time_waits_and_is_told(postgres: Store) -> None:
    def second() -> str:
        with pytest.raises(NameTaken) as refused:
            postgres.alone(tasks.create, task("export"))
        return refused.value.name

    _, refused = overlapping(postgres, lambda tx: tasks.create(tx, task("export")), second)
    assert "export" == refused


# --- changing ----------------------------------------------------------------------------------------------------


def test_a_change_touches_what_it_names_and_nothing_else(store: Store, clock: Clock) -> None:
    (before,) = store.alone(tasks.create, task(config={"a": 1}, description="old"))
    clock.pass_(MINUTE)
    changed = store.alone(tasks.change, before.id, {"title": "New", "retry": Retry(delay_seconds=5), "priority": 1})
    expected = replace(as_said(before), title="New", priority=1, retry=Retry(delay_seconds=5))
    assert expected == as_said(changed) == as_said(row(store, schema.tasks, before.id))
    assert (before.id, before.created_at, clock.now) == (changed.id, changed.created_at, changed.updated_at)


def test_what_a_task_need_not_have_is_taken_away(store: Store) -> None:
    id = created(store, metadata={"a": 1}, description="text", workspace_path="/a")
    changed = store.alone(tasks.change, id, {"metadata": None, "description": None, "workspace_path": None})
    assert (None, None, None) == (changed.metadata, changed.description, changed.workspace_path)
    assert [id] == [each.id for each in rows(store, schema.tasks, schema.tasks.c.metadata.is_(sa.null()))]


def test_each_change_is_later_than_the_one_before_even_while_the_clock_stands_still(store: Store, clock: Clock) -> None:
    clock.pass_(timedelta(seconds=59, microseconds=999_998))
    id = created(store)
    times = [store.alone(tasks.change, id, {"priority": priority}).updated_at for priority in (1, 2, 3)]
    assert [clock.now + MICROSECOND, clock.now + 2 * MICROSECOND, clock.now + 3 * MICROSECOND] == times
    clock.pass_(-MINUTE)
    assert times[-1] + MICROSECOND == store.alone(tasks.change, id, {"priority": 4}).updated_at


def test_a_change_is_refused_if_somebody_has_changed_it_since(store: Store, clock: Clock) -> None:
    (read,) = store.alone(tasks.create, task())
    store.alone(tasks.change, read.id, {"title": "Theirs"}, unless_changed_since=read.updated_at)
    with pytest.raises(VersionChanged) as refused:
        store.alone(tasks.change, read.id, {"title": "Mine"}, unless_changed_since=read.updated_at)
    assert (read.id, clock.now, clock.now + MICROSECOND) == (
        refused.value.id, refused.value.expected, refused.value.actual,
    )  # fmt: skip
    assert "Theirs" == row(store, schema.tasks, read.id).title


def test_of_two_changes_of_one_version_the_second_is_refused(postgres: Store) -> None:
    (read,) = postgres.alone(tasks.create, task())

    def change(tx: Tx, title: str) -> Any:
        return tasks.change(tx, read.id, {"title": title}, unless_changed_since=read.updated_at)

    def second() -> bool:
        with pytest.raises(VersionChanged):
            postgres.alone(change, "second")
        return True

    assert overlapping(postgres, lambda tx: change(tx, "first").title, second) == ("first", True)
    assert "first" == row(postgres, schema.tasks, read.id).title


def test_a_change_of_no_task_is_not_found(store: Store, clock: Clock) -> None:
    id = uuid4()
    for since in (None, clock.now):
        with pytest.raises(NotFound, match=f"there is no task {id}"):
            store.alone(tasks.change, id, {"title": "New"}, unless_changed_since=since)


def test_a_task_cannot_take_the_name_of_another(store: Store) -> None:
    created(store, "a")
    id = created(store, "b")
    with pytest.raises(NameTaken, match="'a'"):
        store.alone(tasks.change, id, {"name": "a"})
    assert "b" == row(store, schema.tasks, id).name


def test_a_change_that_breaks_a_limit_is_refused(store: Store) -> None:
    with pytest.raises(InvalidInput, match=r"^priority: is 9"):
        store.alone(tasks.change, created(store), {"priority": 9})


# --- deleting ----------------------------------------------------------------------------------------------------


def test_a_task_that_nobody_uses_is_deleted(store: Store) -> None:
    kept, gone = created(store, "kept"), created(store, "gone")
    store.alone(tasks.delete, gone)
    assert [kept] == [each.id for each in rows(store, schema.tasks)]
    with pytest.raises(NotFound, match=f"there is no task {gone}"):
        store.alone(tasks.delete, gone)


def test_a_task_in_use_stays_and_its_users_are_named(store: Store) -> None:
    id, workflow = created(store), uuid4()
    store.alone(tasks.run, [Run("export")])
    insert(store, schema.workflows, id=workflow, name="w", definition={})
    insert(store, schema.workflow_tasks, workflow_id=workflow, task_id=id, step="export")
    insert(store, schema.schedules, id=uuid4(), name="s", task_id=id, expression="rate(1 day)")
    with pytest.raises(InUse, match="is used by task executions, workflow tasks, schedules; it can be deleted once"):
        store.alone(tasks.delete, id)
    assert 1 == len(rows(store, schema.tasks))


def test_who_deletes_a_task_that_is_just_being_run_waits_and_is_refused(postgres: Store) -> None:
    id = created(postgres)

    def delete() -> tuple[str, ...]:
        with pytest.raises(InUse) as refused:
            postgres.alone(tasks.delete, id)
        return refused.value.users

    _, users = overlapping(postgres, lambda tx: tasks.run(tx, [Run("export")]), delete)
    assert ("task executions",) == users


def test_who_runs_a_task_that_is_just_being_deleted_waits_and_is_told(postgres: Store) -> None:
    id = created(postgres)

    def run() -> str:
        with pytest.raises(InvalidInput) as refused:
            postgres.alone(tasks.run, [Run("export")])
        return str(refused.value)

    _, told = overlapping(postgres, lambda tx: tasks.delete(tx, id), run)
    assert "task: names no task of the catalogue: export" == told


# --- running -----------------------------------------------------------------------------------------------------


def test_a_run_is_an_execution_of_its_task(store: Store, clock: Clock) -> None:
    id = created(store, config={"a": 1, "b": 2}, queue="nightly", retry=Retry("fixed", 9), timeout_seconds=60)
    run = execution(store, only(store.alone(tasks.run, [Run("export", {"b": 3}, priority=1)])))
    assert (id, "export", "noop", "nightly", {"a": 1, "b": 3}, 1, 60, Status.READY) == (
        run.task_id, run.name, run.task_type, run.queue, run.config, run.priority, run.timeout_seconds, run.status,
    )  # fmt: skip
    assert Retry("fixed", 9) == Retry.read(run.retry)


def test_a_run_of_a_task_that_asks_for_approval_waits_for_it(store: Store) -> None:
    created(store, requires_approval=True)
    assert [Status.PENDING] == [moved.status for moved in store.alone(tasks.run, [Run("export")]).moved]


def test_a_run_may_begin_later(store: Store, clock: Clock) -> None:
    created(store)
    (bell,) = store.alone(tasks.run, [Run("export", available_at=clock.now + MINUTE)]).bells
    assert clock.now + MINUTE == bell.available_at


def test_a_later_change_of_the_task_leaves_its_runs_alone(store: Store) -> None:
    id = created(store, config={"a": 1})
    run = only(store.alone(tasks.run, [Run("export")]))
    store.alone(tasks.change, id, {"config": {"a": 2}, "name": "renamed"})
    assert ({"a": 1}, "export") == (execution(store, run).config, execution(store, run).name)


def test_a_run_of_an_unknown_task_names_it_and_writes_nothing(store: Store) -> None:
    created(store)
    with pytest.raises(InvalidInput, match=r"^task: names no task of the catalogue: import, clean$"):
        store.alone(tasks.run, [Run("export"), Run("import"), Run("clean"), Run("import")])
    assert [] == rows(store, schema.task_executions)


@dataclass(frozen=True, slots=True)
class Counted(Session):
    """A session that counts what is run on it."""

    calls: list[str] = field(default_factory=list)

    def run(self, query: Query, params: Any) -> list[Any]:
        self.calls.append("query")
        return Session.run(self, query, params)

    def call(self, name: str, *arguments: Any) -> Any:
        self.calls.append(name)
        return Session.call(self, name, *arguments)


def calls(store: Store, verb: Callable[[Tx], object]) -> int:
    """How many calls of the database a verb needs, inside a transaction."""
    with store.database.transaction() as session:
        counted = Counted(session.cursor, session.has_functions, session.spans)
        verb(Tx(counted, store.clock(), store.actor, store.new_id, store.chance))
    return len(counted.calls)


def test_a_thousand_runs_cost_as_many_calls_as_one(store: Store) -> None:
    for number in range(10):
        created(store, f"task {number}")
    thousand = [Run(f"task {number % 10}", {"number": number}) for number in range(1_000)]
    assert 2 == calls(store, lambda tx: tasks.run(tx, thousand[:1]))
    assert 2 == calls(store, lambda tx: tasks.run(tx, thousand))
    assert 1_001 == len(rows(store, schema.task_outbox))


def test_a_thousand_tasks_are_created_by_one_call(store: Store) -> None:
    assert 1 == calls(store, lambda tx: tasks.create(tx, *(task(f"task {number}") for number in range(1_000))))
    assert 1_000 == len(rows(store, schema.tasks))


# --- pipelines of tasks ------------------------------------------------------------------------------------------


def test_a_pipeline_of_tasks_is_started_whole(store: Store) -> None:
    ids = {name: created(store, name) for name in ("extract", "load")}
    steps = [
        RunStep(Run("extract", {"part": 1}), "one"),
        RunStep(Run("extract", {"part": 2}), "two"),
        RunStep(Run("load"), None, ("one", "two"), TriggerRule.ALL_DONE),
    ]
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    started = store.alone(tasks.start, "nightly", steps, input={"day": 1}, traceparent=trace)
    pipeline = row(store, schema.pipeline_executions, started.pipelines[0].id)
    assert ("nightly", {"day": 1}, 3, trace) == (
        pipeline.name, pipeline.input, pipeline.unfinished, pipeline.traceparent,
    )  # fmt: skip
    told = {
        each.name: (each.task_id, each.status, each.config, each.trigger_rule, each.traceparent)
        for each in rows(store, schema.task_executions)
    }
    assert {
        "one": (ids["extract"], Status.READY, {"part": 1}, "all_success", trace),
        "two": (ids["extract"], Status.READY, {"part": 2}, "all_success", trace),
        "load": (ids["load"], Status.PENDING, {}, "all_done", trace),
    } == told


def test_a_pipeline_of_tasks_costs_two_calls(store: Store) -> None:
    created(store)
    chain = [RunStep(Run("export"), f"s{n}", (f"s{n - 1}",) if n else ()) for n in range(200)]
    assert 2 == calls(store, lambda tx: tasks.start(tx, "p", chain))


def test_a_pipeline_of_an_unknown_task_is_refused(store: Store) -> None:
    with pytest.raises(InvalidInput, match=r"^task: names no task of the catalogue: export$"):
        store.alone(tasks.start, "p", [RunStep(Run("export"))])


def test_tasks_that_a_pipeline_wrote_without_the_catalogue_are_no_users_of_it(store: Store) -> None:
    id = created(store)
    store.alone(pipelines.start, pipelines.NewPipeline("p", [step("export")]))
    store.alone(tasks.delete, id)
    assert [] == rows(store, schema.tasks)
