"""`penstock migrate`: the database to where the code is, and back, by the function that does it in a deployment."""

from collections.abc import Mapping
from typing import Any

from penstock.cli.session import Session, Unusable
from penstock.cli.words import Commands, command

HANDLER = "migrate.app.handler"


def add(commands: Commands) -> None:
    """The commands."""
    says = "Brings the schema of a database to where the code is, or back."
    made = commands.add_parser("migrate", help=says, description=says)
    verbs = made.add_subparsers(title="commands", metavar="COMMAND", required=True)
    up = command(verbs, "up", upgrade, "Migrates to the newest revision, or up to a certain one.")
    up.add_argument("--to", metavar="REVISION", help="the revision to stop at, such as 0020")
    down = command(verbs, "down", downgrade, "Migrates back to a certain revision; tables go with their rows.")
    down.add_argument(
        "--to", metavar="REVISION", required=True, help="the revision to go back to, such as 0020, or base"
    )
    down.add_argument("--yes", action="store_true", help="says that it is meant")
    command(verbs, "current", current, "Says where the database stands, and what is to be done.")
    sql = command(verbs, "sql", write_sql, "Writes the SQL of what is to be done, and does nothing.")
    sql.add_argument("range", nargs="?", metavar="FROM:TO", help="another range of revisions, such as 0019:0021")


def upgrade(session: Session) -> None:
    """Up."""
    answer = _ask(session, "upgrade", revision=session.args.to)
    if answer["ahead"]:
        raise Unusable(_standing(answer))
    session.show(answer, [_standing(answer)])


def downgrade(session: Session) -> None:
    """Down."""
    if not session.args.yes:
        raise Unusable(f"going back to {session.args.to} drops tables with their rows; add --yes if that is meant")
    answer = _ask(session, "downgrade", revision=session.args.to, confirm=True)
    session.show(answer, [_standing(answer)])


def current(session: Session) -> int:
    """Where it stands; 1 if there is something to do, so that a script can ask."""
    answer = _ask(session, "check")
    session.show(answer, [_standing(answer)])
    return 0 if answer["up_to_date"] else 1


def write_sql(session: Session) -> None:
    """The SQL."""
    answer = _ask(session, "sql", revision=session.args.range)
    session.show(answer, [answer["sql"].rstrip()])


def _ask(session: Session, verb: str, **more: Any) -> Mapping[str, Any]:
    said = {name: value for name, value in more.items() if value is not None}
    answer: Mapping[str, Any] = session.invoke(HANDLER, {"command": verb, **said})
    return answer


def _standing(answer: Mapping[str, Any]) -> str:
    at = answer["current"] or "nothing"
    if answer["ahead"]:
        return f"the database is at {at}, ahead of this code, which ends at {answer['head']}"
    came = f", from {answer['from'] or 'nothing'}" if "from" in answer and answer["from"] != answer["current"] else ""
    pending = answer["pending"]
    to_do = f"; {len(pending)} to do: {', '.join(pending)}" if pending else "; nothing to do"
    return f"at {at}{came}{to_do}"
