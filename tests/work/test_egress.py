"""Where a call may go: addresses in every wrapping, and certificates that are those of the host."""

import ipaddress
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from penstock.work.egress import Answer, Request, is_public, lists, send
from tests.acting import START
from tests.listening import Listener, Said, listening


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"],
)
def test_an_address_out_in_the_world_is_public(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.1", "224.0.0.1",
        "255.255.255.255", "::1", "::", "fe80::1", "fd00:ec2::254", "ff02::1", "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1",
    ],
)  # fmt: skip
def test_an_address_inside_is_not_public_whatever_it_is_wrapped_in(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    ("hosts", "host", "listed"),
    [
        (["api.example.com"], "api.example.com", True),
        (["*.example.com"], "api.example.com", True),
        (["*.example.com"], "a.b.example.com", True),
        (["*.example.com"], "example.com", False),
        (["*.example.com"], "evilexample.com", False),
        (["example.com"], "example.com.evil.com", False),
        ([], "example.com", False),
    ],
)
def test_a_host_is_listed_by_name_or_under_its_domain(hosts: list[str], host: str, listed: bool) -> None:  # noqa: FBT001 - a table
    assert listed == lists(hosts, host)


# --- over TLS ----------------------------------------------------------------------------------------------------


def certificate(directory: Path, host: str) -> Path:
    """A certificate that a host has signed for itself, with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), LONG_AGO, FAR_OFF)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = directory / f"{host}.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(secret + made.public_bytes(serialization.Encoding.PEM))
    return file


LONG_AGO, FAR_OFF = datetime(2000, 1, 1, tzinfo=START.tzinfo), START + timedelta(days=1)


@contextmanager
def encrypted(shown: Path) -> Iterator[Listener]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(shown)
    with listening(lambda _: Said(200, b"secret"), context) as listener:
        yield listener


def get(listener: Listener) -> Answer:
    request = Request("GET", f"https://localhost:{listener.port}/", {}, None, 5)
    return send(request, ["LOCALHOST"], most_bytes=100)


def test_an_encrypted_call_arrives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = certificate(tmp_path, "localhost")
    monkeypatch.setenv("SSL_CERT_FILE", str(mine))
    with encrypted(mine) as listener:
        answer = get(listener)
    assert (200, b"secret") == (answer.status, answer.body)


@pytest.mark.parametrize(("shown", "trusted"), [("localhost", "other.example"), ("other.example", "other.example")])
def test_a_certificate_that_is_not_trusted_or_not_of_the_host_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shown: str, trusted: str
) -> None:
    certificates = {host: certificate(tmp_path, host) for host in (shown, trusted)}
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates[trusted]))
    with encrypted(certificates[shown]) as listener, pytest.raises(ssl.SSLCertVerificationError):
        get(listener)
    assert [] == listener.asked
