"""Brings the database to where the code is: when CloudFormation asks while it deploys, or an operator by hand.

{"command": "upgrade"}      to head, or to {"revision": "0021"}; a database that is ahead is left as it is
{"command": "current"}      where the database stands
{"command": "history"}      what revisions there are
{"command": "check"}        what would have to be done
{"command": "sql"}          the SQL of that, or of {"revision": "0019:0021"}
{"command": "downgrade", "revision": "0020", "confirm": true}
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from migrate import commands, custom_resource
from penstock import telemetry


@telemetry.entry
def handler(event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
    """One command."""
    if custom_resource.asks(event):
        return custom_resource.answer(event, context, partial(commands.run, {"command": "upgrade"}, context))
    return commands.run(event, context)
