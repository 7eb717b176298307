"""What the template says to the functions is what they ask for, and what they can read."""

import json
import re

import pytest

from penstock.settings import Database, Logins, Settings
from tests.deploy.transform import IAM, KINDS, REACHING, ROOT, SECRET, TOKENS, decided, source, stack

# Set by Lambda; for tests, and for who has the layer elsewhere.
NOT_OURS = {"AWS_LAMBDA_FUNCTION_NAME", "MIGRATIONS_PATH"}
READING = ("shared/penstock/settings.py", "shared/penstock/telemetry.py", "functions/migrate/commands.py")
OF_POWERTOOLS = {"LOG_LEVEL"}


def asked_for() -> set[str]:
    text = "".join((ROOT / file).read_text() for file in READING)
    return set(re.findall(r'(?:environ, |environ\.get\()"([A-Z0-9_]+)"', text)) - NOT_OURS


def login(kind: str, function: str) -> Database:
    return Settings.read(stack(kind).variables(function)).database


def test_the_functions_are_told_what_they_ask_for_and_nothing_else() -> None:
    made = stack("iam")
    told = {name for function in made.functions for name in made[function]["Environment"]["Variables"]}
    assert asked_for() | OF_POWERTOOLS == told


@pytest.mark.parametrize("kind", KINDS)
def test_every_function_can_read_what_it_is_told(kind: str) -> None:
    for function in stack(kind).functions:
        read = Settings.read(stack(kind).variables(function))
        assert (False, {"default": "DefaultQueue"}, function) == (read.local, read.queues, read.function)


def test_what_is_told_is_short_enough_for_lambda() -> None:
    made = stack("everything")
    assert max(len(json.dumps(made.variables(function))) for function in made.functions) < 4096


@pytest.mark.parametrize(
    ("function", "host", "user"),
    [
        ("ApiFunction", "proxy.example.com", "penstock_app"),
        ("WorkerFunction", "proxy.example.com", "penstock_app"),
        ("RetentionFunction", "proxy.example.com", "penstock_retention"),
        ("MigrateFunction", "writer.example.com", "penstock_owner"),
    ],
)
def test_with_iam_each_logs_in_with_tokens_as_who_it_is(function: str, host: str, user: str) -> None:
    database = login("iam", function)
    assert (host, user, True, None) == (database.host, database.user, database.iam, database.secret_arn)


@pytest.mark.parametrize(
    ("function", "secret"), [("ApiFunction", "app"), ("RetentionFunction", "retention"), ("MigrateFunction", "owner")]
)
def test_with_secrets_each_logs_in_with_its_own(function: str, secret: str) -> None:
    database = login("secrets", function)
    assert ("db.example.com", f"{SECRET}{secret}", False) == (database.host, database.secret_arn, database.iam)


def test_with_a_database_of_the_stack_the_owner_has_the_secret_and_the_others_tokens() -> None:
    cluster = "DatabaseCluster.Endpoint.Address"
    owner, functions = login("own", "MigrateFunction"), login("own", "ApiFunction")
    assert (cluster, "penstock_owner", "DatabaseCluster.MasterUserSecret.SecretArn", False) == (
        owner.host,
        owner.user,
        owner.secret_arn,
        owner.iam,
    )
    assert (cluster, "penstock_app", None, True) == (
        functions.host,
        functions.user,
        functions.secret_arn,
        functions.iam,
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_migration_lets_in_who_logs_in(kind: str) -> None:
    let_in = Settings.read(stack(kind).variables("MigrateFunction")).logins
    assert Logins(login(kind, "ApiFunction").user, login(kind, "RetentionFunction").user) == let_in


def test_parameters_reach_the_function_that_asks_for_them() -> None:
    wanted = {
        **IAM,
        **TOKENS,
        **REACHING,
        "HttpRequestHosts": "a.example.com,*.b.com",
        "Capacity": "50",
        "RetentionDays": "30",
    }
    made = decided(wanted)
    worker = Settings.read(made.variables("WorkerFunction")).reach
    assert (("a.example.com", "*.b.com"), ("logs", "exports"), 2) == (
        worker.http_hosts,
        worker.s3_buckets,
        len(worker.lambda_arns),
    )
    assert {"crm": f"{SECRET}crm"} == worker.sql_connections
    read = {name: Settings.read(made.variables(f"{name}Function")) for name in ("Api", "Sweep", "Retention")}
    assert ("jobs", 50, 30) == (read["Api"].required_scope, read["Sweep"].capacity, read["Retention"].retention_days)


def test_what_sam_local_is_told_is_said_to_functions_that_there_are_by_names_that_they_know() -> None:
    """It leaves out, without a word, a variable that the template does not name."""
    made = stack("iam")
    told = json.loads((ROOT / "events" / "env.json").read_text())
    assert set(made.functions) == set(told)
    for function, variables in told.items():
        assert set() == set(variables) - set(made[function]["Environment"]["Variables"])
        read = Settings.read(made.variables(function) | variables)
        assert (True, {}, Logins(), False) == (read.local, read.queues, read.logins, read.database.iam)


def test_no_default_of_a_parameter_is_a_secret_or_a_place() -> None:
    places = [
        name
        for name, said in source()["Parameters"].items()
        if re.search("arn:|amazonaws|subnet-|sg-", str(said["Default"]))
    ]
    assert [] == places
