"""Calls to addresses that strangers chose, over real sockets: the address that was checked, redirects, sizes, times and certificates."""

from __future__ import annotations

import asyncio
import socket
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from kit import PATIENCE
from outgoing_servers import LOOPBACK, answering, resolver, serve

from hub.targets.outgoing import AddressRefused, FetchFailed, Outgoing, look_up


def test_a_name_is_looked_up_once_and_that_address_is_called() -> None:
    """A server that gives a public address first and a private one to the second question gains nothing."""

    async def story() -> None:
        handle, seen = answering("200 OK", b"hello")
        async with serve(handle) as (port, met):
            asked: list[str] = []
            out = Outgoing(allowed=[LOOPBACK], resolve=resolver({"hooks.example.com": ["127.0.0.1"]}, asked))
            answer = await out.fetch(f"http://hooks.example.com:{port}/a?b=c", schemes=("http",))
            await out.close()
            assert (answer.status, answer.body, asked, len(met)) == (200, b"hello", ["hooks.example.com"], 1)
            assert seen[0].startswith(b"GET /a?b=c HTTP/1.1\r\n")
            assert f"host: hooks.example.com:{port}\r\n".encode() in seen[0].lower()

    asyncio.run(story())


def test_redirects_are_answers_unless_they_are_wanted_and_then_are_checked() -> None:
    async def story() -> None:
        answers = {}

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            head = await reader.readuntil(b"\r\n\r\n")
            path = head.split(b" ")[1].decode()
            heads.append(head)
            writer.write(f"HTTP/1.1 {answers[path]}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".encode())
            await writer.drain()

        heads: list[bytes] = []
        async with serve(handle) as (port, _):
            here = f"http://hooks.example.com:{port}"
            answers |= {
                "/far": "302 Found\r\nlocation: /ok",
                "/ok": "204 No Content",
                "/metadata": "302 Found\r\nlocation: http://169.254.169.254/",
                "/tls": f"302 Found\r\nlocation: https://hooks.example.com:{port}/",
                "/file": "302 Found\r\nlocation: file:///etc/passwd",
                "/round": "302 Found\r\nlocation: /round",
                "/other": f"307 x\r\nlocation: http://other.example.com:{port}/ok",
            }
            names = {"hooks.example.com": ["127.0.0.1"], "other.example.com": ["127.0.0.1"]}
            out = Outgoing(allowed=[LOOPBACK], resolve=resolver(names))
            http = {"schemes": ("http",)}
            assert (await out.fetch(f"{here}/far", **http)).status == 302
            assert (await out.fetch(f"{here}/far", redirects=3, **http)).status == 204
            assert (await out.fetch(f"{here}/round", redirects=3, **http)).status == 302
            for path in ("/metadata", "/tls", "/file"):
                with pytest.raises(AddressRefused):
                    await out.fetch(here + path, redirects=3, **http)
            heads.clear()
            secret = {"authorization": "Bearer secret"}
            await out.fetch(f"{here}/other", method="POST", body=b"{}", headers=secret, redirects=1, **http)
            assert [b"Bearer secret" in head for head in heads] == [True, False]
            await out.close()

    asyncio.run(story())


def test_answers_that_are_too_large_too_slow_or_squeezed_are_given_up() -> None:
    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b"x" * 65_536)
            await writer.drain()

    async def story() -> None:
        names = {"hooks.example.com": ["127.0.0.1"], "nowhere.example.com": []}
        for handle, seconds, why in (
            (slow, 0.2, "within 0.2 s"),
            (endless, PATIENCE, "more than 1000 bytes"),
            (answering("200 OK", b"x" * 1001)[0], PATIENCE, "more than 1000 bytes"),
            (answering("200 OK", b"x", "content-encoding: gzip")[0], PATIENCE, "compressed"),
        ):
            async with serve(handle) as (port, _):
                out = Outgoing(allowed=[LOOPBACK], resolve=resolver(names))
                with pytest.raises(FetchFailed, match=why):
                    await out.fetch(
                        f"http://hooks.example.com:{port}/secret-path", schemes=("http",), seconds=seconds, most=1000
                    )
                await out.close()
        out = Outgoing(resolve=resolver(names))
        with pytest.raises(FetchFailed, match="no address"):
            await out.fetch("https://nowhere.example.com/")

    asyncio.run(story())


def test_errors_do_not_repeat_the_path() -> None:
    async def story() -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            out = Outgoing(allowed=[LOOPBACK], resolve=resolver({"hooks.example.com": ["127.0.0.1"]}))
            with pytest.raises(FetchFailed) as caught:
                await out.fetch(f"http://hooks.example.com:{taken.getsockname()[1]}/token-1234", schemes=("http",))
            await out.close()
        assert "token-1234" not in str(caught.value)
        assert "hooks.example.com" in str(caught.value)

    asyncio.run(story())


def certificates(folder: Path, name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's and a client's view of a certificate that is made out to `name`."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime(2026, 1, 1, tzinfo=UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=10_000))
        .not_valid_after(now + timedelta(days=10_000))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = folder / "pem"
    pem.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pem)
    return server, ssl.create_default_context(cafile=str(pem))


def test_the_certificate_is_held_against_the_name_and_not_the_address(tmp_path: Path) -> None:
    async def story() -> None:
        server, trust = certificates(tmp_path, "hooks.example.com")
        handle, _ = answering("200 OK", b"over tls")
        async with serve(handle, server) as (port, _):
            names = {"hooks.example.com": ["127.0.0.1"], "other.example.com": ["127.0.0.1"]}
            out = Outgoing(allowed=[LOOPBACK], resolve=resolver(names), trust=trust)
            assert (await out.fetch(f"https://hooks.example.com:{port}/")).body == b"over tls"
            with pytest.raises(FetchFailed):
                await out.fetch(f"https://other.example.com:{port}/")
            await out.close()

    asyncio.run(story())


def test_the_machine_s_own_resolver_is_asked() -> None:
    async def story() -> None:
        assert set(await look_up("localhost", 80)) <= {"127.0.0.1", "::1"}
        with pytest.raises(AddressRefused):
            await Outgoing().fetch("https://localhost/")

    asyncio.run(story())
