"""What each function may do: this and nothing else, listed here so that a change of it is a change of a test."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.deploy.transform import EVERYTHING, KEY, KINDS, SECRET, Stack, decided, source, stack

QUEUE, MISSED = "DefaultQueue.Arn", "RetentionDeadLetters.Arn"
ARN = "arn:aws:rds-db:eu-west-1:012345678901:dbuser"
FUNCTIONS, RETENTION = f"{ARN}:prx-0123/penstock_app", f"{ARN}:prx-0123/penstock_retention"
OWNER = f"{ARN}:cluster-ABCD/penstock_owner"
INTERFACES = {
    "ec2:CreateNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets", "ec2:DeleteNetworkInterface",
    "ec2:AssignPrivateIpAddresses", "ec2:UnassignPrivateIpAddresses",
}  # fmt: skip
WAKES = {("sqs:ReceiveMessage", QUEUE), ("sqs:DeleteMessage", QUEUE), ("sqs:ChangeMessageVisibility", QUEUE),
         ("sqs:GetQueueAttributes", QUEUE), ("sqs:GetQueueUrl", QUEUE)}  # fmt: skip
RINGS = ("sqs:SendMessage", QUEUE)

Grant = tuple[str, str]


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def statements(made: Stack, role: str) -> Iterator[Any]:
    """Of its own policies, and of those of the stack that it is given."""
    said = made[role]
    for policy in said.get("Policies", []):
        yield from listed(policy["PolicyDocument"]["Statement"])
    for managed in said.get("ManagedPolicyArns", []):
        yield from listed(made[managed]["PolicyDocument"]["Statement"]) if managed in made.resources else ()


def allowed(made: Stack, function: str) -> set[Grant]:
    """Action and resource, without those for logs and interfaces, which have tests of their own."""
    role = made[function]["Role"].removesuffix(".Arn")
    return {
        (action, resource)
        for statement in statements(made, role)
        if statement["Effect"] == "Allow"
        for action in listed(statement["Action"])
        for resource in listed(statement["Resource"])
        if not action.startswith(("logs:", "ec2:"))
    }


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        ("ApiFunction", {("rds-db:connect", FUNCTIONS), RINGS}),
        ("WorkerFunction", {("rds-db:connect", FUNCTIONS), RINGS, *WAKES}),
        ("DrainFunction", {("rds-db:connect", FUNCTIONS), RINGS}),
        ("SweepFunction", {("rds-db:connect", FUNCTIONS), RINGS}),
        ("RetentionFunction", {("rds-db:connect", RETENTION), ("sqs:SendMessage", MISSED)}),
        ("MigrateFunction", {("rds-db:connect", OWNER)}),
    ],
)
def test_a_function_may_do_this_and_nothing_else(function: str, expected: set[Grant]) -> None:
    assert expected == allowed(stack("iam"), function)


@pytest.mark.parametrize(
    ("function", "secret"),
    [("ApiFunction", "app"), ("WorkerFunction", "app"), ("DrainFunction", "app"), ("SweepFunction", "app"),
     ("RetentionFunction", "retention"), ("MigrateFunction", "owner")],
)  # fmt: skip
def test_with_secrets_a_function_reads_its_own_and_no_other(function: str, secret: str) -> None:
    logins = {grant for grant in allowed(stack("secrets"), function) if not grant[0].startswith("sqs:")}
    assert {("secretsmanager:GetSecretValue", f"{SECRET}{secret}")} == logins


def test_with_a_database_of_the_stack_only_migrate_has_its_secret() -> None:
    made = stack("own")
    owners = [
        name
        for name in made.functions
        if ("secretsmanager:GetSecretValue", "DatabaseCluster.MasterUserSecret.SecretArn") in allowed(made, name)
    ]
    assert ["MigrateFunction"] == owners
    connects = ("rds-db:connect", f"{ARN}:DatabaseCluster.DBClusterResourceId/penstock_app")
    assert connects in allowed(made, "ApiFunction")


def test_only_the_worker_reaches_what_task_types_may_touch() -> None:
    made = decided({**EVERYTHING, "KmsKeyArn": ""})
    named = {
        ("lambda:InvokeFunction", "arn:aws:lambda:eu-west-1:012345678901:function:one"),
        ("lambda:InvokeFunction", "arn:aws:lambda:eu-west-1:012345678901:function:two"),
        ("s3:ListBucket", "arn:aws:s3:::logs"),
        ("s3:ListBucket", "arn:aws:s3:::exports"),
        ("s3:DeleteObject", "arn:aws:s3:::logs/*"),
        ("s3:DeleteObject", "arn:aws:s3:::exports/*"),
        ("secretsmanager:GetSecretValue", f"{SECRET}crm"),
    }
    without = stack("own")
    assert named == allowed(made, "WorkerFunction") - allowed(without, "WorkerFunction")
    others = [name for name in made.functions if name != "WorkerFunction"]
    assert {name: allowed(without, name) for name in others} == {name: allowed(made, name) for name in others}


def test_a_key_is_for_reading_and_for_who_writes_to_a_queue_for_writing_too() -> None:
    made = stack("everything")
    uses = {name: {action for action, resource in allowed(made, name) if resource == KEY} for name in made.functions}
    writing, reading = {"kms:Decrypt", "kms:GenerateDataKey"}, {"kms:Decrypt"}
    assert uses == dict.fromkeys(made.functions, writing) | dict.fromkeys(
        ["MigrateFunction", "RetentionFunction"], reading
    )


def test_a_function_writes_its_own_log_and_no_other(kind: str) -> None:
    made = stack(kind)
    for name in made.functions:
        role = made[name]["Role"].removesuffix(".Arn")
        logs = [each for each in statements(made, role) if "logs:PutLogEvents" in each["Action"]]
        group = made[name]["LoggingConfig"]["LogGroup"]
        assert [(["logs:CreateLogStream", "logs:PutLogEvents"], f"{group}.Arn")] == [
            (each["Action"], each["Resource"]) for each in logs
        ]


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def test_no_policy_has_a_wildcard_where_there_is_a_name(kind: str) -> None:
    """Nothing is a star but the objects of a named bucket, and interfaces of a network, which have no names."""
    made = stack(kind)
    roles = made.of("AWS::IAM::Role")
    wild = [
        (role, action, resource)
        for role in roles
        for each in statements(made, role)
        if each["Effect"] == "Allow" and not INTERFACES.issuperset(listed(each["Action"]))
        for action in listed(each["Action"])
        for resource in listed(each["Resource"])
        if "*" in action or "*" in str(resource).removesuffix("/*")
    ]
    assert [] == wild


def test_interfaces_of_the_network_are_for_lambda_and_not_for_code_in_it() -> None:
    allow, deny = stack("iam")["JoinsNetwork"]["PolicyDocument"]["Statement"]
    assert [("Allow", INTERFACES), ("Deny", INTERFACES)] == [
        (each["Effect"], set(each["Action"])) for each in (allow, deny)
    ]
    assert {"Null": {"lambda:SourceFunctionArn": "false"}} == deny["Condition"]
    assert "JoinsNetwork" not in stack("secrets").resources


def test_a_schedule_may_call_its_function_and_leave_word_when_it_cannot() -> None:
    made = stack("iam")
    may = {
        role: {
            (action, resource)
            for each in statements(made, role)
            for action in listed(each["Action"])
            for resource in listed(each["Resource"])
        }
        for role in made.of("AWS::IAM::Role")
        if role.endswith(("TickRole", "DailyRole"))
    }
    call = "lambda:InvokeFunction"
    assert {
        "DrainFunctionTickRole": {(call, "DrainFunction.Arn")},
        "SweepFunctionTickRole": {(call, "SweepFunction.Arn")},
        "RetentionFunctionDailyRole": {(call, "RetentionFunction.Arn"), ("sqs:SendMessage", MISSED)},
    } == may


def test_policies_of_aws_are_nowhere_but_with_code_deploy() -> None:
    made = stack("everything")
    foreign = {
        role: policy
        for role in made.of("AWS::IAM::Role")
        for policy in made[role].get("ManagedPolicyArns", [])
        if policy not in made.resources
    }
    assert {"CodeDeployServiceRole": "arn:aws:iam::aws:policy/service-role/AWSCodeDeployRoleForLambda"} == foreign


def test_every_function_has_a_role_of_its_own() -> None:
    roles = [
        each["Properties"].get("Role")
        for each in source()["Resources"].values()
        if each["Type"] == "AWS::Serverless::Function"
    ]
    assert 6 == len({str(role) for role in roles})
