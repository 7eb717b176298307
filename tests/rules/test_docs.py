"""What the documents name exists, and what they copy from the code is what the code says today."""

import re
from collections.abc import Iterator
from pathlib import Path

from penstock.dal import schema
from penstock.domain.lifecycle import PIPELINE, TASK

ROOT = Path(__file__).parents[2]
DECISIONS = ROOT / "docs" / "adr"
PAGES = sorted(DECISIONS.glob("[0-9]*.md"))
TRAPS = (ROOT / "docs" / "traps.md").read_text()


def rows_of(table: str) -> Iterator[list[str]]:
    """The rows of the tables of a page, without their heads."""
    for line in table.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|") and len(cells) == 2 and cells[1] != "settled by" and set(line) != set("|-"):
            yield cells


# --- known traps -------------------------------------------------------------------------------------------------


def test_every_trap_is_settled_by_a_test_or_a_decision() -> None:
    rows = list(rows_of(TRAPS))
    assert len(rows) >= 42
    assert [] == [trap for trap, settled in rows if "::test_" not in settled and "](adr/" not in settled]


def test_every_test_that_settles_a_trap_exists() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", TRAPS)
    assert len(named) == TRAPS.count("::test_")
    assert [] == [
        f"{file}::{name}" for file, name in named if f"\ndef {name}(" not in (ROOT / file).read_text(errors="replace")
    ]


# --- decisions ---------------------------------------------------------------------------------------------------


def test_every_link_leads_to_a_file() -> None:
    pages = [
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        *(ROOT / "docs").rglob("*.md"),
        *ROOT.glob("migrations/*.md"),
    ]
    broken = [
        f"{page.relative_to(ROOT)}: {link}"
        for page in pages
        for link in re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text())
        if not (page.parent / link).exists()
    ]
    assert [] == broken


def test_the_index_lists_every_decision_under_its_title() -> None:
    titles = {page.name: page.read_text().splitlines()[0].removeprefix(f"# {page.name[:4]} ") for page in PAGES}
    index = (DECISIONS / "README.md").read_text()
    assert titles == {name: title.strip() for name, title in re.findall(r"\| \[\d{4}\]\((\S+)\) \| (.+) \|", index)}


def test_decisions_are_numbered_without_a_gap_and_say_why_what_and_what_follows() -> None:
    assert [f"{number:04}" for number in range(1, len(PAGES) + 1)] == [page.name[:4] for page in PAGES]
    for page in PAGES:
        text = page.read_text()
        assert (page.name, True, True) == (
            page.name,
            text.startswith(f"# {page.name[:4]} "),
            len(text.splitlines()) < 90,
        )
        for part in ("**Context.**", "**Decision.**", "**Consequences.**"):
            assert (page.name, part, 1) == (page.name, part, text.count(part))


def test_what_names_a_decision_names_one_that_there_is() -> None:
    code = [*(ROOT / "shared").rglob("*.py"), *ROOT.glob("migrations/**/*.py"), *PAGES]
    named = {name for file in code for name in re.findall(r"docs/adr/(\d{4}-[\w-]+\.md)", file.read_text())}
    assert set() == named - {page.name for page in PAGES}
    numbers = {number for page in PAGES for number in re.findall(r"\((\d{4})\)", page.read_text())}
    assert set() == numbers - {page.name[:4] for page in PAGES}


def test_the_page_about_indexes_tells_of_every_index_and_of_no_other() -> None:
    (page,) = DECISIONS.glob("0005-*.md")
    told = re.findall(r"^\| `(\w+)` \| \S", page.read_text(), re.MULTILINE)
    assert sorted(str(index.name) for table in schema.metadata.tables.values() for index in table.indexes) == sorted(
        told
    )


# --- the README --------------------------------------------------------------------------------------------------


def test_the_diagrams_are_those_of_the_table_of_moves() -> None:
    drawn = re.findall(r"```mermaid\n(.*?)\n```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert [TASK.diagram(), PIPELINE.diagram()] == drawn


def test_the_changelog_has_a_version_at_its_top_that_is_not_released() -> None:
    headings = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert "[Unreleased]" == headings[0]
