"""What containers reach of this machine: a door on the address by which they know it, to what listens on loopback only."""

import json
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from ipaddress import ip_network
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

from sqlalchemy import make_url

HOST = "host.docker.internal"
AS_CONTAINERS_SEE_IT = ["--add-host", f"{HOST}:host-gateway"]
LOOPBACK = "127.0.0.1"
Dial = Callable[[], socket.socket]


@contextmanager
def database(url: str) -> Iterator[str]:
    """The URL by which containers reach a database that listens on a socket of the file system."""
    parsed = make_url(url)
    (path,) = (each for each in Path(str(parsed.query["host"])).glob(".s.PGSQL.*") if each.suffix != ".lock")

    def dial() -> socket.socket:
        server = socket.socket(socket.AF_UNIX)
        server.connect(str(path))
        return server

    with _door(dial) as port:
        through = parsed.set(drivername="postgresql", host=HOST, port=port, query={})
        yield through.render_as_string(hide_password=False)


@contextmanager
def service(url: str) -> Iterator[str]:
    """The URL by which containers reach an HTTP service of this machine."""
    parts = urlsplit(url)
    with _door(lambda: socket.create_connection((LOOPBACK, parts.port))) as port:
        yield parts._replace(netloc=f"{HOST}:{port}").geturl()


@contextmanager
def _door(dial: Dial) -> Iterator[int]:
    with _listening() as listener:
        Thread(target=_admit, args=(listener, dial), daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def _listening() -> socket.socket:
    """On the bridge of the containers and nowhere else; where that is inside a virtual machine, it leads to loopback."""
    asked = subprocess.run(["docker", "network", "inspect", "bridge"], capture_output=True, text=True, check=True)
    for network in json.loads(asked.stdout)[0]["IPAM"]["Config"]:
        gateway = network.get("Gateway") or str(ip_network(network["Subnet"])[1])
        with suppress(OSError):
            return socket.create_server((gateway, 0))
    return socket.create_server((LOOPBACK, 0))


def _admit(listener: socket.socket, dial: Dial) -> None:
    with suppress(OSError):  # nobody listens any more
        while True:
            client, _ = listener.accept()
            server = dial()
            for source, target in ((client, server), (server, client)):
                Thread(target=_pass, args=(source, target), daemon=True).start()


def _pass(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError), source, target:
        while data := source.recv(65_536):
            target.sendall(data)
        target.shutdown(socket.SHUT_RDWR)
