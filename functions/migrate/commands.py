"""What can be asked of the schema. Alembic and its revisions are found when they are needed.

Were they imported with this file, a deployment without their layer would die before it could say so.
"""

import io
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from migrate import logins
from penstock import telemetry, wiring
from penstock.domain.errors import InvalidInput
from penstock.settings import InvalidSetting

if TYPE_CHECKING:
    from alembic.config import Config

# How long before the end of this invocation a migration that has not had its turn gives up.
MARGIN_MS = 20_000
LONGEST_PATIENCE_SECONDS = 300
PLACES = (Path("/opt/migrations"), Path("/opt/python/migrations"), Path(__file__).parents[2] / "migrations")

Answer = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Standing:
    """Where the database is, and where the code is."""

    current: str | None
    head: str
    pending: tuple[str, ...]
    ahead: bool

    def as_json(self) -> Answer:
        """As an operator reads it."""
        return {"current": self.current, "head": self.head, "pending": list(self.pending), "ahead": self.ahead}


def run(event: Mapping[str, Any], context: LambdaContext) -> Answer:
    """Carries out the command of an event."""
    name = str(event.get("command"))
    if name not in COMMANDS:
        raise InvalidInput("command", f"is {name!r}; it must be one of {', '.join(COMMANDS)}")
    with _connected(context) as config:
        return {"command": name, **COMMANDS[name](config, event)}


def upgrade(config: "Config", event: Mapping[str, Any]) -> Answer:
    """To a revision, or to head, and lets in who is named. Rolled-back code meets a newer schema, and leaves it alone."""
    from alembic import command  # noqa: PLC0415 - see above

    before = _standing(config)
    if before.ahead:
        telemetry.logger.warning("the database is ahead of this code; nothing to do", current=before.current)
        return before.as_json()
    command.upgrade(config, _revision(event) or "head")
    logins.admit(config.attributes["connection"], wiring.settings().logins)
    return _standing(config).as_json() | {"from": before.current}


def downgrade(config: "Config", event: Mapping[str, Any]) -> Answer:
    """Back to a revision that is named, by somebody who says that he means it."""
    from alembic import command  # noqa: PLC0415 - see above

    revision = _revision(event)
    if revision is None:
        raise InvalidInput("revision", "is missing; say which revision to go back to, such as 0020")
    if event.get("confirm") is not True:
        raise InvalidInput("confirm", "is not true; a downgrade drops tables with their rows")
    before = _standing(config)
    command.downgrade(config, revision)
    return _standing(config).as_json() | {"from": before.current}


def current(config: "Config", _event: Mapping[str, Any]) -> Answer:
    """Where the database stands."""
    return _standing(config).as_json()


def check(config: "Config", _event: Mapping[str, Any]) -> Answer:
    """Whether there is something to do."""
    standing = _standing(config)
    return standing.as_json() | {"up_to_date": not standing.pending}


def history(config: "Config", _event: Mapping[str, Any]) -> Answer:
    """Every revision, oldest first."""
    from alembic.script import ScriptDirectory  # noqa: PLC0415 - see above

    revisions = reversed(list(ScriptDirectory.from_config(config).walk_revisions()))
    return {"revisions": [{"revision": each.revision, "what": each.doc} for each in revisions]}


def sql(config: "Config", event: Mapping[str, Any]) -> Answer:
    """The SQL from where the database stands to head, or between two revisions."""
    from alembic import command  # noqa: PLC0415 - see above

    config.output_buffer = text = io.StringIO()
    command.upgrade(config, _revision(event) or f"{_standing(config).current or 'base'}:head", sql=True)
    return {"sql": text.getvalue()}


COMMANDS: Mapping[str, Callable[["Config", Mapping[str, Any]], Answer]] = {
    "upgrade": upgrade, "current": current, "history": history, "check": check, "sql": sql, "downgrade": downgrade,
}  # fmt: skip


@contextmanager
def _connected(context: LambdaContext) -> Iterator["Config"]:
    from alembic.config import Config  # noqa: PLC0415 - see above

    telemetry.include("alembic")
    config = Config()
    config.set_main_option("script_location", str(_scripts()).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    remaining = (context.get_remaining_time_in_millis() - MARGIN_MS) // 1000
    config.attributes["patience_seconds"] = max(0, min(LONGEST_PATIENCE_SECONDS, remaining))
    with wiring.store("migrate").database.engine.connect() as connection:
        config.attributes["connection"] = connection
        yield config


def _scripts() -> Path:
    """Where the revisions are: as the deployment says, in their layer, or beside the functions in the repository."""
    named = os.environ.get("MIGRATIONS_PATH")
    places = (Path(named),) if named else PLACES
    for place in places:
        if (place / "env.py").is_file():
            return place
    raise InvalidSetting("MIGRATIONS_PATH", f"has no env.py of Alembic in it: {', '.join(map(str, places))}")


def _standing(config: "Config") -> Standing:
    from alembic.runtime.environment import EnvironmentContext  # noqa: PLC0415 - see above
    from alembic.script import ScriptDirectory  # noqa: PLC0415 - see above

    script = ScriptDirectory.from_config(config)
    heads: list[str] = []

    def look(found: tuple[str, ...], _migration: Any) -> tuple[()]:
        heads.extend(found)
        return ()

    # As `alembic current` does: env.py knows where the revision is noted.
    with EnvironmentContext(config, script, fn=look, dont_mutate=True):
        script.run_env()
    known = [each.revision for each in script.walk_revisions()][::-1]
    at = heads[0] if heads else None
    ahead = at is not None and at not in known
    pending = () if ahead else tuple(known[known.index(at) + 1 :] if at else known)
    return Standing(at, known[-1], pending, ahead)


def _revision(event: Mapping[str, Any]) -> str | None:
    revision = event.get("revision")
    if revision is not None and not isinstance(revision, str):
        raise InvalidInput("revision", f'is {revision!r}; write it as a text, such as "0021"')
    return revision
