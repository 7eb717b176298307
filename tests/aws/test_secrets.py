"""Secrets are read once for a while, and tokens are made on the spot."""

from urllib.parse import parse_qs, urlsplit

import pytest

from penstock.aws.secrets import KEPT_FOR, Secrets, database_token
from penstock.domain.errors import InvalidInput
from tests.acting import Clock
from tests.amazon import REGION, Amazon


def stored(amazon: Amazon, text: str) -> str:
    arn: str = amazon.client("secretsmanager").create_secret(Name="database", SecretString=text)["ARN"]
    return arn


def rotate(amazon: Amazon, arn: str, text: str) -> None:
    amazon.client("secretsmanager").put_secret_value(SecretId=arn, SecretString=text)


def test_a_secret_is_read_once_in_five_minutes(amazon: Amazon, clock: Clock) -> None:
    arn = stored(amazon, '{"username": "ann", "password": "old"}')
    secrets = Secrets(clock)
    said = [secrets.secret(arn)["password"]]
    rotate(amazon, arn, '{"username": "ann", "password": "new"}')
    said.append(secrets.secret(arn)["password"])
    clock.pass_(KEPT_FOR)
    said.append(secrets.secret(arn)["password"])
    assert ["old", "old", "new"] == said


def test_a_secret_is_read_anew_on_request(amazon: Amazon, clock: Clock) -> None:
    arn = stored(amazon, '{"password": "old"}')
    secrets = Secrets(clock)
    secrets.secret(arn)
    rotate(amazon, arn, '{"password": "new"}')
    assert {"password": "new"} == secrets.secret(arn, fresh=True) == secrets.secret(arn)


@pytest.mark.parametrize("text", ["hunter2", '"hunter2"', "[1]"])
def test_a_secret_in_another_form_is_refused_without_telling_it(amazon: Amazon, clock: Clock, text: str) -> None:
    arn = stored(amazon, text)
    with pytest.raises(InvalidInput, match="does not hold a JSON object") as refused:
        Secrets(clock).secret(arn)
    assert "hunter2" not in str(refused.value)


def test_a_token_is_for_one_user_at_one_database_and_for_a_quarter_of_an_hour(amazon: Amazon) -> None:
    token = urlsplit(f"https://{database_token('db.example.com', 5432, 'penstock_app')}")
    said = {name: values[0] for name, values in parse_qs(token.query).items()}
    assert ("db.example.com:5432", "connect", "penstock_app", "900") == (
        token.netloc, said["Action"], said["DBUser"], said["X-Amz-Expires"],
    )  # fmt: skip
    assert REGION in said["X-Amz-Credential"]
