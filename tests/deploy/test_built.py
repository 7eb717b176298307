"""What is deployed, not the source it was made of: it runs in Lambda's runtime, is compiled, and holds no more than it needs."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
import sqlalchemy as sa

from tests.amazon import Amazon
from tests.databases import POSTGRES, Databases
from tests.deploy.artefacts import FUNCTIONS, LAYERS, Artefacts
from tests.functions.emulator import ROOT, Answer, emulated
from tests.functions.payloads import event

MEBIBYTE = 1 << 20
# Lambda takes 250 MB of a function and its layers. What is there is a third of that, and each megabyte is a cold start's.
MOST_MEBIBYTES = {"SharedLayer": 64, "MigrationsLayer": 5}
UNCHECKED_HASH = 0b01
PACKAGES = {
    "annotated_types", "aws_lambda_powertools", "jmespath", "penstock", "psycopg", "psycopg_binary", "psycopg_binary.libs",
    "pydantic", "pydantic_core", "sqlalchemy", "typing_extensions.py", "typing_inspection",
}  # fmt: skip
# Prints what was compiled although it had been, and what came along.
WATCH = """
import json, sys
compiled = []
sys.addaudithook(lambda name, details: compiled.append(str(details[1])) if name == "compile" else None)
__import__(sys.argv[1])
print(json.dumps({"compiled": compiled, "modules": list(sys.modules)}))
"""
# Of the processor, which others cannot slow down as they can the clock on the wall.
TIME = """
import sys, time
__import__(sys.argv[1])
print(round(time.process_time() * 1000))
"""
Record = Callable[[str, object], None]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Artefacts:
    """Anew for each run: an old one would be something else than what is deployed."""
    return Artefacts.into(tmp_path_factory.mktemp("built"))


# --- it runs -----------------------------------------------------------------------------------------------------

EVENTS = {
    "Api": "api.health",
    "Worker": "worker.doorbell",
    "Drain": "drain.scheduled",
    "Sweep": "sweep.scheduled",
    "Retention": "retention.scheduled",
    "Migrate": "migrate.check",
}
EXPECTED: dict[str, dict[str, Any]] = {
    "Api": {"statusCode": 200},
    "Worker": {"batchItemFailures": []},
    "Drain": {"rung": 0, "refused": 0, "due": 0},
    "Sweep": {"recovered": 0, "resumed_deferred": 0, "resumed_paused": 0},
    "Retention": {"dry_run": False},
    "Migrate": {"command": "check", "pending": [], "up_to_date": True},
}


@pytest.fixture
def environ(built: Artefacts, amazon: Amazon) -> dict[str, str]:
    return {
        **amazon.environ,
        "QUEUES": f'{{"default": "{amazon.queue("default")}"}}',
        "MIGRATIONS_PATH": str(built.layer("MigrationsLayer") / "migrations"),
    }


def answer(built: Artefacts, function: str, name: str, environ: dict[str, str]) -> Any:
    with emulated(f"{function.lower()}.app.handler", environ, code=built.code(function)) as emulator:
        answered: Answer = emulator.invoke(event(name))
    assert 200 == answered.status
    return answered.said


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_answers_and_writes_nothing(
    built: Artefacts, environ: dict[str, str], postgres_url: str, function: str
) -> None:
    before = set(built.files())
    said = answer(built, function, EVENTS[function], {**environ, "DATABASE_URL": postgres_url})
    assert EXPECTED[function] == {key: said[key] for key in EXPECTED[function]}
    assert before == set(built.files())


def test_the_schema_is_made_by_what_is_in_the_layer_of_the_revisions(
    built: Artefacts, environ: dict[str, str], databases: Databases
) -> None:
    with databases.empty(POSTGRES) as url:
        said = answer(built, "Migrate", "migrate.upgrade", {**environ, "DATABASE_URL": url})
        assert (None, []) == (said["from"], said["pending"])
        engine = sa.create_engine(url, poolclass=sa.NullPool)
        assert {"task_executions", "execution_events", "task_outbox"} <= set(
            sa.inspect(engine).get_table_names(schema="penstock")
        )


# --- it is compiled ----------------------------------------------------------------------------------------------


def imported(built: Artefacts, function: str, script: str) -> Any:
    """What is said of the import of a function, by a Python that may write no bytecode, as Lambda's may not."""
    code = built.code(function)
    ran = subprocess.run(
        [code.python, "-B", "-c", script, f"{function.lower()}.app"],
        cwd=code.task_root,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": code.path},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(ran.stdout)


def test_each_module_has_bytecode_that_is_used_without_a_look_at_its_source(built: Artefacts) -> None:
    sources = [file for file in built.files() if file.suffix == ".py"]
    flags = {file: flags_of(file.parent / "__pycache__" / f"{file.stem}.cpython-313.pyc") for file in sources}
    assert len(sources) > 500
    assert {} == {file: flag for file, flag in flags.items() if flag != UNCHECKED_HASH}


def flags_of(bytecode: Path) -> int | None:
    return int.from_bytes(bytecode.read_bytes()[4:8], "little") if bytecode.exists() else None


@pytest.mark.parametrize("function", FUNCTIONS)
def test_importing_a_function_compiles_nothing(built: Artefacts, record_property: Record, function: str) -> None:
    compiled = imported(built, function, WATCH)["compiled"]
    assert [] == [name for name in compiled if name.startswith(str(built.directory))]
    milliseconds = min(imported(built, function, TIME) for _ in range(3))
    record_property(f"processor time to start Python and import {function.lower()}.app as built", f"{milliseconds} ms")


@pytest.mark.parametrize("function", FUNCTIONS)
def test_importing_a_function_leaves_out_what_most_invocations_do_without(built: Artefacts, function: str) -> None:
    modules = set(imported(built, function, WATCH)["modules"])
    assert set() == modules & {"boto3", "botocore.session", "alembic", "aws_xray_sdk"}


# --- it holds no more than it needs ------------------------------------------------------------------------------


@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_is_small(built: Artefacts, record_property: Record, layer: str) -> None:
    sizes = [file.stat().st_size for file in built.files() if file.is_relative_to(built.layer(layer))]
    record_property(f"{layer}, unzipped", f"{sum(sizes) / MEBIBYTE:.1f} MiB in {len(sizes):,} files")
    assert sum(sizes) < MOST_MEBIBYTES[layer] * MEBIBYTE


def test_the_layer_of_all_functions_has_these_packages_and_no_others(built: Artefacts) -> None:
    found = {entry.name for entry in (built.layer("SharedLayer") / "python").iterdir()}
    assert PACKAGES == {name for name in found if not name.endswith(".dist-info")} - {"__pycache__"}


def test_alembic_and_the_revisions_are_in_a_layer_of_their_own(built: Artefacts) -> None:
    layer = built.layer("MigrationsLayer")
    packages = {entry.name for entry in (layer / "python").iterdir() if not entry.name.endswith(".dist-info")}
    assert {"alembic", "mako", "markupsafe"} == packages
    assert files_in(ROOT / "migrations" / "versions", "*.py") == files_in(layer / "migrations" / "versions", "*.py")


def test_the_layers_have_the_sql_of_the_ledger_and_of_the_revisions(built: Artefacts) -> None:
    ledger = Path("penstock", "dal", "ledger")
    ours, theirs = ROOT / "shared" / ledger, built.layer("SharedLayer") / "python" / ledger
    assert files_in(ours, "*/*.sql") == files_in(theirs, "*/*.sql") != set()
    frozen, installed = ROOT / "migrations" / "functions", built.layer("MigrationsLayer") / "migrations" / "functions"
    assert files_in(frozen, "*/*.sql") == files_in(installed, "*/*.sql") != set()


def test_the_wheel_has_the_sql_of_the_ledger_and_of_the_revisions(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path], cwd=ROOT, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    with ZipFile(wheel) as archive:
        found = {Path(name) for name in archive.namelist() if name.endswith(".sql")}
    ledger = {"penstock" / file for file in files_in(ROOT / "shared" / "penstock", "dal/ledger/*/*.sql")}
    assert ledger | {"penstock" / file for file in files_in(ROOT, "migrations/functions/*/*.sql")} == found


def files_in(folder: Path, pattern: str) -> set[Path]:
    return {file.relative_to(folder) for file in folder.glob(pattern)}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_has_its_own_folder_and_no_other(built: Artefacts, function: str) -> None:
    assert [function.lower()] == [entry.name for entry in built.function(function).iterdir()]


def test_nothing_is_deployed_that_nobody_runs(built: Artefacts) -> None:
    needless = {".pyi", ".pyx", ".pxd", ".c", ".h", ".a"}
    files = [file.relative_to(built.directory) for file in built.files()]
    assert [] == [file for file in files if file.suffix in needless or {"tests", "testing"} & set(file.parts)]
    penstock = built.layer("SharedLayer") / "python" / "penstock"
    assert set() == {"local", "cli"} & {entry.name for entry in penstock.iterdir()}
