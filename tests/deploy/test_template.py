"""template.yaml holds what a production stack needs, and SAM makes of it what we think it makes."""

import importlib
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.transform import (
    EVERYTHING,
    IAM,
    KEY,
    KINDS,
    OWN,
    ROOT,
    SECRETS,
    TOKENS,
    decided,
    refusals,
    source,
    stack,
    transformed,
)

FUNCTIONS = {f"{name}Function" for name in ("Api", "Worker", "Drain", "Sweep", "Retention", "Migrate")}
BY_THE_CLOCK = {"DrainFunction", "SweepFunction", "RetentionFunction"}
# Properties that name a resource for the whole account, of the kinds of resources that are here.
NAMES = {
    "AlarmName", "DBClusterIdentifier", "DBClusterParameterGroupName", "DBInstanceIdentifier", "DBSubnetGroupName",
    "DashboardName", "FunctionName", "GroupName", "LayerName", "LogGroupName", "ManagedPolicyName", "Name", "QueueName",
    "RoleName",
}  # fmt: skip


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


# --- it is valid -------------------------------------------------------------------------------------------------


def test_cfn_lint_has_nothing_to_say() -> None:
    command = [str(Path(sys.executable).with_name("cfn-lint")), "--regions", "eu-west-1", "--", "template.yaml"]
    said = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert (0, "") == (said.returncode, said.stdout)


def test_sam_makes_six_functions_of_it_whatever_an_operator_says(kind: str) -> None:
    assert set(stack(kind).functions) == FUNCTIONS


def test_what_is_referred_to_is_there(kind: str) -> None:
    """A condition may leave out a resource; then nothing that is left may need it."""
    made, every = stack(kind).resources, set(transformed(KINDS[kind])["Resources"])
    text = json.dumps(made)
    left_out = {name for name in every - set(made) if re.search(rf'"{name}(\.\w+)*"', text)}
    assert set() == left_out


@pytest.mark.parametrize("function", sorted(FUNCTIONS))
def test_every_handler_is_there(function: str) -> None:
    module, name = source()["Resources"][function]["Properties"]["Handler"].rsplit(".", 1)
    assert callable(getattr(importlib.import_module(module), name))


def test_the_layers_and_functions_are_built_for_the_runtime_they_run_on() -> None:
    made = (ROOT / "packaging" / "Makefile").read_text()
    runtimes = {each["Runtime"] for each in stack("iam").functions.values()}
    assert {f"python{re.findall(r'^RUNTIME := (.+)$', made, re.MULTILINE)[0]}"} == runtimes
    assert [source()["Parameters"]["Architecture"]["Default"]] == re.findall(
        r"^ARCHITECTURE \?= (.+)$", made, re.MULTILINE
    )
    built = {name for name, each in source()["Resources"].items() if each.get("Metadata", {}).get("BuildMethod")}
    assert FUNCTIONS | {"SharedLayer", "MigrationsLayer"} == built


def test_what_the_layers_hold_is_what_was_tested() -> None:
    tested = pinned("dev.txt")
    layers = {**pinned("layer.txt"), **pinned("migrations.txt")}
    assert {name: tested[name] for name in layers} == layers
    assert set() == set(pinned("layer.txt")) & set(pinned("migrations.txt"))
    assert {"alembic", "mako"} <= set(pinned("migrations.txt"))


def pinned(file: str) -> dict[str, str]:
    return dict(re.findall(r"^([\w-]+)==([\w.]+)", (ROOT / "requirements" / file).read_text(), re.MULTILINE))


@pytest.mark.parametrize(
    ("parameters", "broken"),
    [
        *((parameters, []) for parameters in KINDS.values()),
        ({}, ["OneDatabase", "WhoeverLogsInHasAWayTo"]),
        ({"DatabaseHost": "db.example.com"}, ["WhoeverLogsInHasAWayTo"]),
        ({**SECRETS, "DatabaseRetentionSecretArn": ""}, ["WhoeverLogsInHasAWayTo"]),
        ({**IAM, "JwtIssuer": "https://id.example.com"}, ["TokensHaveAnAudience"]),
    ],
)
def test_what_an_operator_forgets_is_told_before_anything_is_made(
    parameters: dict[str, str], broken: list[str]
) -> None:
    assert broken == refusals(parameters)


# --- the schema first --------------------------------------------------------------------------------------------


