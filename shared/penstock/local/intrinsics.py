"""CloudFormation's short tags and functions, as far as a template can be understood without CloudFormation.

What only a deployment could know (the endpoint of a cluster) is a text that names it.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

REGION, ACCOUNT = "eu-west-1", "012345678901"
PSEUDO = {
    "AWS::Region": REGION,
    "AWS::AccountId": ACCOUNT,
    "AWS::Partition": "aws",
    "AWS::URLSuffix": "amazonaws.com",
    "AWS::StackName": "penstock",
    "AWS::StackId": f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/penstock/local",
    "AWS::NoValue": None,
}
PLACEHOLDER = re.compile(r"\$\{(!?)([^}]+)\}")


class Loader(yaml.SafeLoader):
    """YAML in which `!Ref x` is `{"Ref": "x"}`, and `!Sub x` is `{"Fn::Sub": "x"}`."""


def _tag(loader: Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    value = _plain(loader, node)
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


def _plain(loader: Loader, node: yaml.Node) -> Any:
    if isinstance(node, yaml.ScalarNode):
        return loader.construct_scalar(node)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    raise TypeError(f"no node of a template: {node}")


Loader.add_multi_constructor("!", _tag)


@dataclass(frozen=True)
class Resolver:
    """What the functions of a template come to, with these parameters, and with resources as *ref* and *attribute* say."""

    parameters: Mapping[str, Any]
    conditions: Mapping[str, Any]
    mappings: Mapping[str, Any]
    ref: Callable[[str], str]
    attribute: Callable[[str, str], str]
    functions: dict[str, Callable[[Any], Any]] = field(init=False)

    def __post_init__(self) -> None:
        functions: dict[str, Callable[[Any], Any]] = {
            "Ref": self._ref,
            "Condition": self.holds,
            "Fn::GetAtt": lambda v: self.attribute(str(v[0]), ".".join(map(str, v[1:]))),
            "Fn::Sub": self._sub,
            "Fn::If": lambda v: self(v[1] if self.holds(v[0]) else v[2]),
            "Fn::Equals": lambda v: str(self(v[0])) == str(self(v[1])),
            "Fn::Not": lambda v: not self(v[0]),
            "Fn::And": lambda v: all(self(each) for each in v),
            "Fn::Or": lambda v: any(self(each) for each in v),
            "Fn::Join": lambda v: str(v[0]).join(str(each) for each in self(v[1])),
            "Fn::Select": lambda v: self(v[1])[int(self(v[0]))],
            "Fn::Split": lambda v: str(self(v[1])).split(str(v[0])),
            "Fn::FindInMap": self._find,
        }
        object.__setattr__(self, "functions", functions)

    def __call__(self, node: Any) -> Any:
        """A part of the template without functions; what is `AWS::NoValue` is left out."""
        if isinstance(node, Mapping):
            if len(node) == 1 and (function := self.functions.get(next(iter(node)))):
                return function(next(iter(node.values())))
            resolved = {name: self(value) for name, value in node.items()}
            return {name: value for name, value in resolved.items() if value is not None}
        if isinstance(node, Sequence) and not isinstance(node, str):
            return [value for value in map(self, node) if value is not None]
        return node

    def holds(self, name: str) -> bool:
        """Whether a condition is met."""
        return bool(self(self.conditions[name]))

    def _ref(self, name: str) -> Any:
        if name in PSEUDO:
            return PSEUDO[name]
        return self.parameters[name] if name in self.parameters else self.ref(name)

    def _sub(self, value: Any) -> str:
        text, given = (value, {}) if isinstance(value, str) else (value[0], self(value[1]))

        def fill(match: re.Match[str]) -> str:
            literal, name = match.groups()
            if literal:
                return f"${{{name}}}"
            if name in given:
                return str(given[name])
            resource, dot, attribute = name.partition(".")
            return self.attribute(resource, attribute) if dot else str(self._ref(name))

        return PLACEHOLDER.sub(fill, text)

    def _find(self, value: Sequence[Any]) -> Any:
        found: Any = self.mappings
        for key in value[:3]:
            found = found[self(key)]
        return self(found)
