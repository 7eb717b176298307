"""task_overview: every task with its newest execution, at the price of one probe of an index a task."""

from collections.abc import Iterator
from uuid import UUID

import pytest
import sqlalchemy as sa

from tests.migrations.revisions import connected, execute

TASKS, RUNS = 100, 500
RUN = """
INSERT INTO task_executions (id, task_id, name, task_type, created_by, status, completed_at, error)
WITH RECURSIVE run (number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM run WHERE number < {runs})
SELECT {id}, t.id, t.name, t.task_type, 'ann', 'cancelled', t.created_at, 'run ' || number
FROM tasks AS t, run WHERE t.name <> 'idle'
"""
# Ids that sort as they were made: the last twelve digits count the runs.
ID = "'00000000-0000-7000-8000-' || substr(CAST(1000000000000 + {runs} * CAST(t.title AS BIGINT) + number AS TEXT), 2)"
AS_ID = {"sqlite": ID, "postgresql": f"CAST({ID} AS UUID)"}


@pytest.fixture
def connection(database_url: str) -> Iterator[sa.Connection]:
    """A hundred tasks, of which each but the last has run five hundred times."""
    with connected(database_url) as connection:
        names = [*(f"task {t}" for t in range(TASKS - 1)), "idle"]
        tasks = ", ".join(f"('{UUID(int=t)}', '{name}', '{t}', 'sql.run')" for t, name in enumerate(names))
        runs = RUN.format(runs=RUNS, id=AS_ID[connection.dialect.name].format(runs=RUNS))
        execute(connection, [f"INSERT INTO tasks (id, name, title, task_type) VALUES {tasks}", runs, "ANALYZE"])
        yield connection


def test_each_task_is_shown_with_its_newest_execution(connection: sa.Connection) -> None:
    rows = connection.exec_driver_sql("SELECT name, status, error FROM task_overview").all()
    assert TASKS == len(rows)
    for name, status, error in rows:
        assert ((None, None) if name == "idle" else ("cancelled", f"run {RUNS}")) == (status, error)


ONE = f"id = '{UUID(int=7)}'"
PAGE = "name > 'task 5' ORDER BY name LIMIT 20"
FAILED = "status = 'failed' ORDER BY id LIMIT 20"


@pytest.mark.parametrize("condition", [ONE, PAGE, FAILED])
def test_a_task_costs_a_probe_of_the_index_and_no_pass_over_the_executions(
    connection: sa.Connection, condition: str
) -> None:
    explain = "EXPLAIN QUERY PLAN" if connection.dialect.name == "sqlite" else "EXPLAIN"
    rows = connection.exec_driver_sql(f"{explain} SELECT * FROM task_overview WHERE {condition}").all()
    plan = "\n".join(str(row[-1]) for row in rows)
    assert "ix_task_executions_task_id" in plan
    for pass_over_all in ("Seq Scan on task_executions", "SCAN e", "SCAN n", "Sort Key: n"):
        assert pass_over_all not in plan
