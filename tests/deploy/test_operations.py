"""docs/operations.md tells of the stack that there is, and its sums are right."""

import re

import pytest

from tests.deploy.test_alarms import told
from tests.deploy.transform import ROOT, source, stack

PAGE = (ROOT / "docs" / "operations.md").read_text()
QUEUES, OF_A_QUEUE = 1, 2


def test_every_alarm_has_its_row_and_no_other_has_one() -> None:
    rows = re.findall(r"^\| `(\w+)` \| [^|]+ \| [^|]+ \|$", PAGE, re.MULTILINE)
    assert sorted(stack("own").of("AWS::CloudWatch::Alarm")) == sorted(rows)


def test_every_parameter_that_is_named_is_there() -> None:
    named = set(re.findall(r"`([A-Z]\w+)=", PAGE))
    assert len(named) > 20
    assert set() == named - set(source()["Parameters"])


def test_every_command_of_make_that_is_named_is_there() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set() == set(re.findall(r"(?:^|`|&& )make ([a-z-]+)", PAGE, re.MULTILINE)) - targets


def test_the_costs_count_the_metrics_and_alarms_that_there_are() -> None:
    assert [str(len(told()) + QUEUES * OF_A_QUEUE)] == re.findall(r"^\| metrics \| (\d+) x", PAGE, re.MULTILINE)
    alarms = len(stack("iam").of("AWS::CloudWatch::Alarm"))
    assert [str(alarms)] == re.findall(r"^\| alarms, dashboard \| (\d+) x", PAGE, re.MULTILINE)


@pytest.mark.parametrize("title", ["### Idle", "### One million jobs a day"])
def test_the_sums_are_right(title: str) -> None:
    """A bold row is the sum of all rows above it."""
    table = PAGE.partition(title)[2].partition("\n\n")[2].lstrip().partition("\n\n")
    rows = table[0] if table[0].startswith("|") else table[2].partition("\n\n")[0]
    total, said, summed = 0.0, [], []
    for what, amount in re.findall(r"^\| (.+?) \|.*\| \**([\d.]+)\** \|$", rows, re.MULTILINE):
        if what.startswith("**"):
            said.append(amount)
            summed.append(f"{total:.2f}")
        else:
            total += float(amount)
    assert len(said) == 2
    assert summed == said
