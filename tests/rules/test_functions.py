"""What a function may import. They are folders, not a package, so no import contract sees them."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

FUNCTIONS = Path(__file__).parents[2] / "functions"
NAMES = sorted(folder.name for folder in FUNCTIONS.iterdir() if (folder / "app.py").exists())
# A migration is Alembic; what a task type does is its own affair.
OUTSIDE = {"sqlalchemy", "psycopg", "boto3"}


def imported(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.partition(".")[0]


def test_there_are_six() -> None:
    assert ["api", "drain", "migrate", "retention", "sweep", "worker"] == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_function_knows_no_other_function(name: str) -> None:
    others = set(NAMES) - {name}
    assert [] == [file.name for file in (FUNCTIONS / name).rglob("*.py") if others & set(imported(file))]


@pytest.mark.parametrize("name", sorted({*NAMES} - {"migrate", "worker"}))
def test_a_function_speaks_neither_sql_nor_to_the_cloud(name: str) -> None:
    assert [] == [file.name for file in (FUNCTIONS / name).rglob("*.py") if set(imported(file)) & OUTSIDE]


def test_the_handler_of_the_worker_does_not_either() -> None:
    assert set() == set(imported(FUNCTIONS / "worker" / "app.py")) & OUTSIDE