def test_every_function_waits_for_the_migration_but_the_one_that_migrates(kind: str) -> None:
    waiting = {name for name in FUNCTIONS if stack(kind).resources[name].get("DependsOn") == "SchemaMigration"}
    assert FUNCTIONS - {"MigrateFunction"} == waiting


def test_the_migration_runs_again_when_the_revisions_change_and_not_when_only_code_does() -> None:
    def migrations(uploaded: str) -> Any:
        return transformed(IAM, uploaded)["Resources"]["SchemaMigration"]["Properties"]["Migrations"]

    assert migrations("s3://artifacts/one") == migrations("s3://artifacts/one")
    assert migrations("s3://artifacts/one") != migrations("s3://artifacts/two")
    (layer,) = [name for name in stack("iam").of("AWS::Lambda::LayerVersion") if name.startswith("MigrationsLayer")]
    assert {"Ref": layer} == transformed(IAM)["Resources"]["SchemaMigration"]["Properties"]["Migrations"]


def test_the_migration_answers_or_is_given_up_soon() -> None:
    longest = stack("iam")["MigrateFunction"]["Timeout"]
    assert longest < stack("iam")["SchemaMigration"]["ServiceTimeout"] <= longest + 60


def test_only_migrate_has_alembic() -> None:
    layers = {name: [layer[:6] for layer in each["Layers"]] for name, each in stack("iam").functions.items()}
    assert layers == {name: ["Shared", *(["Migrat"] if name == "MigrateFunction" else [])] for name in FUNCTIONS}


def test_with_a_database_of_its_own_the_migration_waits_for_it_and_for_the_way_to_answer() -> None:
    waits = {"DatabaseInstance", "DatabaseAdmitsFunctions", "FunctionsReachDatabase", "SecretsEndpoint", "S3Endpoint"}
    assert waits == set(stack("own")["SchemaMigration"]["Waits"])
    assert "Waits" not in stack("iam")["SchemaMigration"]


# --- queues and schedules ----------------------------------------------------------------------------------------


def test_every_queue_has_dead_letters_that_stay_longer_than_its_messages() -> None:
    queues = stack("iam").of("AWS::SQS::Queue")
    working = {name: queue for name, queue in queues.items() if not name.endswith("DeadLetters")}
    assert {"DefaultQueue"} == set(working)
    for queue in working.values():
        policy = queue["RedrivePolicy"]
        dead = queues[policy["deadLetterTargetArn"].removesuffix(".Arn")]
        assert policy["maxReceiveCount"] >= 5
        assert dead["MessageRetentionPeriod"] > queue["MessageRetentionPeriod"]


def test_a_message_stays_hidden_for_six_times_as_long_as_its_worker_may_run() -> None:
    made = stack("iam")
    sources = made.of("AWS::Lambda::EventSourceMapping")
    assert {"WorkerFunctionDefault"} == set(sources)
    for each in sources.values():
        queue = made[each["EventSourceArn"].removesuffix(".Arn")]
        assert queue["VisibilityTimeout"] >= 6 * made[each["FunctionName"]]["Timeout"]
        assert ["ReportBatchItemFailures"] == each["FunctionResponseTypes"]


def test_the_queue_bounds_its_workers_and_nothing_is_reserved() -> None:
    assert 10 == int(stack("iam")["WorkerFunctionDefault"]["ScalingConfig"]["MaximumConcurrency"])
    assert 3 == int(
        decided({**IAM, "WorkerConcurrency": "3"})["WorkerFunctionDefault"]["ScalingConfig"]["MaximumConcurrency"]
    )
    assert [] == [name for name, each in stack("iam").functions.items() if "ReservedConcurrentExecutions" in each]


def test_the_worker_may_ring_the_queue_that_wakes_it_and_says_why() -> None:
    resources = source()["Resources"]
    assert {"WorkerFunction": "Allow"} == {
        name: each["RecursiveLoop"] for name, each in stack("iam").functions.items() if "RecursiveLoop" in each
    }
    assert "seventeenth step" in resources["WorkerFunction"]["Metadata"]["RecursiveLoop"]


def test_what_runs_by_the_clock_is_decided_by_parameters() -> None:
    wanted = {
        "DrainSchedule": "rate(2 minutes)",
        "SweepSchedule": "rate(3 minutes)",
        "RetentionSchedule": "rate(1 day)",
    }
    made = decided({**IAM, **wanted}).of("AWS::Scheduler::Schedule")
    expected = dict(
        zip(["DrainFunctionTick", "SweepFunctionTick", "RetentionFunctionDaily"], wanted.values(), strict=True)
    )
    assert expected == {name: each["ScheduleExpression"] for name, each in made.items()}


