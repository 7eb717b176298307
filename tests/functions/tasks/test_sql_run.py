"""sql.run over real databases: what it may do, what it keeps, and whose login it never uses."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import make_url

from penstock.work.shift import MARGIN
from tests.amazon import Amazon
from tests.databases import POSTGRES, SQLITE, Databases
from tests.functions.tasks.conftest import Run, refused
from worker.tasks.sql_run import HEAD_START


@pytest.fixture(params=[SQLITE, POSTGRES])
def warehouse(request: pytest.FixtureRequest, databases: Databases) -> Iterator[sa.Engine]:
    """Somebody's own database, with a table of three rows."""
    with databases.empty(request.param) as url:
        engine = sa.create_engine(url, poolclass=sa.NullPool)
        with engine.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE items (id integer PRIMARY KEY, name text)")
            connection.execute(sa.text("INSERT INTO items VALUES (1, 'one'), (2, 'two'), (3, 'half %')"))
        yield engine


def url_of(engine: sa.Engine) -> str:
    return engine.url.render_as_string(hide_password=False)


def reach(**urls: str) -> dict[str, str]:
    return {"SQL_RUN_CONNECTIONS": json.dumps(urls)}


def sql(run: Run, engine: sa.Engine, *statements: str, **config: Any) -> Any:
    return run(
        "sql.run",
        {"connection": "warehouse", "statements": list(statements), **config},
        **reach(warehouse=url_of(engine)),
    )


def names(engine: sa.Engine) -> list[str]:
    with engine.connect() as connection:
        return list(connection.exec_driver_sql("SELECT name FROM items ORDER BY id").scalars())


def test_statements_are_run_and_what_they_did_is_kept(run: Run, warehouse: sa.Engine) -> None:
    row = sql(run, warehouse, "DELETE FROM items WHERE id < 3", "SELECT id, name FROM items")
    assert ("completed", ["sql:warehouse"]) == (row.status, list(row.services_touched))
    deleted, selected = row.outcome["statements"]
    assert {"rowcount": 2} == deleted
    assert (["id", "name"], [[3, "half %"]], False) == (selected["columns"], selected["rows"], selected["truncated"])
    assert ["half %"] == names(warehouse)


def test_all_statements_are_one_transaction(run: Run, warehouse: sa.Engine) -> None:
    row = sql(
        run, warehouse, "DELETE FROM items", "CREATE TABLE other (id integer)", "INSERT INTO items VALUES ('x', 1, 2)"
    )
    assert ("ready", 2) == (row.status, row.attempt)
    assert ["one", "two", "half %"] == names(warehouse)
    assert ["items"] == sa.inspect(warehouse).get_table_names()


def test_vacuum_runs_with_autocommit_and_only_so(run: Run, warehouse: sa.Engine) -> None:
    assert "ready" == sql(run, warehouse, "VACUUM").status
    assert "completed" == sql(run, warehouse, "VACUUM", "ANALYZE", autocommit=True).status


def test_an_error_has_the_name_and_the_words_of_the_driver(run: Run, warehouse: sa.Engine) -> None:
    row = sql(run, warehouse, "SELECT * FROM nowhere")
    assert "nowhere" in row.error
    assert "sqlalche.me" not in row.error


def test_only_the_first_rows_are_kept(run: Run, warehouse: sa.Engine) -> None:
    row = sql(run, warehouse, "SELECT id FROM items ORDER BY id", "SELECT id FROM items", max_rows=2)
    first, _ = row.outcome["statements"]
    assert ([[1], [2]], True) == (first["rows"], first["truncated"])
    row = sql(run, warehouse, "SELECT id FROM items", max_rows=0)
    assert ([], True) == (row.outcome["statements"][0]["rows"], row.outcome["statements"][0]["truncated"])


def test_rows_of_any_size_can_be_kept(run: Run, warehouse: sa.Engine) -> None:
    wide = "SELECT " + ", ".join(f"'{'x' * 1_000}' AS c{number}" for number in range(60))
    row = sql(run, warehouse, *[wide] * 4)
    assert "completed" == row.status
    assert [False, False, True, True] == [each["truncated"] for each in row.outcome["statements"]]


def test_values_that_are_no_json_are_kept_as_text(run: Run, databases: Databases) -> None:
    with databases.empty(POSTGRES) as url:
        engine = sa.create_engine(url, poolclass=sa.NullPool)
        row = sql(
            run,
            engine,
            "SELECT 1.50::numeric, 'NaN'::float8, '2026-01-02'::date, '\\xcafe'::bytea, '{\"a\": [1]}'::jsonb,"
            " '00000000-0000-0000-0000-000000000001'::uuid, NULL, true, array[1, 2], 'x' || repeat('y', 2000)",
        )
    (values,) = row.outcome["statements"][0]["rows"]
    assert [
        "1.50",
        "nan",
        "2026-01-02",
        "cafe",
        {"a": [1]},
        "00000000-0000-0000-0000-000000000001",
        None,
        True,
        [1, 2],
    ] == values[:9]
    assert 2001 == len(values[9])


def test_a_statement_ends_in_time_and_on_the_server_too(run: Run, warehouse: sa.Engine) -> None:
    endless = (
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
        if warehouse.dialect.name == "sqlite"
        else "SELECT pg_sleep(3600)"
    )
    left = MARGIN + HEAD_START + timedelta(seconds=0.3)
    config = {"connection": "warehouse", "statements": [endless]}
    row = run("sql.run", config, left=left, **reach(warehouse=url_of(warehouse)))
    assert ("ready", 2) == (row.status, row.attempt)
    assert row.error.startswith(("interrupted", "canceling statement due to statement timeout"))


