"""What CloudFormation is handed, found out offline: template.yaml through SAM's own transform, with given parameters.

As a command it prints that as JSON, decided as far as it can be: `python -m tests.deploy.transform JwtIssuer=https://...`
"""

import copy
import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import yaml
from samtranslator.translator.transform import transform  # type: ignore[import-untyped]  # it has no types

from penstock.local.intrinsics import REGION, Loader, Resolver

ROOT = Path(__file__).parents[2]
UPLOADED = "s3://artifacts/code"
KEY = "arn:aws:kms:eu-west-1:012345678901:key/penstock"
SECRET = "arn:aws:secretsmanager:eu-west-1:012345678901:secret:"  # noqa: S105 - where secrets are

# A stack of each kind: what an operator would say, and nothing else.
IAM = {"DatabaseHost": "proxy.example.com", "DatabaseResourceId": "prx-0123", "DatabaseOwnerHost": "writer.example.com",
       "DatabaseOwnerResourceId": "cluster-ABCD", "SubnetIds": "subnet-a,subnet-b", "SecurityGroupIds": "sg-1"}  # fmt: skip
SECRETS = {"DatabaseHost": "db.example.com", "DatabaseSecretArn": f"{SECRET}app",
           "DatabaseRetentionSecretArn": f"{SECRET}retention", "DatabaseOwnerSecretArn": f"{SECRET}owner"}  # fmt: skip
OWN = {"CreateDatabase": "true"}
TOKENS = {"JwtIssuer": "https://id.example.com", "JwtAudience": "penstock", "JwtScope": "jobs"}
REACHING = {
    "LambdaInvokeArns": ",".join(f"arn:aws:lambda:eu-west-1:012345678901:function:{name}" for name in ("one", "two")),
    "S3ExpireBuckets": "logs,exports",
    "SqlRunConnections": f'{{"crm": "{SECRET}crm"}}',
    "SqlRunSecretArns": f"{SECRET}crm",
}
EVERYTHING = {
    **OWN,
    **TOKENS,
    **REACHING,
    "KmsKeyArn": KEY,
    "AlarmTopicArn": "arn:aws:sns:eu-west-1:012345678901:alarms",
}
KINDS: Mapping[str, Mapping[str, str]] = {"iam": IAM, "secrets": SECRETS, "own": OWN, "everything": EVERYTHING}

Resource = Mapping[str, Any]


class NoPolicies:
    """Policies of AWS by name: the template uses none, so nobody has to be asked for them."""

    def load(self) -> dict[str, str]:
        return {}


def source() -> dict[str, Any]:
    """The template as it is written."""
    loaded: dict[str, Any] = yaml.load((ROOT / "template.yaml").read_text(), Loader)  # noqa: S506 - a SafeLoader with tags
    return loaded


def transformed(parameters: Mapping[str, str], uploaded: str = UPLOADED) -> dict[str, Any]:
    """As SAM makes it of what `sam package` has uploaded."""
    template = source()
    template["Globals"]["Function"]["CodeUri"] = uploaded
    for resource in template["Resources"].values():
        if "ContentUri" in resource.get("Properties", {}):
            resource["Properties"]["ContentUri"] = uploaded
    with _somewhere():
        made: dict[str, Any] = transform(template, defaults(template) | dict(parameters), NoPolicies())
    return made


def defaults(template: Mapping[str, Any]) -> dict[str, str]:
    """The parameters of a template, as they are when nobody says anything."""
    return {name: str(said["Default"]) for name, said in template["Parameters"].items()}


@dataclass(frozen=True)
class Stack:
    """A stack with its conditions decided; references to resources are their logical ids."""

    resources: Mapping[str, Resource]

    def of(self, kind: str) -> dict[str, Resource]:
        """The properties of each resource of a kind."""
        return {name: each.get("Properties", {}) for name, each in self.resources.items() if each["Type"] == kind}

    def __getitem__(self, name: str) -> Resource:
        properties: Resource = self.resources[name].get("Properties", {})
        return properties

    @property
    def functions(self) -> dict[str, Resource]:
        return self.of("AWS::Lambda::Function")

    def variables(self, function: str) -> dict[str, str]:
        """Its environment, as a process finds it."""
        said = self[function]["Environment"]["Variables"]
        return {name: str(value) for name, value in said.items()} | {"AWS_LAMBDA_FUNCTION_NAME": function}


@cache
def stack(kind: str) -> Stack:
    """One of KINDS."""
    return decided(KINDS[kind])


def decided(parameters: Mapping[str, str]) -> Stack:
    """The stack that these parameters make."""
    made = transformed(parameters)
    resolve = _resolver(made, parameters)
    resolve.functions.update(
        {"Fn::GetAZs": lambda _: ["a", "b"], "Fn::Cidr": lambda said: _networks(*map(resolve, said))}
    )
    return Stack(dict(_wanted(made["Resources"], resolve)))


@contextmanager
def _somewhere() -> Iterator[None]:
    """SAM asks the environment for the region, because of its partition."""
    before = os.environ.get("AWS_DEFAULT_REGION")
    os.environ["AWS_DEFAULT_REGION"] = REGION
    try:
        yield
    finally:
        del os.environ["AWS_DEFAULT_REGION"]
        if before is not None:
            os.environ["AWS_DEFAULT_REGION"] = before


def _networks(block: str, count: int, bits: int) -> list[str]:
    return [str(network) for network in ip_network(block).subnets(new_prefix=32 - bits)][:count]


def refusals(parameters: Mapping[str, str]) -> list[str]:
    """Which rules of the template these parameters break, before anything is made."""
    template = source()
    resolve = _resolver(template, parameters)
    resolve.functions["Fn::EachMemberEquals"] = lambda said: all(each == said[1] for each in resolve(said[0]))
    return [
        name
        for name, rule in template["Rules"].items()
        if resolve(rule.get("RuleCondition", True))
        if not all(resolve(each["Assert"]) for each in rule["Assertions"])
    ]


def _resolver(template: Mapping[str, Any], parameters: Mapping[str, str]) -> Resolver:
    given = defaults(template) | dict(parameters)
    lists = {name for name, said in template["Parameters"].items() if said["Type"] == "CommaDelimitedList"}
    values = {name: value.split(",") if name in lists else value for name, value in given.items()}
    return Resolver(values, template["Conditions"], {}, str, "{}.{}".format)


def _wanted(resources: Mapping[str, Any], resolve: Resolver) -> Iterator[tuple[str, Any]]:
    for name, resource in copy.deepcopy(dict(resources)).items():
        condition = resource.pop("Condition", None)
        if condition is None or resolve.holds(condition):
            yield name, {part: said if part == "Metadata" else resolve(said) for part, said in resource.items()}


if __name__ == "__main__":
    wanted = dict(argument.split("=", 1) for argument in sys.argv[1:])
    made = decided({**EVERYTHING, **wanted})
    print(json.dumps({"AWSTemplateFormatVersion": "2010-09-09", "Resources": made.resources}, indent=2, default=str))  # noqa: T201 - a command prints
