"""The import budget: a cold start pays for what a function uses each time, and for nothing else."""

import pytest

from tests.importing import FUNCTIONS, libraries, seconds

EACH = {"aws_lambda_powertools", "botocore", "jmespath", "psycopg", "psycopg_binary", "sqlalchemy", "typing_extensions"}
MODELS = {"annotated_types", "pydantic", "pydantic_core", "typing_inspection"}
PACKAGES = {"api": EACH | MODELS, **dict.fromkeys(("worker", "drain", "sweep", "retention", "migrate"), EACH)}
# Who needs one of these imports it on first use. Of botocore, Powertools imports only the package itself.
DEAR = ("alembic", "aws_xray_sdk", "boto3", "botocore.")


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_imports_these_packages_and_no_others(function: str) -> None:
    modules = libraries(function)
    assert PACKAGES[function] == {module.partition(".")[0] for module in modules}
    assert [] == [module for module in modules if module.startswith(DEAR)]


def test_the_command_that_measures_imports_measures() -> None:
    assert 0 < seconds(["json.tool"]) < seconds(["json.tool", *libraries("drain")])
