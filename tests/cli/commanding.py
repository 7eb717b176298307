"""A command as somebody at a terminal gives it, and what comes of it."""

import io
import json
from dataclasses import dataclass
from typing import Any

from penstock.cli.app import main


@dataclass(frozen=True)
class Done:
    """The exit code, and what was said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def penstock(*args: str, **environ: str) -> Done:
    out, err = io.StringIO(), io.StringIO()
    code = main(args, environ, out, err)
    return Done(code, out.getvalue(), err.getvalue())
