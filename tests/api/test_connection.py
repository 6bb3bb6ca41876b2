"""Real sockets against a real server: what is no proper HTTP is refused, who is slow is cut, and nobody else notices."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import re
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from api_site import bare_client, verify
from kit import PATIENCE

from hub.api.app import create_app, machine_routes
from hub.api.connection import Patience
from hub.api.readiness import Readiness
from hub.api.server import HttpServer, new_loop
from hub.model.clock import SystemClock
from hub.model.executor import Executor, WebhookTrigger, WorkflowTarget
from hub.store import Store, open_store
from hub.triggers.webhook.building import build
from hub.triggers.webhook.endpoint import Endpoint
from hub.triggers.webhook.intake import Intake, Settings
from hub.triggers.webhook.quick import QuickIntake
from hub.triggers.webhook.receiving import Pace

SECRET = "a-secret-of-enough-bytes-000000"
#: Nobody is cut for being slow, however busy the machine is; and for those who are to be cut.
LONG = Patience(head=PATIENCE, idle=PATIENCE, write=PATIENCE, head_size=16_384, connections=60)
SHORT = Patience(head=2.5, idle=2.0, write=2.5, head_size=16_384, connections=60)


@dataclass
class Site:
    port: int
    store: Store
    intake: Intake

    async def talk(self, raw: bytes, seconds: float = PATIENCE, *, more: bool = True) -> bytes:
        """Everything that is answered to these bytes, until the other side closes. Without `more` nothing else will be sent."""
        reader, writer = await self.open()
        try:
            writer.write(raw)
            if not more:
                writer.write_eof()
            return await asyncio.wait_for(reader.read(), seconds)
        finally:
            writer.close()

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def events(self) -> list[bytes | None]:
        return [event.body for event in await self.store.events(limit=1_000)]


def endpoint(**keys: Any) -> Endpoint:
    verify = {"preset": "github", "secret": SECRET}
    made = build(
        Executor("push", WebhookTrigger(verify=verify, **keys), WorkflowTarget("w-x-y", None)), lambda value: value
    )
    assert isinstance(made, Endpoint)
    return made


@asynccontextmanager
async def site(url: str, patience: Patience = LONG) -> AsyncIterator[Site]:
    clock = SystemClock()
    store = open_store(url, clock)
    pace = Pace(deadline=4.0, patience=1.6, rate=1_000)
    intake = Intake(store, clock, endpoints={"push": endpoint()}, settings=Settings(pace=pace))
    server = HttpServer("127.0.0.1", 0, patience)
    server.bind()
    quick = QuickIntake(intake, partial(store.hand_in_event, timeout=PATIENCE))
    await server.start(
        create_app(intake, machine_routes(bare_client(store, clock), verify, Readiness(store, list))), quick
    )
    try:
        yield Site(int(server.address.rpartition(":")[2]), store, intake)
    finally:
        await server.stop()
        await store.close()


def play(
    story: Callable[[Site], Awaitable[None]],
    url: str = "sqlite://",
    patience: Patience = LONG,
    loop: Callable[[], asyncio.AbstractEventLoop] = new_loop,
) -> None:
    async def whole() -> None:
        async with site(url, patience) as made:
            await story(made)

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(whole())


def push(body: bytes, delivery: str, *lines: str, path: str = "/webhooks/push") -> bytes:
    digest = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    head = [
        f"POST {path} HTTP/1.1",
        "Host: hub.example.com",
        f"Content-Length: {len(body)}",
        "Content-Type: application/json",
        f"X-Hub-Signature-256: sha256={digest}",
        f"X-GitHub-Delivery: {delivery}",
        *lines,
    ]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


HEAD = b"POST /webhooks/push HTTP/1.1\r\n"
HOST = b"Host: hub.example.com\r\n"
#: Requests that two parsers may read differently (RFC 9112, sections 3, 5, 6 and 11.2).
ODD = {
    "no host": HEAD + b"Content-Length: 2\r\n\r\n{}",
    "two hosts": HEAD + HOST + b"Host: other.example.com\r\nContent-Length: 2\r\n\r\n{}",
    "the same host twice": HEAD + HOST + HOST + b"Content-Length: 2\r\n\r\n{}",
    "a host that is none": HEAD + b"Host: a b/c\r\nContent-Length: 2\r\n\r\n{}",
    "length and chunks": HEAD + HOST + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": HEAD + HOST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{} ",
    "the same length twice": HEAD + HOST + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
    "a negative length": HEAD + HOST + b"Content-Length: -1\r\n\r\n",
    "a length with a sign": HEAD + HOST + b"Content-Length: +2\r\n\r\n{}",
    "bare line feeds": b"POST /webhooks/push HTTP/1.1\nHost: hub.example.com\nContent-Length: 2\n\n{}",
    "a folded header": HEAD + HOST + b"X-Folded: a\r\n b\r\nContent-Length: 2\r\n\r\n{}",
    "a space before the colon": HEAD + HOST + b"Content-Length : 2\r\n\r\n{}",
    "another encoding": HEAD + HOST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "an encoding in disguise": HEAD + HOST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "a bad chunk": HEAD + HOST + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n{}\r\n0\r\n\r\n",
    "a NUL in a header": HEAD + HOST + b"X-Nul: a\x00b\r\nContent-Length: 2\r\n\r\n{}",
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "another protocol": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a tunnel": b"CONNECT 127.0.0.1:22 HTTP/1.1\r\n" + HOST + b"\r\n",
}


@pytest.mark.parametrize("raw", ODD.values(), ids=ODD.keys())
def test_what_two_parsers_may_read_differently_is_refused_and_the_connection_ends(raw: bytes) -> None:
    async def story(here: Site) -> None:
        begun = time.perf_counter()
        answer = await here.talk(raw + push(b"{}", "smuggled"))
        assert answer.startswith(b"HTTP/1.1 400 "), answer[:80]
        assert b"connection: close\r\n" in answer.lower()
        assert answer.count(b"HTTP/1.1 ") == 1, "nothing behind it is read"
        assert time.perf_counter() - begun < LONG.head / 2, "it is refused at once, not given up"
        assert await here.events() == []

    play(story)


def test_proper_requests_are_taken_one_by_one_in_pieces_and_in_a_row() -> None:
    async def story(here: Site) -> None:
        reader, writer = await here.open()
        writer.write(b"".join(push(b'{"n":%d}' % n, f"row-{n}") for n in range(40)))
        replies = [await reply(reader) for _ in range(40)]
        assert {status for status, _ in replies} == {202}
        stored = [(await here.store.event(json.loads(body)["event_id"])) for _, body in replies]
        assert [event.body for event in stored if event] == [b'{"n":%d}' % n for n in range(40)], "in their order"
        for byte in push(b'{"n":"in pieces"}', "pieces"):
            writer.write(bytes([byte]))
            await asyncio.sleep(0)
        assert (await reply(reader))[0] == 202
        head, _, body = push(b'{"n":"asked first"}', "asked", "Expect: 100-continue").partition(b"\r\n\r\n")
        writer.write(head + b"\r\n\r\n")
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(body)
        assert (await reply(reader))[0] == 202
        raw = push(b"", "chunks").replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
        digest = hmac.new(SECRET.encode(), b"{ }", hashlib.sha256).hexdigest()
        empty = hmac.new(SECRET.encode(), b"", hashlib.sha256).hexdigest()
        writer.write(raw.replace(empty.encode(), digest.encode()) + b"2\r\n{ \r\n1\r\n}\r\n0\r\n\r\n")
        assert (await reply(reader))[0] == 202
        writer.close()
        assert len(await here.events()) == 43

    play(story)


WHOLE = {
    "a webhook": (push(b'{"n": 1}', "one"), [b"202"]),
    "some in a row": (b"".join(push(b'{"n": %d}' % n, f"row-{n}") for n in range(5)), [b"202"] * 5),
    "another face": (b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n", [b"200"]),
    "a forgery": (push(b"{}", "f").replace(b"sha256=", b"sha256=00"), [b"401"]),
    "nothing": (b"", []),
    "half a head": (HEAD + b"Host: hub.exam", []),
    "half a body": (push(b'{"n": 1}', "half")[:-3], []),
}


@pytest.mark.parametrize("loop", [new_loop, asyncio.new_event_loop])
@pytest.mark.parametrize(("raw", "wanted"), WHOLE.values(), ids=WHOLE.keys())
def test_who_has_asked_and_sends_nothing_more_is_answered(
    raw: bytes, wanted: list[bytes], loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    async def story(here: Site) -> None:
        answer = await here.talk(raw, more=False)
        assert re.findall(rb"HTTP/1.1 (\d+) ", answer) == wanted
        assert len(await here.events()) == wanted.count(b"202")

    play(story, loop=loop)


def test_who_leaves_in_the_middle_of_a_body_is_no_fault_of_the_hub(caplog: pytest.LogCaptureFixture) -> None:
    async def story(here: Site) -> None:
        head = b"POST /api/v1/workflows/greeting/executions HTTP/1.1\r\n" + HOST + b"Authorization: Bearer admin\r\n"
        begun = head + b"Content-Type: application/json\r\nContent-Length: 9\r\n\r\n{"
        assert b"HTTP/1.1 5" not in await here.talk(begun, more=False)

    play(story)
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []


async def reply(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE)).decode()
    length = next(int(line[15:]) for line in head.lower().split("\r\n") if line.startswith("content-length:"))
    return int(head.split(" ")[1]), await reader.readexactly(length)


def test_every_answer_is_harmless_and_says_no_more_than_it_must() -> None:
    async def story(here: Site) -> None:
        for raw, status in (
            (push(b"{}", "a", "Connection: close"), 202),
            (push(b"{}", "a", "Connection: close").replace(b"sha256=", b"sha256=0"), 401),
            (push(b"{}", "a", "Connection: close", path="/webhooks/nobody"), 404),
            (push(b"{", "b", "Connection: close"), 400),
            (HEAD + HOST + b"Content-Length: 99999999\r\n\r\n", 413),
            (HEAD.replace(b"POST", b"BREW") + HOST + b"\r\n", 400),
            (HEAD.replace(b"POST", b"PUT") + HOST + b"Content-Length: 0\r\n\r\n", 405),
            (b"GET /" + b"x" * 9_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 414),
            (HEAD + HOST + b"".join(b"X-%d: y\r\n" % n for n in range(101)) + b"\r\n", 431),
        ):
            answer = (await here.talk(raw)).lower()
            assert answer.startswith(b"http/1.1 %d " % status), (status, answer[:60])
            for header in (
                b"x-content-type-options: nosniff",
                b"cache-control: no-store",
                b"content-security-policy: sandbox",
            ):
                assert header in answer
            assert b"server:" not in answer
            assert b"traceback" not in answer

    play(story)


async def idle(here: Site) -> bytes:
    return await here.talk(b"")


async def slow_head(here: Site) -> bytes:
    return await drip(*await here.open(), HEAD + HOST + b"X-Slow: " + b"a" * 1_000)


async def slow_body(here: Site) -> bytes:
    reader, writer = await here.open()
    writer.write(push(b"x" * 1_000, "slow")[:-990])
    return await drip(reader, writer, b"x" * 900)


async def kept_alive(here: Site) -> bytes:
    return await here.talk(push(b"{}", "again"))


async def never_reads(here: Site) -> bytes:
    """Asks and asks until the server has had enough; b"cut" when it had."""
    taken = socket.socket()
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    taken.connect(("127.0.0.1", here.port))
    _, writer = await asyncio.open_connection(sock=taken)
    writer.transport.pause_reading()  # type: ignore[attr-defined]  # a socket's transport can
    request = b"GET /webhooks/nobody HTTP/1.1\r\n" + HOST + b"\r\n"
    try:
        async with asyncio.timeout(PATIENCE):
            while True:
                writer.write(request * 500)
                await writer.drain()
                await asyncio.sleep(0.05)
    except (ConnectionError, RuntimeError):  # uvloop says RuntimeError of a connection that is gone
        return b"cut"
    finally:
        writer.transport.abort()


async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, raw: bytes) -> bytes:
    """A byte at a time, until it is cut."""
    reading = asyncio.create_task(reader.read(65_536))
    for byte in raw:
        if reading.done():
            break
        writer.write(bytes([byte]))
        await asyncio.sleep(0.05)
    writer.close()
    try:
        return await reading
    except ConnectionError:  # a byte crossed the answer, and was answered by a reset
        return b"HTTP/1.1 408"


#: How each kind of slow sender ends.
SLOW = {
    idle: b"",
    slow_head: b"HTTP/1.1 408",
    slow_body: b"HTTP/1.1 408",
    kept_alive: b"HTTP/1.1 202",
    never_reads: b"cut",
}


def test_slow_senders_are_cut_and_others_do_not_notice(quick_path: Path) -> None:
    async def story(here: Site) -> None:
        bad = [asyncio.create_task(kind(here)) for kind in SLOW for _ in range(5)]
        waits = []
        for n in range(30):
            sent = time.perf_counter()
            assert b"202 Accepted" in await here.talk(push(b'{"n":%d}' % n, f"good-{n}", "Connection: close"))
            waits.append(time.perf_counter() - sent)
            await asyncio.sleep(0.01)
        async with asyncio.timeout(PATIENCE):
            answers = await asyncio.gather(*bad)
        assert max(waits) < PATIENCE / 2
        assert [answer[:12] for answer in answers] == [end for end in SLOW.values() for _ in range(5)]

    # uvloop's own client does not notice a reset while it does not read.
    play(story, f"sqlite:///{quick_path}/hub.db", SHORT, loop=asyncio.new_event_loop)


async def endless_head(here: Site) -> bytes:
    reader, writer = await here.open()
    for piece in (HEAD, HOST, b"X: ", *[b"y" * 1_000] * 20):
        writer.write(piece)
        await asyncio.sleep(0.002)
    try:
        return await reader.read()
    except ConnectionError:  # it was turned away before it had said all
        return b"HTTP/1.1 503 "
    finally:
        writer.close()


def test_there_is_an_end_to_connections_and_to_heads() -> None:
    async def story(here: Site) -> None:
        opened = [await here.open() for _ in range(LONG.connections)]
        assert (await here.talk(b"")).startswith(b"HTTP/1.1 503 ")
        for _, writer in opened:
            writer.close()
        for _ in range(200):
            answer = await endless_head(here)
            if not answer.startswith(b"HTTP/1.1 503 "):
                break  # until then not all of them have gone
        assert answer.startswith(b"HTTP/1.1 431 ")

    play(story)


def chunked(body: bytes, *trailers: bytes) -> bytes:
    """A delivery whose signature stands behind its body, where a head's fields do not."""
    digest = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest().encode()
    head = HEAD + HOST + b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    fields = (b"X-Hub-Signature-256: sha256=" + digest, *trailers)
    return head + b"%x\r\n%s\r\n0\r\n%s\r\n\r\n" % (len(body), body, b"\r\n".join(fields))


