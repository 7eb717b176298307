"""The page about the command line says what the commands say."""

from pathlib import Path

from penstock.cli.pages import page

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"


def test_the_page_is_that_of_the_commands() -> None:
    assert page() == PAGE.read_text()


def test_the_page_tells_of_every_command() -> None:
    for command in ("run", "migrate up", "migrate down", "migrate current", "migrate sql", "drain", "sweep"):
        assert f"\n## penstock {command}\n" in PAGE.read_text()
