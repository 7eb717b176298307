"""s3.expire against a real S3 API: what is old goes, in steps that are on record, and nothing else does."""

import json
from datetime import timedelta
from typing import Any

import pytest

from penstock import wiring
from penstock.dal import executions, schema
from penstock.work import registry
from tests.acting import Clock, execution, rows
from tests.amazon import REGION, Amazon
from tests.functions.tasks.conftest import Run, refused
from tests.working import HOUR, Worker
from worker.tasks import s3_expire

REACH = {"S3_EXPIRE_BUCKETS": "exports"}
WANTED = {"bucket": "exports", "prefix": "daily/", "older_than_days": 30}
DAYS = timedelta(days=1)
# Less than a page may take: there is time for one page, and then no more.
SHORT = timedelta(seconds=15)


@pytest.fixture
def bucket(amazon: Amazon, clock: Clock) -> Any:
    """A bucket, and the clock at the age that its objects have now: the server stamps them with the time of day."""
    client = amazon.client("s3")
    client.create_bucket(Bucket="exports", CreateBucketConfiguration={"LocationConstraint": REGION})
    client.put_object(Bucket="exports", Key="daily/0", Body=b"12345")
    clock.now = client.head_object(Bucket="exports", Key="daily/0")["LastModified"] + 30 * DAYS + HOUR
    return client


def keys(client: Any) -> list[str]:
    return [each["Key"] for each in client.list_objects_v2(Bucket="exports").get("Contents", [])]


def fill(client: Any, number: int) -> None:
    for place in range(number):
        client.put_object(Bucket="exports", Key=f"daily/{place:05}", Body=b"1")


def test_what_is_old_under_the_prefix_is_deleted(run: Run, bucket: Any) -> None:
    bucket.put_object(Bucket="exports", Key="weekly/0", Body=b"1")
    row = run("s3.expire", WANTED, **REACH)
    assert ("completed", ["s3:exports"]) == (row.status, list(row.services_touched))
    assert {"success": True, "listed": 1, "expired": 1, "bytes": 5, "dry_run": False} == row.outcome
    assert ["weekly/0"] == keys(bucket)


def test_what_is_young_stays(run: Run, bucket: Any, clock: Clock) -> None:
    clock.now -= 2 * HOUR
    row = run("s3.expire", WANTED, **REACH)
    assert (1, 0, 0) == (row.outcome["listed"], row.outcome["expired"], row.outcome["bytes"])
    assert ["daily/0"] == keys(bucket)


def test_a_dry_run_counts_and_deletes_nothing(run: Run, bucket: Any) -> None:
    row = run("s3.expire", WANTED | {"dry_run": True}, **REACH)
    assert {"success": True, "listed": 1, "expired": 1, "bytes": 5, "dry_run": True} == row.outcome
    assert ["daily/0"] == keys(bucket)


@pytest.mark.parametrize("dry_run", [False, True])
def test_it_defers_when_time_is_short_and_goes_on_where_it_stopped(
    run: Run,
    bucket: Any,
    monkeypatch: pytest.MonkeyPatch,
    dry_run: bool,  # noqa: FBT001 - a table
) -> None:
    monkeypatch.setattr(s3_expire, "KEYS", 3)
    fill(bucket, 7)
    row = run("s3.expire", WANTED | {"dry_run": dry_run}, left=SHORT, **REACH)
    store = wiring.store("tester")
    for runs in (1, 2):
        assert ("deferred", 1) == (row.status, row.attempt)
        assert runs == len(rows(store, schema.tool_executions))
        store.alone(executions.resume_deferred)
        Worker(store, dict(registry._known), left=SHORT).work(row.id)  # noqa: SLF001 - all that are registered
        row = execution(store, row.id)
    assert ("completed", 8, 8) == (row.status, row.outcome["listed"], row.outcome["expired"])
    assert (8 if dry_run else 0) == sum(
        len(page.get("Contents", [])) for page in bucket.get_paginator("list_objects_v2").paginate(Bucket="exports")
    )
    steps = rows(store, schema.tool_executions)
    assert ["", "daily/00001", "daily/00004"] == [step.arguments["after"] for step in steps]
    assert ["completed"] * 3 == [step.status for step in steps]


def test_keys_that_could_not_be_deleted_are_a_failure_that_names_them_and_the_others_are_gone(
    run: Run, bucket: Any
) -> None:
    fill(bucket, 3)
    kept = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:DeleteObject",
        "Resource": "arn:aws:s3:::exports/daily/00001",
    }
    bucket.put_bucket_policy(Bucket="exports", Policy=json.dumps({"Version": "2012-10-17", "Statement": [kept]}))
    row = run("s3.expire", WANTED, **REACH)
    assert ("ready", "1 of 4 keys: daily/00001: AccessDenied: Access Denied") == (row.status, row.error)
    assert ["daily/00001"] == keys(bucket)


def test_another_attempt_begins_anew_with_what_is_left(run: Run, bucket: Any, clock: Clock) -> None:
    fill(bucket, 1)
    kept = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:DeleteObject",
        "Resource": "arn:aws:s3:::exports/daily/00000",
    }
    bucket.put_bucket_policy(Bucket="exports", Policy=json.dumps({"Version": "2012-10-17", "Statement": [kept]}))
    row = run("s3.expire", WANTED, **REACH)
    bucket.delete_bucket_policy(Bucket="exports")
    clock.pass_(HOUR)
    store = wiring.store("tester")
    Worker(store, dict(registry._known)).work(row.id)  # noqa: SLF001 - all that are registered
    row = execution(store, row.id)
    assert ("completed", 1, []) == (row.status, row.outcome["expired"], keys(bucket))


def test_a_bucket_that_is_not_there_is_an_attempt_that_failed(run: Run, amazon: Amazon) -> None:
    row = run("s3.expire", WANTED, **REACH)
    assert ("ready", 2) == (row.status, row.attempt)
    assert "NoSuchBucket" in row.error


def test_a_bucket_that_is_not_listed_is_refused_for_good(run: Run) -> None:
    error = "the bucket exports is not listed in S3_EXPIRE_BUCKETS"
    assert ("NotAllowed", error) == refused(run("s3.expire", WANTED, S3_EXPIRE_BUCKETS="others"))


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"bucket": ""}, "config.bucket: must be a text that is not blank"),
        ({"prefix": ""}, "config.prefix: must be a text that is not blank"),
        ({"older_than_days": 0}, "config.older_than_days: is 0; it must be a whole number from 1 to 36,500"),
        ({"older_than_days": "30"}, "config.older_than_days: is '30'; it must be a whole number from 1 to 36,500"),
        ({"dry_run": "no"}, "config.dry_run: is 'no'; it must be true or false"),
        ({"days": 3}, "config.days: is not known; known are bucket, prefix, older_than_days, dry_run"),
    ],
)
def test_a_config_that_is_wrong_is_refused_by_its_field(run: Run, changes: dict[str, Any], error: str) -> None:
    assert ("InvalidConfig", error) == refused(run("s3.expire", WANTED | changes, **REACH))
