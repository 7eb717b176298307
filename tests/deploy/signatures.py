"""The functions of the schema penstock that a script of SQL leaves behind: their parameters, answers and callers."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

CREATES = re.compile(r"CREATE (?:OR REPLACE )?FUNCTION penstock\.(?P<name>\w+) ?\(", re.IGNORECASE)
DROPS = re.compile(r"DROP FUNCTION (?:IF EXISTS )?(?P<list>penstock\..+)", re.IGNORECASE)
GRANTS = re.compile(
    r"(?P<verb>GRANT|REVOKE) (?:ALL(?: PRIVILEGES)?|EXECUTE) ON FUNCTION penstock\.(?P<name>\w+).*"
    r" (?:TO|FROM) (?P<roles>[\w, ]+)$",
    re.IGNORECASE,
)
PARAMETER = re.compile(r"(?:IN )?(?P<name>\w+) (?P<type>.+?)(?P<default> (?:DEFAULT|:?=) .+)?$", re.IGNORECASE)
ANSWER = re.compile(r"\s*RETURNS (.+?) (?:LANGUAGE|AS|SECURITY|SET|STABLE|IMMUTABLE|VOLATILE|STRICT) ", re.IGNORECASE)
OPENS, CLOSES = "([", ")]"


@dataclass(frozen=True)
class Parameter:
    """As a caller sees it, by place or by name."""

    name: str
    type: str
    has_default: bool


@dataclass(frozen=True)
class Function:
    """What a call of it depends on."""

    parameters: tuple[Parameter, ...]
    answer: str
    callers: frozenset[str] = frozenset({"public"})

    @property
    def types(self) -> tuple[str, ...]:
        """What tells it from another function of its name."""
        return tuple(parameter.type for parameter in self.parameters)


Functions = Mapping[str, tuple[Function, ...]]  # by name: more than one, if a name is overloaded


def after(statements: Iterable[str], before: Functions) -> Functions:
    """The functions that are there after these statements."""
    there = dict(before)
    for statement in statements:
        if created := CREATES.match(statement):
            name = created["name"]
            there[name] = _with(there.get(name, ()), _function(statement, created.end()))
        elif dropped := DROPS.match(statement):
            for name in re.findall(r"penstock\.(\w+)", dropped["list"]):
                there.pop(name, None)
        elif (granted := GRANTS.match(statement)) and granted["name"] in there:
            roles = frozenset(re.findall(r"\w+", granted["roles"].lower()))
            there[granted["name"]] = tuple(_granted(each, granted["verb"], roles) for each in there[granted["name"]])
    return there


def is_about_functions(statement: str, known: Functions) -> bool:
    """Whether the functions before and after tell all about this statement. A trigger function is no business of theirs."""
    if created := CREATES.match(statement):
        return _function(statement, created.end()).answer != "trigger"
    if dropped := DROPS.match(statement):
        names = re.findall(r"penstock\.(\w+)", dropped["list"])
        return all(_is_called(known.get(name, ())) for name in names)
    granted = GRANTS.match(statement)
    return granted is not None and _is_called(known.get(granted["name"], ()))


def breaks(before: Functions, now: Functions) -> Iterator[tuple[str, str]]:
    """What breaks callers, and whose calls."""
    for name, (*_, old) in before.items():
        if _is_called([old]):
            yield from ((what, f"penstock.{name}") for what in _breaks(old, now.get(name, ())))


def _breaks(old: Function, now: tuple[Function, ...]) -> Iterator[str]:
    if not now:
        yield "takes a function away"
        return
    if len(now) > 1:
        yield "makes a function ambiguous"
        return
    (new,) = now
    kept, added = new.parameters[: len(old.parameters)], new.parameters[len(old.parameters) :]
    if [(each.name, each.type) for each in kept] != [(each.name, each.type) for each in old.parameters]:
        yield "changes a parameter"
    elif any(was.has_default and not each.has_default for was, each in zip(old.parameters, kept, strict=True)):
        yield "takes a default away"
    if not all(each.has_default for each in added):
        yield "adds a parameter without a default"
    if new.answer != old.answer:
        yield "changes an answer"
    if not old.callers <= new.callers:
        yield "takes a right away"


def _is_called(functions: Iterable[Function]) -> bool:
    return any(function.answer != "trigger" for function in functions)


def _with(there: tuple[Function, ...], new: Function) -> tuple[Function, ...]:
    """CREATE OR REPLACE keeps the rights of what it replaces. With other types it makes a second function."""
    same = [each for each in there if each.types == new.types]
    kept = tuple(each for each in there if each.types != new.types)
    return (*kept, replace(new, callers=same[0].callers if same else new.callers))


def _granted(function: Function, verb: str, roles: frozenset[str]) -> Function:
    callers = function.callers | roles if verb.upper() == "GRANT" else function.callers - roles
    return replace(function, callers=callers)


def _function(statement: str, start: int) -> Function:
    parts, end = _parts(statement, start)
    parameters = [found for part in parts if (found := PARAMETER.match(part))]
    answer = ANSWER.match(statement, end)
    return Function(
        tuple(Parameter(found["name"].lower(), found["type"].lower(), bool(found["default"])) for found in parameters),
        answer[1].lower() if answer else "",
    )


def _parts(statement: str, start: int) -> tuple[list[str], int]:
    """What stands between commas up to the bracket that closes, and where the text goes on behind that."""
    parts, depth, quoted = [""], 1, False
    for place, character in enumerate(statement[start:], start):
        quoted ^= character == "'"
        depth += 0 if quoted else (character in OPENS) - (character in CLOSES)
        if depth == 0:
            return [part.strip() for part in parts], place + 1
        if character == "," and depth == 1 and not quoted:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts], len(statement)
