"""The page about the command line, from the commands themselves: `python -m penstock.cli.pages` writes it."""

import argparse
import sys
from collections.abc import Iterator

from penstock.cli.app import parser

HEAD = """# The command line

`make cli-page` writes this page from the commands; a test compares the two.

Every command names its database by `--database` or `DATABASE_URL`; without either it is `penstock.db` in the working
directory, if that is there. With `--json` the answer is a document. Exit codes: 0 done, 1 refused or failed, with one
line on stderr, 2 asked for wrongly.
"""


def page() -> str:
    """The whole page."""
    return "\n".join([HEAD, *_commands(parser())])


def _commands(of: argparse.ArgumentParser) -> Iterator[str]:
    for made in _below(of).values():
        yield from _commands(made) if _below(made) else _command(made)


def _command(made: argparse.ArgumentParser) -> Iterator[str]:
    yield f"## {made.prog}\n\n{made.description}\n"
    rows = [_row(action) for action in made._actions if not isinstance(action, argparse._HelpAction)]  # noqa: SLF001 - argparse tells nobody else
    if rows:
        yield "\n".join(["| argument | |", "|---|---|", *rows, ""])


def _row(action: argparse.Action) -> str:
    takes = "" if action.nargs == 0 else f" {action.metavar or action.dest.upper()}"
    name = f"{', '.join(action.option_strings)}{takes}" if action.option_strings else str(action.metavar)
    return f"| `{name}` | {action.help} |"


def _below(of: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    found = (action.choices for action in of._actions if isinstance(action, argparse._SubParsersAction))  # noqa: SLF001 - as above
    return {name: made for choices in found for name, made in choices.items()}


if __name__ == "__main__":
    sys.stdout.write(page())
