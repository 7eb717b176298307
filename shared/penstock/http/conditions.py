"""Entity tags and what requests say about them: a change is based on what somebody has read, or it is not made.

The tag of an execution is its version. That of a task is the moment of its last change: it stands for the definition,
and not for the state of the newest run, which is shown beside it.
"""

import re
from datetime import UTC, datetime, timedelta

from penstock.http import problems
from penstock.http.problems import Refused

ANY = "*"
TAG = re.compile(r'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"')
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


def tag_of_version(version: int) -> str:
    """The entity tag of an execution at a version."""
    return f'"v{version}"'


def tag_of_moment(changed: datetime) -> str:
    """The entity tag of a definition that was last changed at a moment."""
    return f'"t{(changed - EPOCH) // MICROSECOND}"'


def version(if_match: str | None) -> int | None:
    """The version that a change is based on; None where it may be any."""
    return _number(if_match, "v")


def moment(if_match: str | None) -> datetime | None:
    """The moment of the last change that the next one is based on; None where it may be any."""
    number = _number(if_match, "t")
    return None if number is None else EPOCH + number * MICROSECOND


def required(if_match: str | None) -> str:
    """What a change is based on, where it has to say so."""
    if if_match is None:
        detail = 'send If-Match with the ETag of what this change is based on, or "*" to change it whatever it is'
        raise Refused(problems.CONDITION_NEEDED, detail)
    return if_match


def is_known(if_none_match: str | None, tag: str) -> bool:
    """Whether the caller has this representation already."""
    if if_none_match is None:
        return False
    return if_none_match.strip() == ANY or tag in (f'"{opaque}"' for _, opaque in TAG.findall(if_none_match))


def _number(if_match: str | None, prefix: str) -> int | None:
    """The number in the one strong tag of ours. Another well-formed tag is of nothing that ever was here."""
    if if_match is None or if_match.strip() == ANY:
        return None
    matched = TAG.fullmatch(if_match.strip())
    if not matched:
        raise problems.header("If-Match", 'is not one entity tag in quotes, such as "v7", nor *')
    weak, opaque = matched.groups()
    if weak or not re.fullmatch(rf"{prefix}(0|[1-9]\d{{0,16}})", opaque):
        raise Refused(problems.CHANGED, f"{matched[0]} is not the ETag of what is here; read it again and decide anew")
    return int(opaque[len(prefix) :])
