"""The quick look of the README does what the README says, on every engine."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_the_quick_look_prints_what_the_readme_says(database_url: str, tmp_path: Path) -> None:
    code = "".join(blocks("python"))
    assert code.count('"sqlite:///penstock.db"') == 2
    program = tmp_path / "quick_look.py"
    program.write_text(code.replace('"sqlite:///penstock.db"', repr(database_url)))
    done = subprocess.run(
        [sys.executable, program],
        env={"PYTHONPATH": str(ROOT / "shared")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    (expected,) = blocks("text")
    assert (expected, "") == (done.stdout, done.stderr)


def test_the_command_that_makes_a_database_makes_one(tmp_path: Path) -> None:
    (commands,) = blocks("sh")
    alembic = str(Path(sys.executable).parent / "alembic")
    here = commands.replace(".venv/bin/alembic", alembic).replace(
        "sqlite:///penstock.db ", f"sqlite:///{tmp_path}/made.db "
    )
    subprocess.run(["sh", "-ec", here], cwd=ROOT, check=True, capture_output=True)
    assert (tmp_path / "made.db").exists()
