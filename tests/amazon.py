"""Amazon's services for tests: moto's server over real HTTP, one for each process, empty for each test."""

import json
import urllib.request
from collections.abc import Mapping
from functools import cache
from typing import Any

import boto3
from moto.server import ThreadedMotoServer
from moto.sqs.models import sqs_backends

REGION = "eu-west-1"
ACCOUNT = "123456789012"
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_SESSION_TOKEN": "test",
    "AWS_DEFAULT_REGION": REGION,
    "AWS_REGION": REGION,
}


@cache
def start() -> str:
    """The endpoint of the server."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    return f"http://{host}:{port}"


@cache
def client(endpoint: str, service: Any) -> Any:
    """Made once: that takes longer than what most tests do with it."""
    return boto3.client(service, endpoint_url=endpoint)


class Amazon:
    """What is there, and what the tests look at. The environment says where: boto3 finds it as it finds the real one."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.clients: dict[str, Any] = {}

    @property
    def environ(self) -> Mapping[str, str]:
        return {**CREDENTIALS, "AWS_ENDPOINT_URL": self.endpoint}

    def client(self, service: Any) -> Any:
        """Made once: making one takes longer than a call of it."""
        if service not in self.clients:
            self.clients[service] = boto3.client(service)
        return self.clients[service]

    def clear(self) -> None:
        request = urllib.request.Request(f"{self.endpoint}/moto-api/reset", method="POST")  # noqa: S310 - our own server
        urllib.request.urlopen(request).close()  # noqa: S310 - as above

    def queue(self, name: str) -> str:
        """The URL of a queue, made if it is not there."""
        url: str = self.client("sqs").create_queue(QueueName=name)["QueueUrl"]
        return url

    def messages(self, name: str) -> list[dict[str, Any]]:
        """Every message that lies in a queue, as it came; taking them hides them."""
        found: list[dict[str, Any]] = []
        while batch := self._receive(name):
            found += batch
        return found

    def said(self, name: str) -> list[Any]:
        """What the messages that lie in a queue say, out of JSON; looked up behind the server, and not taken.

        To hand out one message costs the server as much as to take in five.
        """
        self.queue(name)
        lying = sqs_backends[ACCOUNT][REGION].queues[name].messages
        return [json.loads(message.body) for message in lying]

    def _receive(self, name: str) -> list[dict[str, Any]]:
        answer = self.client("sqs").receive_message(
            QueueUrl=self.queue(name),
            MaxNumberOfMessages=10,
            MessageAttributeNames=["All"],
            MessageSystemAttributeNames=["All"],
        )
        messages: list[dict[str, Any]] = answer.get("Messages", [])
        return messages
