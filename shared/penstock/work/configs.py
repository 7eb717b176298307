"""The config of a task as a dataclass, checked, so that a mistake is one clear sentence that names the field."""

from collections.abc import Mapping
from dataclasses import MISSING, Field, fields
from typing import Any, TypeVar

from penstock.domain.errors import InvalidInput
from penstock.work.run import Fail

T = TypeVar("T")


class ConfigField(InvalidInput):
    """A field of the config breaks a rule."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(field if field.startswith("config") else f"config.{field}", problem)


def read_config(kind: type[T], config: Mapping[str, Any]) -> T:
    """A config as this dataclass, whose `__post_init__` checks it. What is wrong with it no further attempt will mend."""
    try:
        return kind(**_known(kind, config))
    except InvalidInput as error:
        raise Fail(str(ConfigField(error.field, error.problem)), error_type="InvalidConfig") from None


def _known(kind: Any, config: Mapping[str, Any]) -> dict[str, Any]:
    known = {each.name: each for each in fields(kind) if each.init}
    if unknown := sorted(set(config) - set(known)):
        raise ConfigField(unknown[0], f"is not known; known are {', '.join(known)}")
    for name, each in known.items():
        if name not in config and _is_required(each):
            raise ConfigField(name, "is missing")
    return dict(config)


def _is_required(field: Field[Any]) -> bool:
    return field.default is MISSING and field.default_factory is MISSING
