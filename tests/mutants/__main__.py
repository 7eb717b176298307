"""Breaks the code on purpose: each patch beside this file, applied to a copy, must turn the suite red.

    make mutants                      all of them
    make mutants ARGS="lease_fence"   some

A patch says in its first line what it breaks. One that no longer applies is an error: the code has moved on, and the
patch has to follow. What survives is a promise that nothing tests.

Databases are made from the frozen functions of the migrations. So what a patch changes in a function of the ledger is
copied over the frozen text as well.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
FUNCTIONS = "shared/penstock/dal/ledger/postgresql"
COPIED = ("shared", "functions", "migrations", "tests", "pyproject.toml", "README.md", "docs")
# Where what the patches break is promised.
SUITE = ("tests/dal", "tests/properties")


def main(*wanted: str) -> int:
    patches = [patch for patch in sorted(HERE.glob("*.patch")) if not wanted or patch.stem in wanted]
    survivors = [patch.stem for patch in patches if not caught(patch)]
    print(
        f"\n{len(patches) - len(survivors)} of {len(patches)} caught"
        + (f"; survived: {survivors}" if survivors else "")
    )
    return int(bool(survivors) or not patches)


def caught(patch: Path) -> bool:
    """Whether a test fails with this patch, and which. A suite that does not even run has caught nothing."""
    with tempfile.TemporaryDirectory(prefix="penstock-mutant-") as name:
        copy = Path(name)
        for part in COPIED:
            source = ROOT / part
            (shutil.copytree if source.is_dir() else shutil.copy)(source, copy / part)
        subprocess.run(["git", "apply", str(patch)], cwd=copy, check=True)
        freeze(copy, patch)
        run = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-x", "--no-header", *SUITE],
            cwd=copy, capture_output=True, text=True, check=False,
        )  # fmt: skip
    killers = re.findall(r"^(?:FAILED|ERROR) (\S+)", run.stdout, re.MULTILINE)
    print(f"{patch.stem:30} {'caught by ' + ', '.join(killers[:2]) if killers else 'survived'}", flush=True)
    return bool(killers)


def freeze(copy: Path, patch: Path) -> None:
    """Copies the functions that this patch changes over the newest revision that has them."""
    for name in re.findall(rf"^\+\+\+ b/{FUNCTIONS}/(\w+\.sql)$", patch.read_text(), re.MULTILINE):
        frozen = max(copy.glob(f"migrations/functions/*/{name}"))
        shutil.copy(copy / FUNCTIONS / name, frozen)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