def test_the_next_tick_is_the_retry_but_a_day_of_retention_is_not_lost() -> None:
    made = stack("iam")
    tries = {
        each["FunctionName"]: (each["MaximumRetryAttempts"], each["MaximumEventAgeInSeconds"])
        for each in made.of("AWS::Lambda::EventInvokeConfig").values()
    }
    once = {"DrainFunction": (0, 60), "SweepFunction": (0, 60), "MigrateFunction": (0, 900)}
    assert {**once, "RetentionFunction": (2, 21_600)} == tries
    failed = made["RetentionFunctionEventInvokeConfig"]["DestinationConfig"]["OnFailure"]["Destination"]
    never_called = made["RetentionFunctionDaily"]["Target"]["DeadLetterConfig"]["Arn"]
    assert ("RetentionDeadLetters.Arn", "RetentionDeadLetters.Arn") == (failed, never_called)


# --- the API -----------------------------------------------------------------------------------------------------


def the_one_route(made: Any) -> Any:
    paths = made["HttpApi"]["Body"]["paths"]
    assert ["/v1/{proxy+}"] == list(paths)
    assert ["x-amazon-apigateway-any-method"] == list(paths["/v1/{proxy+}"])
    return paths["/v1/{proxy+}"]["x-amazon-apigateway-any-method"]


def test_every_route_of_the_api_is_served_and_where_the_local_runtime_finds_it_too() -> None:
    documented = json.loads((ROOT / "docs" / "openapi.json").read_text())["paths"]
    assert [] == [path for path in documented if not path.startswith("/v1/")]
    event = source()["Resources"]["ApiFunction"]["Properties"]["Events"]["Everything"]["Properties"]
    assert ("ANY", "/v1/{proxy+}") == (event["Method"], event["Path"])
    uri = the_one_route(stack("iam"))["x-amazon-apigateway-integration"]["uri"]
    assert uri.endswith("/functions/ApiFunctionAliaslive/invocations")


def test_callers_sign_with_iam_unless_somebody_issues_tokens() -> None:
    schemes = stack("iam")["HttpApi"]["Body"]["components"]["securitySchemes"]
    assert [{"Iam": []}] == the_one_route(stack("iam"))["security"]
    assert ["Iam"] == list(schemes)
    assert "awsSigv4" == schemes["Iam"]["x-amazon-apigateway-authtype"]


def test_tokens_have_an_issuer_an_audience_and_a_scope() -> None:
    made = decided({**IAM, **TOKENS})
    schemes = made["HttpApi"]["Body"]["components"]["securitySchemes"]
    assert [{"Tokens": ["jobs"]}] == the_one_route(made)["security"]
    assert ["Tokens"] == list(schemes)
    expected = {"issuer": "https://id.example.com", "audience": ["penstock"]}
    assert expected == schemes["Tokens"]["x-amazon-apigateway-authorizer"]["jwtConfiguration"]


def test_a_new_version_of_the_api_begins_as_a_canary_that_two_alarms_take_back() -> None:
    made = stack("iam")
    group = made["ApiFunctionDeploymentGroup"]
    assert ["ApiErrors", "ApiServerErrors"] == [alarm["Name"] for alarm in group["AlarmConfiguration"]["Alarms"]]
    assert group["DeploymentConfigName"].endswith("LambdaCanary10Percent5Minutes")
    assert "ApiFunctionDeploymentGroup" in json.dumps(made.resources["ApiFunctionAliaslive"]["UpdatePolicy"])


# --- two stacks in one account -----------------------------------------------------------------------------------


def test_nothing_has_a_name_that_a_second_stack_would_want_too(kind: str) -> None:
    """A name refers to a resource, or is made from the name of the stack. An alias is one of its function only."""
    fixed = [
        (name, key, value)
        for name, each in transformed(KINDS[kind])["Resources"].items()
        for key, value in each.get("Properties", {}).items()
        if key in NAMES and isinstance(value, str) and each["Type"] != "AWS::Lambda::Alias"
    ]
    assert [] == fixed
    layers = {each["LayerName"] for each in stack(kind).of("AWS::Lambda::LayerVersion").values()}
    assert {"penstock-shared", "penstock-migrations"} == layers


