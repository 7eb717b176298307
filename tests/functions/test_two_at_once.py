"""A schedule may fire twice, or before the last run has ended: two runs at once do everything, and nothing twice."""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from penstock.dal import executions, schema
from penstock.dal.store import Store
from tests.acting import Clock, begin, create, job, rows
from tests.amazon import Amazon

ROOT = Path(__file__).parents[2]
MANY = 300
# Says that it is there, waits for the word, and prints what its handler answered.
INVOKE = """
import datetime, importlib, json, os, sys, types
from penstock import wiring
wiring.compose(os.environ, lambda: datetime.datetime.fromisoformat(sys.argv[2]))
handler = importlib.import_module(f"{sys.argv[1]}.app").handler
context = types.SimpleNamespace(
    get_remaining_time_in_millis=lambda: 900_000, function_name="f", memory_limit_in_mb=1024,
    invoked_function_arn="arn", aws_request_id="id",
)
print("ready", flush=True)
sys.stdin.readline()
print(json.dumps(handler({}, context)), flush=True)
"""


def twice(function: str, environ: Mapping[str, str], now: datetime) -> list[dict[str, Any]]:
    """The answers of two processes that begin at the same moment."""
    path = os.pathsep.join(str(ROOT / room) for room in ("shared", "functions"))
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", INVOKE, function, now.isoformat()],
            env={**os.environ, **environ, "PYTHONPATH": path},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for run in runs:
        assert run.stdout
        assert "ready\n" == run.stdout.readline()
    for run in runs:
        assert run.stdin
        run.stdin.write("go\n")
        run.stdin.flush()
    said = [run.communicate(timeout=120)[0] for run in runs]
    assert [0, 0] == [run.returncode for run in runs]
    return [json.loads(text.splitlines()[-1]) for text in said]


def test_two_drains_ring_every_doorbell_once(
    store: Store, clock: Clock, environ: dict[str, str], amazon: Amazon
) -> None:
    ids = store.alone(create, *(job() for _ in range(MANY)))
    answers = twice("drain", environ, clock.now)
    assert (MANY, 0) == (sum(a["rung"] for a in answers), sum(a["refused"] for a in answers))
    assert Counter(map(str, ids)) == Counter(said["task_execution_id"] for said in amazon.said("default"))


def test_two_sweeps_take_everything_back_once(
    store: Store, clock: Clock, environ: dict[str, str], amazon: Amazon
) -> None:
    ids = store.alone(create, *(job() for _ in range(MANY)))
    begin(store, *ids)
    clock.pass_(timedelta(days=1))
    assert MANY == sum(answer["recovered"] for answer in twice("sweep", environ, clock.now))
    recovered = [e.task_execution_id for e in rows(store, schema.execution_events) if e.event_type == "TaskRecovered"]
    assert sorted(ids) == sorted(recovered)
    assert Counter(map(str, ids)) == Counter(said["task_execution_id"] for said in amazon.said("default"))


def test_two_retentions_delete_everything_once_and_on_record(
    store: Store, clock: Clock, environ: dict[str, str]
) -> None:
    for running in begin(store, *store.alone(create, *(job() for _ in range(MANY)))):
        store.alone(executions.complete, running)
    clock.pass_(timedelta(days=91))
    answers = twice("retention", environ | {"RETENTION_BATCH": "20"}, clock.now)
    assert MANY == sum(answer["deleted"]["task_executions"] for answer in answers)
    assert [] == rows(store, schema.execution_events)
    assert MANY == sum(step.task_executions for step in rows(store, schema.purge_log))
