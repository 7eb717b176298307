"""A proxy in front of PostgreSQL that reads along: what the client asks, and how often the server is ready again.

Each ReadyForQuery ends one round trip, those of BEGIN and COMMIT included.
"""

import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread

import sqlalchemy as sa

READABLE = {"sslmode": "disable", "gssencmode": "disable"}
QUERY, SYNC, READY = "Q", "S", "Z"  # the types of messages, as the protocol spells them


@dataclass
class Wire:
    """What has passed so far."""

    url: str
    asked: Counter[str] = field(default_factory=Counter)
    answered: Counter[str] = field(default_factory=Counter)

    @property
    def trips(self) -> int:
        """How often the client has asked and the server was ready again."""
        trips = self.answered[READY]
        assert trips == self.asked[QUERY] + self.asked[SYNC] + self.asked["startup"]
        return trips


class Reader:
    """Cuts a stream of bytes into messages; only a client's first one does not begin with its type."""

    def __init__(self, first: str | None = None) -> None:
        self.untyped = first
        self.rest = b""

    def read(self, data: bytes) -> Iterator[str]:
        """The types of the messages that are now complete."""
        self.rest += data
        while len(self.rest) >= (length := self._length()):
            yield self.untyped or chr(self.rest[0])
            self.untyped = None
            self.rest = self.rest[length:]

    def _length(self) -> int:
        head = 0 if self.untyped else 1
        return head + max(4, int.from_bytes(self.rest[head : head + 4]))


@contextmanager
def tapped(url: str) -> Iterator[Wire]:
    """The database at a URL, through a proxy."""
    parsed = sa.make_url(url)
    directory = Path(str(parsed.query["host"]))
    (server,) = (file for file in directory.glob(".s.PGSQL.*") if file.suffix != ".lock")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        through = parsed.set(host="127.0.0.1", port=listening.getsockname()[1], query=READABLE)
        wire = Wire(through.render_as_string(hide_password=False))
        Thread(target=_accept, args=(listening, server, wire), daemon=True).start()
        yield wire
        listening.shutdown(socket.SHUT_RDWR)


def _accept(listening: socket.socket, server: Path, wire: Wire) -> None:
    with suppress(OSError):  # nobody listens any more
        while True:
            client, _ = listening.accept()
            upstream = socket.socket(socket.AF_UNIX)
            upstream.connect(str(server))
            Thread(target=_pass, args=(client, upstream, wire.asked, Reader("startup")), daemon=True).start()
            Thread(target=_pass, args=(upstream, client, wire.answered, Reader()), daemon=True).start()


def _pass(source: socket.socket, target: socket.socket, counted: Counter[str], reader: Reader) -> None:
    """Counts before it hands on, so that who has an answer finds it counted."""
    with suppress(OSError), source, target:
        while data := source.recv(65_536):
            counted.update(reader.read(data))
            target.sendall(data)
        target.shutdown(socket.SHUT_RDWR)
