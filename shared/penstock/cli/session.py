"""What a command works with: its arguments, the database or service they name, and where its words go."""

import argparse
import getpass
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

from penstock import wiring
from penstock.dal import schema
from penstock.dal.store import Store
from penstock.dal.views import health
from penstock.domain.errors import PenstockError
from penstock.local import databases
from penstock.local.client import Client
from penstock.local.lines import Lines
from penstock.local.runtime import Pool
from penstock.local.template import Template, UnusableTemplate, find

ELSEWHERE = ("DATABASE_HOST", "DATABASE_SECRET_ARN")


class Unusable(PenstockError):
    """What was named cannot be worked with."""


class Session:
    """One command that runs."""

    def __init__(self, args: argparse.Namespace, environ: Mapping[str, str], out: TextIO, err: TextIO) -> None:
        self.args = args
        self.environ = environ
        self.out = out
        self.err = err

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        wiring.compose({})  # closes what was opened

    # --- what it works on --------------------------------------------------------------------------------------

    @property
    def service(self) -> Client | None:
        """The service, if one was named."""
        url: str | None = getattr(self.args, "url", None)
        return Client(url) if url else None

    @property
    def variables(self) -> Mapping[str, str]:
        """The environment, with the database that was named, or that lies in the working directory."""
        url = getattr(self.args, "database", None) or self.environ.get("DATABASE_URL")
        if not url and not any(self.environ.get(name) for name in ELSEWHERE):
            url = databases.FILE if Path("penstock.db").exists() else None
            if url is None:
                raise Unusable(f"no database is named: --database or DATABASE_URL ({databases.EXAMPLES})")
        return {**self.environ, **({"DATABASE_URL": url} if url else {})}

    def store(self) -> Store:
        """The database; its schema must be one that this code can work with."""
        store = self.any_store()
        with store.read() as tx:
            revision = health.schema_revision(tx)
        if revision is None or revision < schema.REVISION:
            at = "has never been migrated" if revision is None else f"is at revision {revision}"
            raise Unusable(f"the database {at}, and this code needs {schema.REVISION}: penstock migrate up")
        return store

    def any_store(self) -> Store:
        """The database, whatever its schema."""
        wiring.compose(self.variables)
        return wiring.store(f"cli:{_user()}")

    def invoke(self, handler: str, event: Any) -> Any:
        """What a function of the template answers, run here and now; what it logs goes to stderr."""
        template = Template(find(getattr(self.args, "template", None)))
        function = next((each for each in template.functions.values() if each.handler == handler), None)
        if function is None:
            raise UnusableTemplate(f"{template.path} has no function with the handler {handler}")
        pool = Pool(function, self.variables, Lines(self.err).quietly, most=1)
        try:
            answer = pool.invoke(event)
        finally:
            pool.close()
        if answer.error is not None:
            raise Unusable(answer.error["errorMessage"].strip().partition("\n")[0])
        return answer.payload

    # --- what it says ------------------------------------------------------------------------------------------

    def show(self, document: Any, lines: Iterable[str]) -> None:
        """The answer: as lines, or with --json as a document."""
        text = [json.dumps(document, default=str)] if self.args.json else lines
        for line in text:
            self.out.write(f"{line}\n")
        self.out.flush()

    def note(self, text: str) -> None:
        """How it goes on, beside the answer."""
        self.err.write(f"{text}\n")
        self.err.flush()

    def refuse(self, why: str) -> int:
        """Why not, in one line."""
        self.note(f"penstock: {' '.join(why.split())}")
        return 1


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "nobody"