def test_a_statement_may_be_run_often(run: Run, warehouse: sa.Engine) -> None:
    """So often that the driver would have the server prepare it, in a session that a pooler then gives to somebody else."""
    for _ in range(2):
        for autocommit in (False, True):
            assert "completed" == sql(run, warehouse, *["SELECT 1"] * 10, autocommit=autocommit).status


def test_the_limit_of_a_transaction_is_nobody_else_s(run: Run, databases: Databases) -> None:
    """A pooler gives the session to others; each of the few that it has is looked at."""
    with databases.empty(POSTGRES) as url:
        engine = sa.create_engine(url, poolclass=sa.NullPool)
        assert ["completed"] * 4 == [sql(run, engine, "SELECT 1").status for _ in range(4)]
        limits = []
        for _ in range(4):
            with engine.connect() as connection:
                limits.append(connection.exec_driver_sql("SHOW statement_timeout").scalar_one())
    assert ["0"] * 4 == limits


# --- whose login -------------------------------------------------------------------------------------------------


def test_penstocks_own_database_file_is_refused(run: Run, environ: dict[str, str], tmp_path: Path) -> None:
    row = run(
        "sql.run",
        {"connection": "c", "statements": ["DELETE FROM execution_events"]},
        **reach(c=environ["DATABASE_URL"]),
    )
    error = "the connection c is Penstock's own login; give it one of its own"
    assert ("NotAllowed", error) == refused(row)
    link = tmp_path / "other-name.db"
    link.symlink_to(str(make_url(environ["DATABASE_URL"]).database))
    row = run(
        "sql.run", {"connection": "c", "statements": ["DELETE FROM execution_events"]}, **reach(c=f"sqlite:///{link}")
    )
    assert ("NotAllowed", error) == refused(row)


def test_penstocks_own_login_is_refused_by_whatever_name_its_server_goes(run: Run, postgres_url: str) -> None:
    config = {"connection": "c", "statements": ["SELECT 1"]}
    own = make_url(postgres_url)
    plain = own.set(drivername="postgresql").render_as_string(hide_password=False)
    for name in (
        postgres_url,
        plain,
        f"{plain}&application_name=other" if "?" in plain else f"{plain}?application_name=other",
    ):
        assert "NotAllowed" == refused(run("sql.run", config, DATABASE_URL=postgres_url, **reach(c=name)))[0]


def test_another_login_to_the_same_database_is_allowed_what_it_is_granted(run: Run, postgres_url: str) -> None:
    engine = sa.create_engine(postgres_url, poolclass=sa.NullPool)
    other = make_url(postgres_url).set(username="janitor").render_as_string(hide_password=False)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP ROLE IF EXISTS janitor")
        connection.exec_driver_sql("CREATE ROLE janitor LOGIN")
    try:
        row = run(
            "sql.run",
            {"connection": "c", "statements": ["SELECT session_user"]},
            DATABASE_URL=postgres_url,
            **reach(c=other),
        )
        assert ("completed", [["janitor"]]) == (row.status, row.outcome["statements"][0]["rows"])
        row = run(
            "sql.run",
            {"connection": "c", "statements": ["DELETE FROM penstock.task_executions"]},
            DATABASE_URL=postgres_url,
            **reach(c=other),
        )
        assert ("ready", "permission denied for schema penstock") == (row.status, row.error.splitlines()[0])
    finally:
        with engine.begin() as connection:
            connection.exec_driver_sql("DROP ROLE janitor")


def test_a_connection_may_be_a_secret(run: Run, amazon: Amazon, databases: Databases) -> None:
    with databases.empty(POSTGRES) as url:
        parts = make_url(url)
        secret: dict[str, Any] = {
            "username": parts.username,
            "password": "none",
            "host": parts.host or parts.query["host"],
            "dbname": parts.database,
        }
        if parts.port:
            secret["port"] = parts.port
        arn = amazon.client("secretsmanager").create_secret(Name="warehouse", SecretString=json.dumps(secret))["ARN"]
        row = run("sql.run", {"connection": "c", "statements": ["SELECT 1 AS one"]}, **reach(c=arn))
    assert ("completed", ["one"]) == (row.status, row.outcome["statements"][0]["columns"])


# --- what is refused ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "kind", "error"),
    [
        (None, "NotAllowed", "the connection c is not listed in SQL_RUN_CONNECTIONS"),
        ("no url", "InvalidSetting", "SQL_RUN_CONNECTIONS names no database for c"),
        ("oracle://a/b", "NotAllowed", "c is no database of a kind that sql.run knows: postgresql, sqlite"),
    ],
)
def test_a_connection_that_is_not_allowed_is_refused_for_good(run: Run, url: str | None, kind: str, error: str) -> None:
    urls = {} if url is None else {"c": url}
    assert (kind, error) == refused(run("sql.run", {"connection": "c", "statements": ["SELECT 1"]}, **reach(**urls)))


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"connection": 7}, "config.connection: must be a text that is not blank"),
        ({"statements": []}, "config.statements: must be a list of at least one statement"),
        ({"statements": "VACUUM"}, "config.statements: must be a list of at least one statement"),
        ({"statements": ["a", " "]}, "config.statements[1]: must be a text that is not blank"),
        ({"statements": ["a"] * 101}, "config.statements: has 101 entries; at most 100 are allowed at once"),
        ({"autocommit": 1}, "config.autocommit: is 1; it must be true or false"),
        ({"max_rows": 1_001}, "config.max_rows: is 1001; it must be a whole number from 0 to 1,000"),
    ],
)
def test_a_config_that_is_wrong_is_refused_by_its_field(run: Run, changes: dict[str, Any], error: str) -> None:
    config = {"connection": "c", "statements": ["SELECT 1"], **changes}
    assert ("InvalidConfig", error) == refused(run("sql.run", config, **reach()))
