"""Alarms and the dashboard look at numbers that the code really tells."""

import ast
import json
from collections.abc import Iterator
from typing import Any

import pytest

from penstock.work.journal import COUNTED
from tests.deploy.transform import ROOT, stack

# What CloudWatch tells by itself.
AWS = {
    "AWS/Lambda": {"Errors", "Throttles", "Duration", "Invocations", "ConcurrentExecutions"},
    "AWS/SQS": {"ApproximateNumberOfMessagesVisible", "ApproximateAgeOfOldestMessage"},
    "AWS/RDS": {"ACUUtilization"},
}


def told() -> set[str]:
    """The names that are given to `measure`, wherever it is called."""
    files = [*(ROOT / "functions").rglob("*.py"), *(ROOT / "shared" / "penstock" / "work").rglob("*.py")]
    return {name for file in files for call in calls(ast.parse(file.read_text())) for name in names(call)}


def calls(tree: ast.AST) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "measure":
            yield node


def names(call: ast.Call) -> Iterator[str]:
    for keyword in call.keywords:
        if keyword.arg is not None:
            yield from {keyword.arg} - {"queue"}
        elif isinstance(keyword.value, ast.Dict):
            yield from (str(key.value) for key in keyword.value.keys if isinstance(key, ast.Constant))
            yield from COUNTED.values() if any(isinstance(key, ast.Name) for key in keyword.value.keys) else ()


def alarms() -> dict[str, Any]:
    return stack("own").of("AWS::CloudWatch::Alarm")


def test_the_code_tells_numbers() -> None:
    assert {"OutboxOldestAgeSeconds", "ApiServerErrors", "Completed", "RunSeconds", "LeaseLost"} <= told()


@pytest.mark.parametrize("alarm", sorted(stack("own").of("AWS::CloudWatch::Alarm")))
def test_an_alarm_looks_at_a_number_that_somebody_tells(alarm: str) -> None:
    said = alarms()[alarm]
    known = AWS | {"Penstock": told()}
    assert said["MetricName"] in known[said["Namespace"]]


def test_numbers_of_ours_are_those_of_this_stack() -> None:
    service = stack("own").variables("DrainFunction")["POWERTOOLS_SERVICE_NAME"]
    namespace = stack("own").variables("DrainFunction")["POWERTOOLS_METRICS_NAMESPACE"]
    ours = [said for said in alarms().values() if said["Namespace"] == namespace]
    assert len(ours) >= 6
    assert [] == [said for said in ours if said["Dimensions"] != [{"Name": "service", "Value": service}]]


def test_every_function_has_an_alarm_for_its_errors() -> None:
    errors = {said["Dimensions"][0]["Value"] for said in alarms().values() if said["MetricName"] == "Errors"}
    assert set(stack("own").functions) == errors


def test_every_function_that_is_called_by_others_has_an_alarm_for_lack_of_capacity() -> None:
    throttled = {said["Dimensions"][0]["Value"] for said in alarms().values() if said["MetricName"] == "Throttles"}
    assert set(stack("own").functions) - {"MigrateFunction"} == throttled


def test_an_alarm_for_slowness_goes_off_before_lambda_ends_the_function() -> None:
    slow = {
        said["Dimensions"][0]["Value"]: said["Threshold"]
        for said in alarms().values()
        if said["MetricName"] == "Duration"
    }
    functions = stack("own").functions
    assert {"ApiFunction", "WorkerFunction", "DrainFunction", "SweepFunction"} == set(slow)
    assert [] == [name for name, threshold in slow.items() if threshold >= functions[name]["Timeout"] * 1000]


def test_every_queue_of_dead_letters_has_an_alarm() -> None:
    watched = {
        said["Dimensions"][0]["Value"].split(".")[0]
        for said in alarms().values()
        if said["MetricName"] == "ApproximateNumberOfMessagesVisible"
    }
    queues = stack("own").of("AWS::SQS::Queue")
    assert {name for name in queues if name.endswith("DeadLetters")} == watched


def test_silence_of_who_reports_each_time_is_an_alarm() -> None:
    breaching = {name for name, said in alarms().items() if said["TreatMissingData"] == "breaching"}
    assert {"OverdueDoorbells", "RetentionSilent"} == breaching
    overdue = alarms()["OverdueDoorbells"]
    assert ("Maximum", 600, 300) == (overdue["Statistic"], int(overdue["Threshold"]), int(overdue["Period"]))


def test_alarms_tell_a_topic_if_there_is_one() -> None:
    for said in stack("everything").of("AWS::CloudWatch::Alarm").values():
        assert [["arn:aws:sns:eu-west-1:012345678901:alarms"]] * 2 == [said["AlarmActions"], said["OKActions"]]
    assert [] == [name for name, said in alarms().items() if "AlarmActions" in said]


def test_the_dashboard_shows_numbers_that_somebody_tells() -> None:
    widgets = json.loads(stack("own")["Dashboard"]["DashboardBody"])["widgets"]
    shown = [metric[:2] for widget in widgets for metric in widget["properties"]["metrics"]]
    known = AWS | {"Penstock": told()}
    assert [] == [(namespace, name) for namespace, name in shown if name not in known[namespace]]
    assert ["Penstock", "OutboxOldestAgeSeconds"] in shown
