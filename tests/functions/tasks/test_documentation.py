"""docs/task-types.md: its functions run, its configs are taken, and its outcomes are what comes out."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from penstock import wiring
from penstock.dal import executions
from penstock.work import registry
from penstock.work.configs import read_config
from tests.acting import execution
from tests.functions.tasks.conftest import Run, refused
from tests.working import Worker
from worker.tasks import http_request, lambda_invoke, s3_expire, sql_run

PAGE = (Path(__file__).parents[3] / "docs" / "task-types.md").read_text()
BLOCKS = re.findall(r"```(\w+) ?(\S*)\n(.*?)```", PAGE, re.DOTALL)
EXAMPLES = [code for language, _, code in BLOCKS if language == "python"]
CONFIGS = {name: json.loads(text) for language, name, text in BLOCKS if language == "json" and name != "outcome"}
OUTCOMES = [json.loads(text) for language, name, text in BLOCKS if name == "outcome"]
SHIPPED = {
    "http.request": http_request.HttpRequest,
    "sql.run": sql_run.SqlRun,
    "lambda.invoke": lambda_invoke.LambdaInvoke,
    "s3.expire": s3_expire.S3Expire,
}
WRITTEN = list(CONFIGS)[:2]


@pytest.fixture
def examples(monkeypatch: pytest.MonkeyPatch) -> None:
    """The functions of the page, registered."""
    monkeypatch.setattr(registry, "_known", dict(registry._known))  # noqa: SLF001 - for one test only
    for code in EXAMPLES:
        exec(compile(code, "task-types.md", "exec"), {"__name__": "example"})  # noqa: S102 - our own page


@pytest.mark.parametrize(("name", "outcome"), list(zip(WRITTEN, OUTCOMES, strict=True)))
def test_an_example_does_what_the_page_says(examples: None, run: Run, name: str, outcome: dict[str, Any]) -> None:
    row = run(name, CONFIGS[name])
    store = wiring.store("tester")
    while row.status == "deferred":
        store.alone(executions.resume_deferred)
        Worker(store, dict(registry._known)).work(row.id)  # noqa: SLF001 - all that are registered
        row = execution(store, row.id)
    assert ("completed", outcome) == (row.status, row.outcome)


def test_the_sentence_about_a_wrong_config_is_what_a_wrong_config_says(examples: None, run: Run) -> None:
    _, message = refused(run("report.count", {"text": "", "longest": 0}))
    assert f"`{message}`" in PAGE


def test_every_shipped_type_is_on_the_page_with_a_config_that_it_takes_and_all_its_fields() -> None:
    assert list(SHIPPED) == list(CONFIGS)[2:]
    for name, kind in SHIPPED.items():
        read: Any = read_config(kind, CONFIGS[name])
        assert set(read.__dataclass_fields__) == set(CONFIGS[name])


def test_every_registered_type_is_a_shipped_one() -> None:
    """Those of the sample are there where a test has served it in this process; they are no part of the worker."""
    assert sorted(SHIPPED) == [name for name in registry.names() if not name.startswith("demo.")]
