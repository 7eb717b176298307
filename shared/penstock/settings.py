"""What a deployment decides, read from its environment once. A wrong value is one clear error that names the variable."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from penstock.domain.errors import PenstockError

Environ = Mapping[str, str]

YES, NO = frozenset({"true", "1", "yes", "on"}), frozenset({"false", "0", "no", "off"})
WILDCARD = "*."
# Names that mean the same with quotes and without.
ROLE = re.compile("[a-z_][a-z0-9_]{0,62}")


class InvalidSetting(PenstockError):
    """An environment variable has a value that cannot be meant."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"{name}: {problem}")
        self.name = name
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Database:
    """Where the database is, and how one logs in: as the URL says, with a secret, or with tokens of IAM."""

    url: str | None = None
    host: str | None = None
    port: int = 5432
    name: str = "penstock"
    user: str | None = None
    secret_arn: str | None = None
    iam: bool = False
    root_certificate: str | None = None
    connect_seconds: int = 5

    @classmethod
    def read(cls, environ: Environ) -> "Database":
        """The database that the environment names, with one way to log in."""
        database = cls(
            url=_text(environ, "DATABASE_URL"),
            host=_text(environ, "DATABASE_HOST"),
            port=_number(environ, "DATABASE_PORT", 5432, (1, 65_535)),
            name=_text(environ, "DATABASE_NAME") or "penstock",
            user=_text(environ, "DATABASE_USER"),
            secret_arn=_text(environ, "DATABASE_SECRET_ARN"),
            iam=_flag(environ, "DATABASE_IAM"),
            root_certificate=_text(environ, "DATABASE_SSLROOTCERT"),
            connect_seconds=_number(environ, "DATABASE_CONNECT_SECONDS", 5, (1, 300)),
        )
        if problem := database.problem:
            raise InvalidSetting(*problem)
        return database

    @property
    def called(self) -> str:
        """Its name."""
        return urlsplit(self.url).path.lstrip("/") if self.url else self.name

    @property
    def problem(self) -> tuple[str, str] | None:
        """Which variable contradicts the others or is missing, and what to do."""
        if self.iam and self.secret_arn:
            return "DATABASE_IAM", "is set together with DATABASE_SECRET_ARN; log in one way"
        if self.url:
            return None
        if self.iam and not (self.host and self.user):
            return "DATABASE_IAM", "needs DATABASE_HOST and DATABASE_USER"
        if not self.host and not self.secret_arn:
            return "DATABASE_URL", "is not set, nor is DATABASE_HOST; say where the database is"
        if not self.user and not self.secret_arn:
            return "DATABASE_USER", "is not set; say who logs in, or set DATABASE_SECRET_ARN"
        return None


@dataclass(frozen=True, slots=True)
class Logins:
    """Whom a migration lets in when it is done: the functions, and retention. Nobody, unless the deployment names them."""

    functions: str | None = None
    retention: str | None = None

    @classmethod
    def read(cls, environ: Environ) -> "Logins":
        """The logins that the environment names."""
        return cls(_role(environ, "DATABASE_FUNCTIONS_LOGIN"), _role(environ, "DATABASE_RETENTION_LOGIN"))


@dataclass(frozen=True, slots=True)
class Reach:
    """What task types may touch. Nothing, unless the deployment names it."""

    http_hosts: tuple[str, ...] = ()
    lambda_arns: tuple[str, ...] = ()
    s3_buckets: tuple[str, ...] = ()
    sql_connections: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, environ: Environ) -> "Reach":
        """What the environment names."""
        return cls(
            http_hosts=_names(environ, "HTTP_REQUEST_HOSTS"),
            lambda_arns=_names(environ, "LAMBDA_INVOKE_ARNS"),
            s3_buckets=_names(environ, "S3_EXPIRE_BUCKETS"),
            sql_connections=_mapping(environ, "SQL_RUN_CONNECTIONS"),
        )


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that a deployment decides."""

    database: Database = field(default_factory=Database)
    logins: Logins = field(default_factory=Logins)
    queues: Mapping[str, str] = field(default_factory=dict)
    local: bool = False
    required_scope: str | None = None
    retention_days: int = 90
    retention_batch: int = 500
    capacity: int | None = None
    reach: Reach = field(default_factory=Reach)
    service: str = "penstock"
    function: str = "local"

    @classmethod
    def read(cls, environ: Environ) -> "Settings":
        """The settings that an environment holds."""
        return cls(
            database=Database.read(environ),
            logins=Logins.read(environ),
            queues=_mapping(environ, "QUEUES"),
            local=_flag(environ, "PENSTOCK_LOCAL"),
            required_scope=_text(environ, "REQUIRED_SCOPE"),
            retention_days=_number(environ, "RETENTION_DAYS", 90, (1, 36_500)),
            retention_batch=_number(environ, "RETENTION_BATCH", 500, (1, 20_000)),
            capacity=_number(environ, "CAPACITY", 0, (1, 1_000_000_000)) if _text(environ, "CAPACITY") else None,
            reach=Reach.read(environ),
            service=_text(environ, "POWERTOOLS_SERVICE_NAME") or "penstock",
            function=_text(environ, "AWS_LAMBDA_FUNCTION_NAME") or "local",
        )


def _text(environ: Environ, name: str) -> str | None:
    """An empty value is none: a template can leave a variable empty, but not out."""
    return environ.get(name, "").strip() or None


def _flag(environ: Environ, name: str) -> bool:
    value = (_text(environ, name) or "false").lower()
    if value not in YES | NO:
        raise InvalidSetting(name, f"is {value!r}; it must be true or false")
    return value in YES


def _role(environ: Environ, name: str) -> str | None:
    value = _text(environ, name)
    if value is not None and not ROLE.fullmatch(value):
        raise InvalidSetting(name, f"is {value!r}; it must be small letters, digits and _, 63 at most, no digit first")
    return value


def _number(environ: Environ, name: str, default: int, bounds: tuple[int, int]) -> int:
    value = _text(environ, name)
    low, high = bounds
    if value is None:
        return default
    if not value.isascii() or not value.isdigit() or not low <= int(value) <= high:
        raise InvalidSetting(name, f"is {value!r}; it must be a whole number from {low:,} to {high:,}")
    return int(value)


def _names(environ: Environ, name: str) -> tuple[str, ...]:
    names = tuple(part.strip() for part in (_text(environ, name) or "").split(",") if part.strip())
    for each in names:
        if "*" in each.removeprefix(WILDCARD):
            raise InvalidSetting(name, f"contains {each!r}; a star may only be the first label, as in *.example.com")
    return names


def _mapping(environ: Environ, name: str) -> Mapping[str, str]:
    try:
        value: Any = json.loads(_text(environ, name) or "{}")
    except ValueError:
        value = None
    if not isinstance(value, dict) or not all(isinstance(each, str) and each for each in value.values()):
        raise InvalidSetting(name, 'is not a JSON object of texts, such as {"default": "..."}')
    return value
