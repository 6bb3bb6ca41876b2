"""Calls to addresses that strangers chose: what is refused is never even connected to."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st
from kit import PATIENCE

from hub.targets.outgoing import AddressRefused, FetchFailed, Outgoing, is_public, look_up, read_url

LOOPBACK = ipaddress.ip_network("127.0.0.0/8")

#: Never a URL that is looked up: tricks of spelling.
SPELLINGS = [
    "http://example.com/",
    "ftp://example.com/",
    "file:///etc/passwd",
    "gopher://example.com/",
    "unix:///run/docker.sock",
    "data:text/plain,x",
    "javascript:alert(1)",
    "jar:https://example.com/",
    "ws://example.com/",
    "HTTPS://example.com/",
    "https:/example.com/",
    "//example.com/",
    "example.com",
    "https://",
    "https:///path",
    "https://user@example.com/",
    "https://user:pass@example.com/",
    "https://a@b@example.com/",
    "https://example.com@127.0.0.1/",
    "https://127.0.0.1@example.com/",
    "https://example.com#@127.0.0.1/",
    "https://example.com/#fragment",
    "https://example.com\\@127.0.0.1/",
    "https://example.com\\127.0.0.1",
    "https:\\\\example.com/",
    "https://exa%6dple.com/",
    "https://%31%32%37.0.0.1/",
    "https://2130706433/",
    "https://017700000001/",
    "https://0x7f000001/",
    "https://0x7f.0.0.1/",
    "https://0177.0.0.1/",
    "https://127.1/",
    "https://127.0.1/",
    "https://127.0.0.1./",
    "https://0/",
    "https://0x/",
    "https://127.0.0.256/",
    "https://127.0.0.1.1/",
    "https://1.1.1.1.1/",
    "https://example.0x1/",
    "https://example.com:0/",
    "https://example.com:65536/",
    "https://example.com:99999/",
    "https://example.com:-1/",
    "https://example.com:x/",
    "https://example.com:/",
    "https://[::1/",
    "https://::1/",
    "https://[::1%25lo]/",
    "https://[fe80::1%eth0]/",
    "https://[1:2]/",
    "https://[::ffff:127.0.0.1.1]/",
    "https://[127.0.0.1]/",
    "https://127。0。0。1/",
    "https://①②⑦.⓪.⓪.①/",
    "https://example。com/",
    "https://exämple.com/",
    "https://-example.com/",
    "https://example-.com/",
    "https://ex_ample.com/",
    "https://.example.com/",
    "https://example..com/",
    "https://..",
    "https://example.com/a|b",
    "https://example.com/{a}",
]
BROKEN = ["", " https://example.com/", "https://example.com/ ", "https://exa mple.com/", "https://example.com/\r\nHost: x",
          "https://example.com\n", "https://example.com/\x00", "\thttps://example.com/", "https://" + "a" * 300 + ".com/",
          "https://example.com/" + "a" * 9_000]  # fmt: skip
#: URLs of addresses that are not the internet's.
NEAR = [
    "https://127.0.0.1/",
    "https://127.255.255.254/",
    "https://0.0.0.0/",
    "https://0.1.2.3/",
    "https://10.0.0.1/",
    "https://10.255.255.255/",
    "https://100.64.0.1/",
    "https://100.127.255.254/",
    "https://169.254.169.254/",
    "https://172.16.0.1/",
    "https://172.31.255.254/",
    "https://192.0.0.192/",
    "https://192.0.2.1/",
    "https://192.88.99.1/",
    "https://192.168.1.1/",
    "https://198.18.0.1/",
    "https://198.19.255.254/",
    "https://198.51.100.7/",
    "https://203.0.113.7/",
    "https://224.0.0.1/",
    "https://239.255.255.250/",
    "https://240.0.0.1/",
    "https://255.255.255.255/",
    "https://[::]/",
    "https://[::1]/",
    "https://[0:0:0:0:0:0:0:1]/",
    "https://[::127.0.0.1]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:169.254.169.254]/",
    "https://[::ffff:7f00:1]/",
    "https://[::ffff:0:127.0.0.1]/",
    "https://[64:ff9b::7f00:1]/",
    "https://[64:ff9b::169.254.169.254]/",
    "https://[64:ff9b:1::a00:1]/",
    "https://[100::1]/",
    "https://[2001::1]/",
    "https://[2001:0:7f00:1::]/",
    "https://[2001:10::1]/",
    "https://[2001:20::1]/",
    "https://[2001:db8::1]/",
    "https://[2002:7f00:1::]/",
    "https://[2002:a9fe:a9fe::1]/",
    "https://[3ffe::1]/",
    "https://[3fff::1]/",
    "https://[5f00::1]/",
    "https://[fc00::1]/",
    "https://[fd00:ec2::254]/",
    "https://[fe80::1]/",
    "https://[fec0::1]/",
    "https://[ff02::1]/",
]
#: Names and what they lead to.
NAMES = {
    "loop.example.com": ["127.0.0.1"],
    "mixed.example.com": ["93.184.215.14", "127.0.0.1"],
    "six.example.com": ["::1"],
    "mixed-six.example.com": ["2606:2800:21f:cb07:6820:80da:af6b:8b2c", "::ffff:10.0.0.1"],
    "nat64.example.com": ["64:ff9b::a9fe:a9fe"],
    "link.example.com": ["fe80::1%eth0"],
    "metadata.example.com": ["169.254.169.254"],
    "localhost": ["127.0.0.1", "::1"],
    "localhost.": ["127.0.0.1"],
    "own.example.com": ["93.184.215.99"],
}
PUBLIC = ["1.1.1.1", "8.8.8.8", "93.184.215.14", "100.63.255.255", "100.128.0.1", "172.15.0.1", "172.32.0.1", "192.0.1.1", "192.167.1.1",
          "198.17.1.1", "223.255.255.254", "2606:4700:4700::1111", "2a00:1450:4001:82a::200e", "2001:4860:4860::8888"]  # fmt: skip


def resolver(
    names: dict[str, list[str]], asked: list[str] | None = None
) -> Callable[[str, int], Awaitable[Sequence[str]]]:
    async def resolve(host: str, port: int) -> Sequence[str]:
        if asked is not None:
            asked.append(host)
        return names[host]

    return resolve


def serve(
    handle: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]], trust: ssl.SSLContext | None = None
):
    """A server on this machine that counts connections: `async with serve(...) as (port, met)`."""

    @asynccontextmanager
    async def running() -> AsyncIterator[tuple[int, list[int]]]:
        met: list[int] = []

        async def on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            met.append(1)
            try:
                await handle(reader, writer)
            except (OSError, asyncio.IncompleteReadError):
                pass
            finally:
                writer.close()

        server = await asyncio.start_server(on, "127.0.0.1", 0, ssl=trust)
        try:
            yield server.sockets[0].getsockname()[1], met
        finally:
            server.close()
            await server.wait_closed()

    return running()


def answering(status: str, body: bytes = b"", *headers: str):
    seen: list[bytes] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        head = [f"HTTP/1.1 {status}", f"content-length: {len(body)}", "connection: close", *headers, "", ""]
        writer.write("\r\n".join(head).encode() + body)
        await writer.drain()

    return handle, seen


def test_there_are_enough_of_them() -> None:
    assert len({*SPELLINGS, *BROKEN, *NEAR}) + len(NAMES) >= 80


@pytest.mark.parametrize("url", [*SPELLINGS, *BROKEN], ids=range(len(SPELLINGS) + len(BROKEN)))
def test_spellings_that_some_read_differently_are_refused(url: str) -> None:
    with pytest.raises(AddressRefused):
        read_url(url)


def test_nothing_near_is_called() -> None:
    """A canary listens on this machine; whatever leads to it, however it is written, it hears nothing."""

    async def story() -> None:
        handle, _ = answering("200 OK")
        async with serve(handle) as (port, met):
            out = Outgoing(resolve=resolver(NAMES), refused=[ipaddress.ip_address("93.184.215.99")])
            urls = [*NEAR, *(f"https://{name}/" for name in NAMES)]
            for url in urls:
                for scheme in ("https", "http"):
                    there = url.replace("https://", f"{scheme}://")[:-1] + f":{port}/"
                    with pytest.raises(AddressRefused, match="not a public one"):
                        await out.fetch(there, schemes=("http", "https"))
            await out.close()
            assert met == []

    asyncio.run(story())


@pytest.mark.parametrize("text", PUBLIC)
def test_the_internet_is_called(text: str) -> None:
    assert is_public(ipaddress.ip_address(text))


@given(st.ip_addresses())
def test_no_address_is_public_that_python_calls_private(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    if is_public(address):
        words = ("private", "loopback", "link_local", "multicast", "reserved", "unspecified")
        assert [word for word in words if getattr(address, f"is_{word}")] == []


@given(st.text(max_size=60))
def test_any_text_is_a_goal_or_refused(text: str) -> None:
    try:
        goal = read_url("https://" + text)
    except AddressRefused:
        return
    assert goal.host.isascii()
    assert 0 < goal.port < 65_536


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
