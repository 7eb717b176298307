"""Who to log in as: secrets that may be rotated at any time, and tokens that are good for one connection."""

import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from penstock.domain.errors import InvalidInput

KEPT_FOR = timedelta(minutes=5)


class Secrets:
    """Secrets Manager, asked once in five minutes for each secret."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._kept: dict[str, tuple[datetime, Mapping[str, Any]]] = {}

    def secret(self, arn: str, *, fresh: bool = False) -> Mapping[str, Any]:
        """What a secret holds; *fresh* when what was said before did not open the door."""
        read_at, value = self._kept.get(arn, (None, {}))
        if fresh or read_at is None or self._clock() - read_at >= KEPT_FOR:
            value = _read(arn)
            self._kept[arn] = self._clock(), value
        return value


def database_token(host: str, port: int, user: str) -> str:
    """A password for one connection to RDS, signed here: nobody is asked."""
    import boto3  # noqa: PLC0415 - a third of a cold start

    return boto3.client("rds").generate_db_auth_token(host, port, user)


def _read(arn: str) -> Mapping[str, Any]:
    import boto3  # noqa: PLC0415 - a third of a cold start

    text = boto3.client("secretsmanager").get_secret_value(SecretId=arn).get("SecretString", "")
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise InvalidInput(arn, "does not hold a JSON object with username and password")
    return value
