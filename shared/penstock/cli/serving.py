"""`penstock run`: the service on this machine. It is what `make run` calls."""

import argparse

from penstock.cli.session import Session, Unusable
from penstock.cli.words import Commands, port
from penstock.local.lines import Lines
from penstock.local.service import Options, serve
from penstock.local.template import find


def add(commands: Commands) -> None:
    """The command."""
    says = "Serves the API on this machine, with everything that template.yaml describes."
    made = commands.add_parser("run", help=says, description=says)
    made.set_defaults(run=run)
    made.add_argument("--port", type=port, help="where to listen (PORT); 8000 unless it says otherwise")
    made.add_argument("--template", metavar="FILE", help="the template; that of the checkout unless it is named")
    made.add_argument("--database", metavar="URL", help="the database (DATABASE_URL); a file here unless it is named")
    made.add_argument("--no-sample", action="store_true", help="do not run the sample")


def run(session: Session) -> None:
    """Until Ctrl-C."""
    args, environ = session.args, dict(session.environ)
    if args.database:
        environ["DATABASE_URL"] = args.database
    debug = environ.get("LOG", "").lower() == "debug"
    chosen = args.port if args.port is not None else _named(environ.get("PORT", ""))
    options = Options(environ, find(args.template), chosen, sample=not args.no_sample, debug=debug)
    serve(options, Lines(session.out, raw=debug))


def _named(said: str) -> int:
    try:
        return port(said) if said else 8000
    except argparse.ArgumentTypeError as error:
        raise Unusable(f"PORT: {error}") from None
