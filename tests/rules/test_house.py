"""House rules about text, which no linter knows. CONTRIBUTING.md lists all the rules and who keeps each."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "shared" / "penstock"

# What may know which database it speaks to. Only PostgreSQL has functions, whose texts are compared.
# A service on one machine brings its database along.
KNOW_ENGINES = {
    PACKAGE / "dal" / "dialect",
    PACKAGE / "dal" / "guards.py",
    PACKAGE / "dal" / "ledger" / "functions.py",
    PACKAGE / "local" / "databases.py",
}

# Written so that this file does not contain what it looks for.
REGISTRIES = r"[p]ypi\.org|[p]ythonhosted|[r]egistry\.npmjs|[d]eb\.debian"
MACHINES = r"/[r]oot/|/[w]ork/|/[h]ome/[a-z]+/"


def matches(pattern: str, files: Iterator[Path]) -> list[str]:
    return [
        f"{file.relative_to(ROOT)}:{number}: {line.strip()}"
        for file in files
        for number, line in enumerate(file.read_text(errors="replace").splitlines(), 1)
        if re.search(pattern, line)
    ]


def files_of_the_repository(*patterns: str) -> Iterator[Path]:
    """What git tracks or would add."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", *patterns],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert listed
    return (ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file())


def test_no_file_names_a_package_registry_or_a_path_of_a_machine() -> None:
    assert [] == matches(f"{REGISTRIES}|{MACHINES}", files_of_the_repository())


def test_only_the_dialect_the_guards_the_functions_and_the_local_service_know_an_engine() -> None:
    """In lower case, as code names them: prose may say what holds on PostgreSQL."""
    others = (file for file in PACKAGE.rglob("*.py") if KNOW_ENGINES.isdisjoint({file, *file.parents}))
    assert [] == matches("sqlite|postgres|psycopg", others)


def test_every_exception_from_a_rule_gives_its_reason() -> None:
    """`# noqa: RULE - reason` and `# type: ignore[code]  # reason`."""
    unexplained = r"#\s*noqa(?!: [A-Z0-9, ]+ - \w)|#\s*type: ignore(?!\[[a-z, -]+\]  # \w)"
    assert [] == matches(unexplained, (file for file in files_of_the_repository("*.py") if file != Path(__file__)))
