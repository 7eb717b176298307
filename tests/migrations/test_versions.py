"""What holds of the files themselves, before any database is asked."""

import ast
import re
import shutil
import sys
from io import StringIO
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import Script

from penstock.dal.schema import metadata
from tests.migrations.revisions import MIGRATIONS, ROOT, revisions, scripts
from tests.migrations.rows import ROWS

ALL = pytest.mark.parametrize("revision", revisions(), ids=lambda revision: Path(revision.path).stem)


def test_there_is_one_head_and_the_numbers_have_no_gap() -> None:
    numbers = [f"{number:04}" for number in range(1, len(revisions()) + 1)]
    assert numbers == [revision.revision for revision in revisions()]
    assert numbers[-1:] == scripts().get_heads()


@ALL
def test_a_file_is_named_by_its_number_and_its_concept(revision: Script) -> None:
    assert re.fullmatch(rf"{revision.revision}_[a-z_]+\.py", Path(revision.path).name)


@ALL
def test_a_revision_depends_on_nothing_that_may_change(revision: Script) -> None:
    imported = {
        name
        for node in ast.walk(ast.parse(Path(revision.path).read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names])
    }
    assert set() == imported - {"alembic", *sys.stdlib_module_names} - {"collections.abc"}


@ALL
def test_a_revision_says_what_it_is_for_and_goes_both_ways(revision: Script) -> None:
    assert revision.doc
    for statements in (revision.module.UP, revision.module.DOWN):
        assert ["postgresql", "sqlite"] == sorted(statements)
        assert any(statements.values())


def test_every_table_has_a_row_to_be_migrated() -> None:
    assert set(ROWS) == set(metadata.tables)


def test_a_new_revision_has_the_form_of_the_others(tmp_path: Path) -> None:
    shutil.copytree(MIGRATIONS, tmp_path / "migrations")
    config = Config(stdout=StringIO())
    config.set_main_option("script_location", str(tmp_path / "migrations"))
    head = revisions()[-1].revision
    new = f"{int(head) + 1:04}"
    command.revision(config, "colours of tasks", rev_id=new)

    written = (tmp_path / f"migrations/versions/{new}_colours_of_tasks.py").read_text()
    example = Path(revisions()[0].path).read_text()
    assert _skeleton(example) == _skeleton(written)
    assert f'revision: str = "{new}"\ndown_revision: str | None = "{head}"\n' in written


def _skeleton(text: str) -> list[str]:
    """The lines of a revision that are the same in all of them."""
    return re.findall(
        r"^(?:from|import|def|    run|\w+: [^=]+).*?$",
        re.sub(r'= (".*"|None)$', "=", text, flags=re.MULTILINE),
        re.MULTILINE,
    )


def test_the_readme_lists_every_revision() -> None:
    table = re.findall(r"^\| (\d{4}) \| `?(\w+)`?", (MIGRATIONS / "README.md").read_text(), re.MULTILINE)
    assert [tuple(Path(revision.path).stem.split("_", 1)) for revision in revisions()] == table


def test_the_command_line_finds_the_migrations_from_the_root() -> None:
    config = Config(toml_file=ROOT / "pyproject.toml")
    assert str(MIGRATIONS) == config.get_alembic_option("script_location")
