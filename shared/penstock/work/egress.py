"""A call over HTTP that goes where the deployment lets it go, and nowhere else.

Only listed hosts; encrypted, unless to this machine. What a host resolves to is looked at before the connection is
made, and the connection is made to just that: a name under a wildcard must not lead inside the network, and what a
name resolves to may be another address a moment later. A redirect is followed to the same host only.
"""

import ipaddress
import socket
import ssl
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from http.client import HTTPConnection, HTTPResponse
from urllib.parse import SplitResult, urljoin, urlsplit

from penstock.domain.errors import InvalidInput

PORTS = {"http": 80, "https": 443}
THIS_MACHINE = frozenset({"localhost", "127.0.0.1", "::1"})
# Addresses of the old world as they look in the new one; inside may be a private one.
TRANSLATED = ipaddress.ip_network("64:ff9b::/96")
REDIRECTS = frozenset({301, 302, 303, 307, 308})
MOST_REDIRECTS = 5
WILDCARD = "*."

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class NotAllowed(Exception):
    """A call would leave what the deployment allows."""


@dataclass(frozen=True, slots=True)
class Request:
    """A call that is wanted; *timeout* is how many seconds to wait for each sign of life."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None
    timeout: float


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, up to a limit."""

    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes
    is_whole: bool


def send(request: Request, hosts: Collection[str], *, most_bytes: int) -> Answer:
    """The answer, after redirects on the same host; NotAllowed if it leads anywhere else."""
    hosts = frozenset(host.lower() for host in hosts)
    for _ in range(1 + MOST_REDIRECTS):
        answer = _once(request, hosts, most_bytes)
        location = answer.headers.get("location")
        if answer.status not in REDIRECTS or location is None:
            return answer
        request = _redirected(request, answer.status, urljoin(request.url, location))
    raise NotAllowed(f"{request.url} was the end of {MOST_REDIRECTS} redirects, and redirects again")


def split(field: str, url: str) -> SplitResult:
    """A URL that is safe to take apart: absolute, of HTTP, in plain characters, without a password."""
    if not isinstance(url, str) or not url.isascii() or not url.isprintable() or " " in url:
        raise InvalidInput(field, "must be a URL of printable ASCII characters; percent-encode the others")
    try:
        parts = urlsplit(url)
        is_known = parts.scheme in PORTS and parts.hostname and parts.port != 0
    except ValueError:
        parts, is_known = urlsplit(""), False
    if not is_known:
        raise InvalidInput(field, "must be an absolute URL, such as https://example.com/path")
    if "@" in parts.netloc:
        raise InvalidInput(field, "holds a user or a password; what is in a config stays on record, so leave them out")
    return parts


def lists(hosts: Collection[str], host: str) -> bool:
    """Whether a host is listed, by its name or under a wildcard for its domain."""
    return host in hosts or any(each.startswith(WILDCARD) and host.endswith(each[1:]) for each in hosts)


def is_public(address: Address) -> bool:
    """Whether this is an address out in the world, whatever it is wrapped in."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
        if address in TRANSLATED:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(inner)
    return address.is_global and not address.is_multicast


def _once(request: Request, hosts: Collection[str], most_bytes: int) -> Answer:
    parts = split("url", request.url)
    host, port = parts.hostname or "", parts.port or PORTS[parts.scheme]
    if not lists(hosts, host):
        raise NotAllowed(f"the host {host} is not listed in HTTP_REQUEST_HOSTS")
    if parts.scheme != "https" and host not in THIS_MACHINE:
        raise NotAllowed(f"{host} is to be called over https; only this machine may be called without")
    connection = _Connection(
        host, port, _address(host, port, private=host in hosts), parts.scheme == "https", request.timeout
    )
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request(request.method, target, request.body, dict(request.headers))
        return _read(request.url, connection.getresponse(), most_bytes)
    finally:
        connection.close()


def _read(url: str, response: HTTPResponse, most_bytes: int) -> Answer:
    body = response.read(most_bytes + 1)
    headers = {name.lower(): value for name, value in response.getheaders()}
    return Answer(url, response.status, headers, body[:most_bytes], len(body) <= most_bytes)


def _redirected(request: Request, status: int, url: str) -> Request:
    """As browsers do it: 307 and 308 repeat the request, the others ask for the new place."""
    old, new = split("url", request.url), split("location", url)
    if new.hostname != old.hostname:
        raise NotAllowed(f"{old.hostname} redirects to {new.hostname}, which is another host")
    if (old.scheme, new.scheme) == ("https", "http"):
        raise NotAllowed(f"{old.hostname} redirects from https to http")
    if status in (307, 308) or request.method in ("GET", "HEAD"):
        return replace(request, url=url)
    headers = {name: value for name, value in request.headers.items() if name.lower() != "content-type"}
    return replace(request, url=url, method="GET", headers=headers, body=None)


def _address(host: str, port: int, *, private: bool) -> str:
    """What the host resolves to. All of it is looked at: a list that is half inside is no mistake of somebody honest."""
    found = [str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    inside = [each for each in found if not is_public(ipaddress.ip_address(each.partition("%")[0]))]
    if inside and not private:
        raise NotAllowed(
            f"{host} resolves to {inside[0]}, which is no public address; list the host by its full name to allow it"
        )
    return found[0]


class _Connection(HTTPConnection):
    """To an address that has been looked at; the certificate must be that of the host."""

    def __init__(self, host: str, port: int, address: str, encrypted: bool, timeout: float) -> None:  # noqa: FBT001 - made in one place
        super().__init__(host, port, timeout=timeout)
        self.default_port = PORTS["https" if encrypted else "http"]
        self._address = address
        self._context = ssl.create_default_context() if encrypted else None

    def connect(self) -> None:
        """Instead of resolving the host once more."""
        self.sock = socket.create_connection((self._address, self.port), self.timeout)
        if self._context:
            self.sock = self._context.wrap_socket(self.sock, server_hostname=self.host)
