"""Five hundred clients that hold on to their connections in every way there is, and one good client beside them."""

from __future__ import annotations

import asyncio
import multiprocessing
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import httpx
import pytest
from flooding import answer, request
from hub_process import Hub, Project, Zygote
from server_projects import PASSING, lay_out, start

SECRET = "a-secret-of-enough-bytes-000000"
GITHUB = {"preset": "github", "secret": "${secret:GITHUB}"}
#: Until when each kind has to be gone: the head's ten seconds, the body's patience, the answer's ten; and the look once a second.
HEAD, BODY, UNREAD = 10.0, 30.0, 30.0
_LOOK = 2.5


@pytest.fixture
def hub(quick_path: Path, zygote: Zygote) -> Iterator[Hub]:
    project = Project(quick_path, zygote, {"GITHUB": SECRET})
    target = start("passing", "({ delivery: args.body.delivery })")
    for_all = {"verify": GITHUB, "limits": {"concurrency": 400}}
    lay_out(
        project,
        PASSING,
        push={"trigger": {"webhook": for_all}, "target": target},
        quiet={"trigger": {"webhook": {"verify": GITHUB}}, "target": target},
    )
    with project.serving() as running:
        yield running


Wire = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def says_nothing(wire: Wire) -> None:
    """Connected, and that is all."""
    await wire[0].read()


async def drips(wire: Wire, text: bytes) -> None:
    """A byte a second, until the other side has had enough."""
    ended = asyncio.ensure_future(wire[0].read())
    for position in range(len(text)):
        if ended.done():
            return
        wire[1].write(text[position : position + 1])
        await asyncio.wait([ended], timeout=1)
    await ended


async def drips_its_head(wire: Wire) -> None:
    await drips(wire, b"POST /webhooks/push HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Filler: " + b"y" * 600)


async def drips_its_body(wire: Wire) -> None:
    wire[1].write(b"POST /webhooks/push HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n")
    wire[1].write(b"Content-Length: 100000\r\n\r\n")
    await drips(wire, b"z" * 600)


async def never_reads(wire: Wire) -> None:
    """Asks and asks, and leaves every answer where it is."""
    ask = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    wire[0]._transport.pause_reading()  # the peer's window fills
    try:
        while True:
            wire[1].write(ask * 50)
            await asyncio.wait_for(wire[1].drain(), UNREAD + 10)
            await asyncio.sleep(0.35)
    except ConnectionError:
        return


async def stops_in_the_middle(wire: Wire) -> None:
    """Two requests in one piece, and the beginning of a third."""
    whole = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    wire[1].write(whole + whole + whole[:20])
    await wire[0].read()


KINDS: dict[Callable[[Wire], Awaitable[None]], float] = {
    says_nothing: HEAD,
    drips_its_head: HEAD,
    drips_its_body: BODY,
    never_reads: UNREAD,
    stops_in_the_middle: HEAD,
}


async def slow_client(port: int, kind: Callable[[Wire], Awaitable[None]], held: dict[str, list[float]]) -> None:
    taken = socket.socket()
    # So that little is enough for those who never read.
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    taken.connect(("127.0.0.1", port))
    wire = await asyncio.open_connection(sock=taken)
    began = time.perf_counter()
    try:
        async with asyncio.timeout(60):
            await kind(wire)
    except ConnectionError:
        pass
    finally:
        held.setdefault(kind.__name__, []).append(time.perf_counter() - began)
        wire[1].transport.abort()


async def good_client(port: int, numbers: Iterator[int], until: Callable[[], bool]) -> list[float]:
    """One delivery after the other on /webhooks/quiet; how long each took, in seconds."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    took: list[float] = []
    while not until():
        sent = time.perf_counter()
        writer.write(request("new", f"good-{next(numbers)}", SECRET, "/webhooks/quiet"))
        status, _, _ = await answer(reader)
        assert status == 202
        took.append(time.perf_counter() - sent)
        await asyncio.sleep(0.02)
    writer.close()
    return sorted(took)


def p99(times: list[float]) -> float:
    return times[int(len(times) * 0.99)]


async def slow_clients(port: int, each: int) -> dict[str, list[float]]:
    """As many of every kind; how long each was held, in seconds."""
    held: dict[str, list[float]] = {}

    async def begin(number: int, kind: Callable[[Wire], Awaitable[None]]) -> None:
        await asyncio.sleep(number / each / 2)  # not in step
        await slow_client(port, kind, held)

    await asyncio.gather(*[begin(number, kind) for number in range(each) for kind in KINDS])
    return held


def slow_process(port: int, each: int) -> dict[str, list[float]]:
    """In a process of their own, so that they do not hold up the good one themselves."""
    return asyncio.run(slow_clients(port, each))


async def play(hub: Hub, each: int) -> tuple[list[float], list[float], dict[str, list[float]]]:
    """The good client alone for a while, then beside `each` slow ones of every kind."""
    port = httpx.URL(hub.url).port
    assert port is not None
    numbers = iter(range(1_000_000))
    alone_until = time.perf_counter() + 5
    alone = await good_client(port, numbers, lambda: time.perf_counter() > alone_until)
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as processes:
        slow = asyncio.get_running_loop().run_in_executor(processes, slow_process, port, each)
        beside = await good_client(port, numbers, slow.done)
        return alone, beside, await slow


@pytest.mark.long
@pytest.mark.timeout(180)
def test_five_hundred_slow_clients_are_cut_and_a_good_one_does_not_notice(hub: Hub) -> None:
    alone, beside, held = asyncio.run(play(hub, 100))
    longest = {kind: round(max(times), 1) for kind, times in held.items()}
    sys.stderr.write(
        f"\nheld at most {longest} s; good p99 {p99(alone) * 1e3:.1f} ms alone, {p99(beside) * 1e3:.1f} beside\n"
    )
    for kind, limit in KINDS.items():
        assert len(held[kind.__name__]) == 100
        assert longest[kind.__name__] <= limit + _LOOK, kind.__name__
    # How much it notices is for people to read, above: this machine may have other things to do. It never stands still.
    assert beside[-1] < 1.0
    assert httpx.get(f"{hub.url}/readyz").status_code == 200