# --- logs, encryption --------------------------------------------------------------------------------------------


def test_everything_that_logs_does_so_where_logs_come_to_an_end() -> None:
    made = stack("iam")
    groups = made.of("AWS::Logs::LogGroup")
    assert {30} == {int(group["RetentionInDays"]) for group in groups.values()}
    logging = {each["LoggingConfig"]["LogGroup"] for each in made.functions.values()}
    logging |= {
        each["AccessLogSettings"]["DestinationArn"].removesuffix(".Arn")
        for each in made.of("AWS::ApiGatewayV2::Stage").values()
    }
    assert set(groups) == logging
    assert len(groups) == len(FUNCTIONS) + 1


def test_queues_are_encrypted_and_take_nothing_in_the_clear(kind: str) -> None:
    made = stack(kind)
    queues = made.of("AWS::SQS::Queue")
    assert [] == [
        name for name, each in queues.items() if not each.get("SqsManagedSseEnabled") and "KmsMasterKeyId" not in each
    ]
    statements = [each["PolicyDocument"]["Statement"] for each in made.of("AWS::SQS::QueuePolicy").values()]
    assert {f"{name}.Arn" for name in queues} == {statement["Resource"] for (statement,) in statements}
    for (statement,) in statements:
        assert ("Deny", {"Bool": {"aws:SecureTransport": "false"}}) == (statement["Effect"], statement["Condition"])


def test_a_key_that_is_given_is_used_for_everything_that_lies_somewhere() -> None:
    made = stack("everything")
    keys = {
        "AWS::SQS::Queue": "KmsMasterKeyId",
        "AWS::Logs::LogGroup": "KmsKeyId",
        "AWS::Lambda::Function": "KmsKeyArn",
        "AWS::RDS::DBCluster": "KmsKeyId",
    }
    found = {(name, each.get(key)) for kind, key in keys.items() for name, each in made.of(kind).items()}
    assert {("RetentionDeadLetters", None)} == {(name, key) for name, key in found if key != KEY}


# --- the database ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("parameters", [IAM, SECRETS], ids=["iam", "secrets"])
def test_no_database_and_no_network_is_made_unless_it_is_asked_for(parameters: dict[str, str]) -> None:
    made = decided(parameters).resources.values()
    assert [] == [each["Type"] for each in made if each["Type"].startswith(("AWS::RDS", "AWS::EC2"))]


def test_a_database_of_the_stack_is_encrypted_backed_up_and_not_easily_lost() -> None:
    cluster, made = stack("own")["DatabaseCluster"], stack("own")
    wanted = ("StorageEncrypted", "DeletionProtection", "EnableIAMDatabaseAuthentication", "ManageMasterUserPassword")
    assert [True] * 4 == [cluster[name] for name in wanted]
    assert (14, "Snapshot") == (cluster["BackupRetentionPeriod"], made.resources["DatabaseCluster"]["DeletionPolicy"])
    assert ({"rds.force_ssl": "1"}, "aurora-postgresql17") == (
        made["DatabaseSettings"]["Parameters"],
        made["DatabaseSettings"]["Family"],
    )
    assert not made["DatabaseInstance"]["PubliclyAccessible"]


def test_its_network_leads_nowhere_but_to_what_the_functions_need() -> None:
    made = decided({**OWN, "LambdaInvokeArns": EVERYTHING["LambdaInvokeArns"]})
    services = {each["ServiceName"].rpartition(".")[2] for each in made.of("AWS::EC2::VPCEndpoint").values()}
    assert {"s3", "sqs", "secretsmanager", "lambda"} == services
    assert [] == [each for each in made.resources.values() if "Gateway" in each["Type"] and "EC2" in each["Type"]]
    assert ["10.73.0.0/25", "10.73.0.128/25"] == [each["CidrBlock"] for each in made.of("AWS::EC2::Subnet").values()]


def test_functions_are_where_the_database_is() -> None:
    def place(kind: str) -> Any:
        return {json.dumps(each.get("VpcConfig")) for each in stack(kind).functions.values()}

    assert {"null"} == place("secrets")
    assert {'{"SubnetIds": ["subnet-a", "subnet-b"], "SecurityGroupIds": ["sg-1"]}'} == place("iam")
    assert {'{"SubnetIds": ["SubnetA", "SubnetB"], "SecurityGroupIds": ["FunctionsSecurityGroup.GroupId"]}'} == place(
        "own"
    )
