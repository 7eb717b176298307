"""The schema as a resource of CloudFormation: asked, and answered with one PUT in every case, also when time runs out.

Without an answer a stack waits for an hour. An error that is raised would have Lambda run all of it again, beside a
stack that goes on rolling back: so a failure is an answer too. Nothing is ever deleted.
"""

import json
import threading
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any
from urllib.error import HTTPError

from aws_lambda_powertools.utilities.typing import LambdaContext

from penstock import telemetry, wiring
from penstock.settings import InvalidSetting

# Before Lambda ends this invocation: time for an answer, with all its tries.
MARGIN_SECONDS = 10
TRIES = 3
PUT_SECONDS = 3
# The whole answer may be 4096 bytes long.
REASON = 300

Request = Mapping[str, Any]


class NotAnswered(Exception):
    """CloudFormation's place for answers did not take this one."""


def asks(event: Request) -> bool:
    """Whether an event is a request of CloudFormation."""
    return "RequestType" in event and "ResponseURL" in event


def answer(event: Request, context: LambdaContext, work: Callable[[], Mapping[str, Any]]) -> dict[str, Any]:
    """Does the work, unless a deletion is asked for, and says how it went."""
    reply = Reply(event)
    if event["RequestType"] == "Delete":
        reply.send("SUCCESS", "nothing is deleted")
        return reply.sent
    with _in_time(reply, context):
        try:
            done = work()
        except Exception as error:  # noqa: BLE001 - whatever it is, the stack has to hear of it
            telemetry.logger.exception("the migration failed")
            reply.send("FAILED", reason(error))
        else:
            reply.send("SUCCESS", "the database is ahead" if done.get("ahead") else "", Revision=done.get("current"))
    return reply.sent


@contextmanager
def _in_time(reply: "Reply", context: LambdaContext) -> Iterator[None]:
    """Answers in place of work that has not ended shortly before Lambda ends it."""
    seconds = max(0.0, context.get_remaining_time_in_millis() / 1000 - MARGIN_SECONDS)
    timer = threading.Timer(seconds, _give_up, [reply])
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()


def _give_up(reply: "Reply") -> None:
    try:
        reply.send("FAILED", "the migration did not end in time; what it has not finished is undone")
    except NotAnswered:
        telemetry.logger.exception("no answer could be given in time")


class Reply:
    """The one answer to a request: the first to be given."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.sent: dict[str, Any] = {}
        self._turn = threading.Lock()

    def send(self, status: str, why: str = "", **data: Any) -> None:
        """Answers, unless that has been done."""
        with self._turn:
            if self.sent:
                return
            answer = {
                "Status": status,
                "Reason": why,
                "PhysicalResourceId": _physical_id(self.request),
                **{name: self.request[name] for name in ("StackId", "RequestId", "LogicalResourceId")},
                "Data": data,
            }
            telemetry.logger.info("answering CloudFormation", status=status, reason=why)
            _put(self.request["ResponseURL"], json.dumps(answer).encode())
            self.sent = answer


def _physical_id(request: Request) -> str:
    """Stable: another one would be another resource, and the old one would be deleted."""
    known: str | None = request.get("PhysicalResourceId")
    if known:
        return known
    try:
        return f"schema:{wiring.settings().database.called}"
    except InvalidSetting:
        return "schema:unknown"


def _put(url: str, body: bytes) -> None:
    """Without a content type: the URL is signed for none."""
    request = urllib.request.Request(url, body, {"Content-Type": ""}, method="PUT")  # noqa: S310 - CloudFormation's own
    for left in reversed(range(TRIES)):
        try:
            urllib.request.urlopen(request, timeout=PUT_SECONDS).close()  # noqa: S310 - as above
        except HTTPError as refusal:
            refusal.close()
            if refusal.code < HTTPStatus.INTERNAL_SERVER_ERROR or not left:
                raise NotAnswered(f"CloudFormation took no answer: {refusal}") from None
        except OSError as error:
            if not left:
                raise NotAnswered(f"CloudFormation could not be reached: {error}") from None
        else:
            return


def reason(error: Exception) -> str:
    """What went wrong: a line for a screen, without the statement and its values."""
    cause = getattr(error, "orig", None) or error
    return f"{type(cause).__name__}: {cause}".splitlines()[0][:REASON]
