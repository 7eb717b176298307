"""The JSON protocol of SQS over HTTP, so that what sends to SQS sends here without a change."""

import json
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from uuid import uuid4

from penstock.local import queues
from penstock.local.queues import Message, NoSuchReceipt, Queue

MOST_ENTRIES, LONGEST_HIDDEN = 10, 43_200
Said = Mapping[str, Any]


class Refusal(Exception):
    """What SQS refuses, by the code it has for that."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Server(ThreadingHTTPServer):
    """The queues, at a port of their own."""

    daemon_threads = True

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Requests)
        self.queues: Mapping[str, Queue] = {}

    @property
    def url(self) -> str:
        """Its endpoint."""
        return f"http://127.0.0.1:{self.server_port}"

    def url_of(self, name: str) -> str:
        """Where a queue is."""
        return f"{self.url}{queues.path(name)}"

    def start(self, of: Mapping[str, Queue]) -> None:
        """Serves these queues."""
        self.queues = of
        Thread(target=self.serve_forever, daemon=True).start()

    def act(self, name: str, said: Said) -> Any:
        """One call."""
        action = ACTIONS.get(name)
        if action is None:
            raise Refusal("UnsupportedOperation", f"{name} is nothing that this queue does")
        return action(self, said)

    def queue(self, said: Said) -> Queue:
        """The queue that a call is about."""
        name = str(said.get("QueueUrl", said.get("QueueName", ""))).rpartition("/")[2]
        if name not in self.queues:
            raise Refusal("QueueDoesNotExist", "The specified queue does not exist.")
        return self.queues[name]


class Requests(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server: Server

    def do_POST(self) -> None:
        """Every call is a POST that names its action in a header."""
        action = self.headers.get("X-Amz-Target", "").rpartition(".")[2]
        try:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self._answer(200, self.server.act(action, json.loads(body or b"{}")))
        except Refusal as refusal:
            self._answer(400, {"__type": f"com.amazonaws.sqs#{refusal.code}", "message": str(refusal)})
        except (ValueError, KeyError, TypeError) as error:
            self._answer(400, {"__type": "com.amazonaws.sqs#InvalidParameterValue", "message": repr(error)})

    def _answer(self, status: int, said: Any) -> None:
        body = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("x-amzn-RequestId", str(uuid4()))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Says nothing: a log of doorbells helps nobody."""


def _entries(said: Said, one: Callable[[Said], dict[str, Any]]) -> dict[str, Any]:
    """A batch, each of whose entries succeeds or fails on its own."""
    entries = said["Entries"]
    if not entries:
        raise Refusal("EmptyBatchRequest", "There should be at least one entry in the request.")
    if len(entries) > MOST_ENTRIES:
        raise Refusal("TooManyEntriesInBatchRequest", f"Maximum number of entries per request are {MOST_ENTRIES}.")
    if len({entry["Id"] for entry in entries}) < len(entries):
        raise Refusal("BatchEntryIdsNotDistinct", "Two or more batch entries in the request have the same Id.")
    answer: dict[str, Any] = {"Successful": [], "Failed": []}
    for entry in entries:
        try:
            answer["Successful"].append({"Id": entry["Id"], **one(entry)})
        except Refusal as refusal:
            failed = {"Id": entry["Id"], "SenderFault": True, "Code": refusal.code, "Message": str(refusal)}
            answer["Failed"].append(failed)
    return answer


def _send(queue: Queue, said: Said) -> dict[str, Any]:
    message = Message(
        said["MessageBody"], said.get("MessageAttributes") or {}, said.get("MessageSystemAttributes") or {}
    )
    queue.send(message, delay=float(said.get("DelaySeconds") or 0))
    return {"MessageId": message.id, "MD5OfMessageBody": message.md5}


def _hide(queue: Queue, said: Said) -> dict[str, Any]:
    seconds = said["VisibilityTimeout"]
    if not 0 <= seconds <= LONGEST_HIDDEN:
        raise Refusal("InvalidParameterValue", f"VisibilityTimeout must be between 0 and {LONGEST_HIDDEN}.")
    try:
        queue.hide(said["ReceiptHandle"], seconds)
    except NoSuchReceipt:
        raise Refusal("MessageNotInflight", "The specified message isn't in flight.") from None
    return {}


def _delete(queue: Queue, said: Said) -> dict[str, Any]:
    queue.delete(said["ReceiptHandle"])
    return {}


def _receive(queue: Queue, said: Said) -> dict[str, Any]:
    taken = queue.receive(
        int(said.get("MaxNumberOfMessages") or 1),
        wait=float(said.get("WaitTimeSeconds") or 0),
        visibility=said.get("VisibilityTimeout"),
    )
    return {"Messages": [_received(queue, message) for message in taken]} if taken else {}


def _received(queue: Queue, message: Message) -> dict[str, Any]:
    return {
        "MessageId": message.id,
        "ReceiptHandle": message.receipt,
        "Body": message.body,
        "MD5OfBody": message.md5,
        "Attributes": queues.record(queue, message)["attributes"],
        "MessageAttributes": dict(message.attributes),
    }


ACTIONS: Mapping[str, Callable[[Server, Said], Any]] = {
    "GetQueueUrl": lambda server, said: {"QueueUrl": server.url_of(server.queue(said).name)},
    "ListQueues": lambda server, _: {"QueueUrls": [server.url_of(name) for name in server.queues]},
    "SendMessage": lambda server, said: _send(server.queue(said), said),
    "SendMessageBatch": lambda server, said: _in_batch(server.queue(said), said, _send),
    "ReceiveMessage": lambda server, said: _receive(server.queue(said), said),
    "DeleteMessage": lambda server, said: _delete(server.queue(said), said),
    "ChangeMessageVisibility": lambda server, said: _hide(server.queue(said), said),
    "ChangeMessageVisibilityBatch": lambda server, said: _in_batch(server.queue(said), said, _hide),
}


def _in_batch(queue: Queue, said: Said, one: Callable[[Queue, Said], dict[str, Any]]) -> dict[str, Any]:
    return _entries(said, lambda entry: one(queue, entry))
