"""What a deployment decides is read whole, and what it cannot mean is told with the name of the variable."""

import json

import pytest

from penstock.settings import Database, InvalidSetting, Logins, Reach, Settings

ENOUGH = {"DATABASE_URL": "sqlite:///penstock.db"}
ARN = "arn:aws:secretsmanager:eu-west-1:012345678901:secret:database"


def test_the_url_of_a_database_is_enough() -> None:
    assert Settings(database=Database(url="sqlite:///penstock.db")) == Settings.read(ENOUGH)


def test_everything_can_be_decided() -> None:
    read = Settings.read(
        {
            "DATABASE_HOST": "db.example.com", "DATABASE_PORT": "6432", "DATABASE_NAME": "jobs", "DATABASE_USER": "app",
            "DATABASE_IAM": "true", "DATABASE_SSLROOTCERT": "/opt/rds.pem", "DATABASE_CONNECT_SECONDS": "60",
            "QUEUES": '{"default": "https://sqs/default"}', "PENSTOCK_LOCAL": "true", "REQUIRED_SCOPE": "jobs",
            "RETENTION_DAYS": "30", "RETENTION_BATCH": "200", "CAPACITY": "50", "HTTP_REQUEST_HOSTS": "a.example.com, *.b.com",
            "LAMBDA_INVOKE_ARNS": "arn:aws:lambda:eu-west-1:012345678901:function:f", "S3_EXPIRE_BUCKETS": "logs",
            "SQL_RUN_CONNECTIONS": f'{{"crm": "{ARN}"}}', "POWERTOOLS_SERVICE_NAME": "billing",
            "AWS_LAMBDA_FUNCTION_NAME": "billing-worker", "DATABASE_FUNCTIONS_LOGIN": "app", "DATABASE_RETENTION_LOGIN": "purger",
        }
    )  # fmt: skip
    expected = Settings(
        database=Database(
            host="db.example.com", port=6432, name="jobs", user="app", iam=True, root_certificate="/opt/rds.pem",
            connect_seconds=60,
        ),
        logins=Logins("app", "purger"), queues={"default": "https://sqs/default"}, local=True, required_scope="jobs",
        retention_days=30, retention_batch=200, capacity=50, service="billing", function="billing-worker",
        reach=Reach(
            ("a.example.com", "*.b.com"), ("arn:aws:lambda:eu-west-1:012345678901:function:f",), ("logs",), {"crm": ARN}
        ),
    )  # fmt: skip
    assert expected == read


def test_what_a_template_leaves_empty_is_not_set() -> None:
    names = [
        "DATABASE_HOST", "DATABASE_PORT", "DATABASE_IAM", "QUEUES", "PENSTOCK_LOCAL", "REQUIRED_SCOPE", "RETENTION_DAYS",
        "CAPACITY", "HTTP_REQUEST_HOSTS", "SQL_RUN_CONNECTIONS", "POWERTOOLS_SERVICE_NAME",
    ]  # fmt: skip
    assert Settings.read(ENOUGH) == Settings.read(ENOUGH | dict.fromkeys(names, " "))


@pytest.mark.parametrize(
    ("environ", "name"),
    [
        ({}, "DATABASE_URL"),
        ({"DATABASE_HOST": "db"}, "DATABASE_USER"),
        ({"DATABASE_IAM": "true"}, "DATABASE_IAM"),
        (
            {"DATABASE_HOST": "db", "DATABASE_USER": "a", "DATABASE_IAM": "yes", "DATABASE_SECRET_ARN": ARN},
            "DATABASE_IAM",
        ),
        ({**ENOUGH, "DATABASE_IAM": "maybe"}, "DATABASE_IAM"),
        ({**ENOUGH, "DATABASE_PORT": "0"}, "DATABASE_PORT"),
        ({**ENOUGH, "DATABASE_PORT": "65536"}, "DATABASE_PORT"),
        ({**ENOUGH, "RETENTION_DAYS": "0"}, "RETENTION_DAYS"),
        ({**ENOUGH, "RETENTION_DAYS": "-1"}, "RETENTION_DAYS"),
        ({**ENOUGH, "RETENTION_DAYS": "three"}, "RETENTION_DAYS"),
        ({**ENOUGH, "RETENTION_BATCH": "20001"}, "RETENTION_BATCH"),
        ({**ENOUGH, "CAPACITY": "1.5"}, "CAPACITY"),
        ({**ENOUGH, "CAPACITY": "0"}, "CAPACITY"),
        ({**ENOUGH, "QUEUES": "default"}, "QUEUES"),
        ({**ENOUGH, "QUEUES": '["default"]'}, "QUEUES"),
        ({**ENOUGH, "QUEUES": '{"default": ""}'}, "QUEUES"),
        ({**ENOUGH, "SQL_RUN_CONNECTIONS": '{"crm": 7}'}, "SQL_RUN_CONNECTIONS"),
        ({**ENOUGH, "PENSTOCK_LOCAL": "2"}, "PENSTOCK_LOCAL"),
        ({**ENOUGH, "HTTP_REQUEST_HOSTS": "*"}, "HTTP_REQUEST_HOSTS"),
        ({**ENOUGH, "HTTP_REQUEST_HOSTS": "ok.com,a.*.com"}, "HTTP_REQUEST_HOSTS"),
        ({**ENOUGH, "S3_EXPIRE_BUCKETS": "logs-*"}, "S3_EXPIRE_BUCKETS"),
    ],
)
def test_a_value_that_cannot_be_meant_is_told_by_the_name_of_its_variable(environ: dict[str, str], name: str) -> None:
    with pytest.raises(InvalidSetting) as refused:
        Settings.read(environ)
    assert name == refused.value.name
    assert str(refused.value).startswith(f"{name}: ")


@pytest.mark.parametrize(
    ("environ", "called"),
    [
        ({"DATABASE_URL": "postgresql://ann:s3cret@db.example.com:6432/jobs?sslmode=require"}, "jobs"),
        ({"DATABASE_HOST": "db", "DATABASE_USER": "ann"}, "penstock"),
        ({"DATABASE_SECRET_ARN": ARN, "DATABASE_NAME": "jobs"}, "jobs"),
    ],
)
def test_a_database_has_a_name(environ: dict[str, str], called: str) -> None:
    assert called == Database.read(environ).called


def test_no_error_tells_a_password() -> None:
    with pytest.raises(InvalidSetting) as refused:
        Settings.read({"DATABASE_URL": "postgresql://ann:s3cret@db/jobs", "QUEUES": json.dumps({"q": 7})})
    assert "s3cret" not in str(refused.value)
