"""s3.expire: deletes what is old under a prefix of a bucket. Which buckets, S3_EXPIRE_BUCKETS allows.

It goes in steps, each on record as the execution of a tool with what it did so far. When time is short it defers,
and goes on behind the last key of its last step; another attempt begins anew, with what is left.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from penstock import wiring
from penstock.domain import limits
from penstock.work import ConfigField, Context, Fail, Outcome, read_config, task_type
from penstock.work.run import clean

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import ObjectTypeDef

TOOL = "s3.expire"
KEYS = 1_000  # of a listing, and of a deletion
PAGES = 10  # of a step
DAYS = (1, 36_500)
# What a listing and a deletion may take at worst.
PAGE_TIME = timedelta(seconds=15)
SHOWN = 20


class KeysNotDeleted(Exception):
    """Some keys could not be deleted; all others were."""


@dataclass(frozen=True, slots=True)
class S3Expire:
    """The config. A prefix is asked for: a whole bucket is better emptied by a rule of its own."""

    bucket: str
    prefix: str
    older_than_days: int
    dry_run: bool = False

    def __post_init__(self) -> None:
        limits.name("bucket", self.bucket)
        limits.name("prefix", self.prefix, limits.PATH)
        limits.within("older_than_days", self.older_than_days, DAYS)
        if not isinstance(self.dry_run, bool):
            raise ConfigField("dry_run", f"is {self.dry_run!r}; it must be true or false")


@dataclass(frozen=True, slots=True)
class Progress:
    """What has been done so far, and behind which key to go on."""

    listed: int = 0
    expired: int = 0
    bytes: int = 0
    failed: int = 0
    errors: list[str] = field(default_factory=list)
    after: str = ""
    is_done: bool = False


@task_type("s3.expire")
def s3_expire(context: Context) -> Outcome:
    """Deletes them; how many there were, how many were old, and how large. A dry run only counts."""
    wanted = read_config(S3Expire, context.config)
    if wanted.bucket not in wiring.settings().reach.s3_buckets:
        raise Fail(f"the bucket {wanted.bucket} is not listed in S3_EXPIRE_BUCKETS", error_type="NotAllowed")
    context.touch(f"s3:{wanted.bucket}")
    client, progress = _client(), _so_far(context)
    while not progress.is_done:
        progress = _step(context, client, wanted, progress)
        if not progress.is_done and context.remaining < PAGE_TIME:
            context.defer(until=context.now)
    if progress.failed:
        raise KeysNotDeleted(f"{progress.failed} of {progress.expired} keys: {'; '.join(progress.errors)}")
    counted = {name: getattr(progress, name) for name in ("listed", "expired", "bytes")}
    return Outcome({**counted, "dry_run": wanted.dry_run})


def _so_far(context: Context) -> Progress:
    """Where this attempt left off, if it was deferred."""
    kept = context.last_output(TOOL)
    return Progress(**kept["progress"]) if kept and kept["attempt"] == context.job.attempt else Progress()


def _step(context: Context, client: "S3Client", wanted: S3Expire, progress: Progress) -> Progress:
    """A few pages; one at least, or it would never come to an end."""
    with context.tool(TOOL, {**asdict(wanted), "after": progress.after}) as tool:
        for _ in range(PAGES):
            progress = _page(client, wanted, progress, context.now - timedelta(days=wanted.older_than_days))
            if progress.is_done or context.remaining < PAGE_TIME:
                break
        tool.output = {"attempt": context.job.attempt, "progress": asdict(progress)}
    return progress


def _page(client: "S3Client", wanted: S3Expire, progress: Progress, cutoff: datetime) -> Progress:
    page = client.list_objects_v2(Bucket=wanted.bucket, Prefix=wanted.prefix, StartAfter=progress.after, MaxKeys=KEYS)
    found = page.get("Contents", [])
    old = [each for each in found if each["LastModified"] < cutoff]
    errors = [] if wanted.dry_run or not old else _delete(client, wanted.bucket, old)
    return replace(
        progress,
        listed=progress.listed + len(found),
        expired=progress.expired + len(old),
        bytes=progress.bytes + sum(each["Size"] for each in old),
        failed=progress.failed + len(errors),
        errors=[*progress.errors, *errors][:SHOWN],
        after=found[-1]["Key"] if found else progress.after,
        is_done=not page.get("IsTruncated", False),
    )


def _delete(client: "S3Client", bucket: str, old: Sequence["ObjectTypeDef"]) -> list[str]:
    """The call succeeds whatever becomes of single keys: those that could not be deleted, and why."""
    keys: Any = {"Objects": [{"Key": each["Key"]} for each in old], "Quiet": True}
    answer = client.delete_objects(Bucket=bucket, Delete=keys)
    return [
        clean(f"{error.get('Key')}: {error.get('Code')}: {error.get('Message')}", limits.NAME)
        for error in answer.get("Errors", [])
    ]


def _client() -> "S3Client":
    import boto3  # noqa: PLC0415 - a third of a cold start
    from botocore.config import Config  # noqa: PLC0415 - as above

    patience = Config(connect_timeout=2, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 2})
    return boto3.client("s3", config=patience)
