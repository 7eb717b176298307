"""What the functions find in their environment on one machine: what the template says, with what is here put in its place."""

from collections.abc import Mapping

from penstock.local.intrinsics import REGION
from penstock.local.template import Function

# Who has said nothing about AWS has nothing to sign with, and nobody to ask: the queues take any signature.
NOBODY = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local", "AWS_EC2_METADATA_DISABLED": "true"}
WHO = ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_FULL_URI")
OURS = ("QUEUES",)


def environment(
    function: Function, environ: Mapping[str, str], *, database: str, queues: str, debug: bool = False
) -> dict[str, str]:
    """The variables of a function. One that is set outside goes before what the template says, as SAM has it."""
    said = {name: value for name, value in function.environment.items() if name in OURS or name not in environ}
    variables = {**environ, **said}
    elsewhere = {name for name in variables if name.startswith("DATABASE_")}
    return {
        **({} if any(environ.get(name) for name in WHO) else NOBODY),
        **{name: value for name, value in variables.items() if name not in elsewhere},
        "AWS_REGION": environ.get("AWS_REGION") or REGION,
        "AWS_DEFAULT_REGION": environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or REGION,
        "AWS_ENDPOINT_URL_SQS": queues,
        "DATABASE_URL": database,
        "PENSTOCK_LOCAL": "true",
        **({"LOG_LEVEL": "DEBUG"} if debug else {}),
    }
