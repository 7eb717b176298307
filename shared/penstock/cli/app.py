"""`penstock`: which commands there are, and what every one of them has in common.

Exit codes: 0 done, 1 refused or failed (one line on stderr says why), 2 asked for wrongly.
"""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from typing import TextIO

from penstock.cli import keeping, looking, migrating, moving, serving
from penstock.cli.session import Session
from penstock.dal.dialect import is_away
from penstock.domain.errors import PenstockError

INTERRUPTED = 130
GROUPS = (serving, migrating, moving, keeping, looking)


def parser() -> argparse.ArgumentParser:
    """Every command."""
    made = argparse.ArgumentParser(
        "penstock", description="Durable jobs, pipelines and scheduled maintenance, every step on record."
    )
    commands = made.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for group in GROUPS:
        group.add(commands)
    return made


def main(
    argv: Sequence[str] | None = None,
    environ: Mapping[str, str] | None = None,
    out: TextIO | None = None,
    err: TextIO | None = None,
) -> int:
    """One command; its exit code."""
    args = parser().parse_args(argv)
    session = Session(args, os.environ if environ is None else environ, out or sys.stdout, err or sys.stderr)
    try:
        with session:
            code: int | None = args.run(session)
            return code or 0
    except PenstockError as error:
        return session.refuse(str(error))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # Or the interpreter would complain of it at its end.
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
        if not is_away(error):
            raise
        return session.refuse(f"the database is away: {error}")