@pytest.mark.parametrize("pieces", [1, 7])
def test_what_stands_behind_a_body_in_chunks_is_no_part_of_its_head(pieces: int) -> None:
    """Proxies look at heads alone, so that a field behind a body could say what they would have taken out."""

    async def story(here: Site) -> None:
        reader, writer = await here.open()
        raw = chunked(b'{"n": 1}', b"Host: other.example.com")
        for start in range(0, len(raw), len(raw) // pieces + 1):
            writer.write(raw[start : start + len(raw) // pieces + 1])
            await asyncio.sleep(0.002)
        assert (await reply(reader))[0] == 401
        writer.close()
        assert await here.events() == []

    play(story)


@pytest.mark.parametrize("piece", [b"y" * 1_000, b"y\r\nx: " * 200], ids=["one", "many"])
def test_there_is_an_end_to_what_stands_behind_a_body(piece: bytes) -> None:
    async def story(here: Site) -> None:
        reader, writer = await here.open()
        whole = chunked(b'{"n": 1}')
        writer.write(whole[: whole.index(b"0\r\n") + 3] + b"x: ")
        answer = asyncio.create_task(reader.readuntil(b"\r\n"))
        async with asyncio.timeout(PATIENCE):
            while not answer.done():
                writer.write(piece)
                await asyncio.sleep(0.002)
        writer.close()
        assert (await answer).startswith(b"HTTP/1.1 431 ")

    play(story)


def test_defaults_are_those_that_are_promised() -> None:
    usual = Patience()
    assert (usual.head, usual.idle, usual.write) == (10.0, 5.0, 10.0)
    assert Pace() == Pace(deadline=30.0, patience=5.0, rate=1_024)
