"""Each event in events/ gets the answer that is expected of it, from its function in a container: `make sam-test`.

These are the events of `sam local invoke` in the documentation. CloudFormation's are answered twice: to the one who
invokes, and at the place that the event names.
"""

from collections.abc import Mapping
from typing import Any

import pytest

from penstock.dal import tasks
from penstock.dal.store import Store
from penstock.domain.tasks import NewTask
from tests.functions.cloudformation import desk
from tests.functions.payloads import EVENTS, event
from tests.sam import neighbours
from tests.sam.conftest import Place

NOT_EVENTS = {"env"}
NAMES = sorted({file.stem for file in EVENTS.glob("*.json")} - NOT_EVENTS)
ASKED_BY_CLOUDFORMATION = {"migrate.create", "migrate.update", "migrate.delete"}
NOTHING_LEFT = {"task_executions": 0, "pipeline_executions": 0}
EXPECTED: Mapping[str, Any] = {
    "api.claim": {"statusCode": 200},
    "api.create_task": {"statusCode": 201},
    "api.create_task_in_base64": {"statusCode": 201},
    "api.health": {"statusCode": 200},
    "api.health_by_token": {"statusCode": 200},
    "api.list_task_executions": {"statusCode": 200},
    "api.malformed": {"statusCode": 400},
    "api.nobody": {"statusCode": 401},
    "api.run_many": {"statusCode": 201},
    "api.run_task": {"statusCode": 201},
    "api.start_pipeline": {"statusCode": 201},
    "drain.scheduled": {"rung": 0, "refused": 0, "due": 0},
    "migrate.check": {"command": "check", "up_to_date": True},
    "migrate.create": {"Status": "SUCCESS"},
    "migrate.current": {"command": "current", "pending": []},
    "migrate.delete": {"Status": "SUCCESS", "Reason": "nothing is deleted"},
    "migrate.downgrade": {"command": "downgrade", "current": "0020"},
    "migrate.history": {"command": "history"},
    "migrate.sql": {"command": "sql"},
    "migrate.update": {"Status": "SUCCESS"},
    "migrate.upgrade": {"command": "upgrade", "pending": [], "ahead": False},
    "retention.dry_run": {"dry_run": True},
    "retention.older_than_days": {"dry_run": False},
    "retention.scheduled": {"dry_run": False},
    "sweep.scheduled": {"recovered": 0, "resumed_deferred": 0, "resumed_paused": 0},
    "worker.batch": {"batchItemFailures": []},
    "worker.doorbell": {"batchItemFailures": []},
    "worker.duplicated": {"batchItemFailures": []},
    "worker.poison": {
        "batchItemFailures": [
            {"itemIdentifier": f"059f36b4-87a3-44ab-83d2-66197566000{record}"} for record in (2, 3, 4)
        ]
    },
}


def test_it_is_known_what_each_event_is_answered() -> None:
    assert NAMES == sorted(EXPECTED)


@pytest.mark.parametrize("name", sorted(set(NAMES) - ASKED_BY_CLOUDFORMATION))
def test_an_event_is_answered(name: str, place: Place, postgres: Store) -> None:
    if not name.startswith("api.create"):
        postgres.alone(tasks.create, NewTask("report", "Report", "noop"))
    answer = place.invoke(f"{name.partition('.')[0].capitalize()}Function", event(name))
    assert EXPECTED[name] == {key: answer[key] for key in EXPECTED[name]}


@pytest.mark.parametrize("name", sorted(ASKED_BY_CLOUDFORMATION))
def test_cloudformation_is_answered(name: str, place: Place) -> None:
    with desk() as there, neighbours.service(there.url) as url:
        answer = place.invoke("MigrateFunction", event(name, ResponseURL=url))
    assert answer == there.only
    assert EXPECTED[name] == {key: answer[key] for key in EXPECTED[name]}
