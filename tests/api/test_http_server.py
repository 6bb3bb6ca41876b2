"""The HTTP server's own life: an address taken and given back, answers without waiting, an end in time."""

from __future__ import annotations

import asyncio
import socket
import time
from typing import Any

import httpx
import pytest
from kit import PATIENCE

from hub.api.server import HttpServer
from hub.model.errors import Conflict


async def in_two_parts(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"10")]})
    await send({"type": "http.response.body", "body": b"first", "more_body": True})
    await send({"type": "http.response.body", "body": b"later"})


def test_any_free_port_is_taken_and_told() -> None:
    async def story() -> None:
        server = HttpServer("127.0.0.1", 0)
        server.bind()
        await server.start(in_two_parts)
        try:
            async with httpx.AsyncClient(base_url=server.address, timeout=PATIENCE) as http:
                assert (await http.get("/")).text == "firstlater"
        finally:
            await server.stop()
        again = HttpServer("127.0.0.1", int(server.address.rpartition(":")[2]))
        again.bind()
        await again.stop()

    asyncio.run(story())


def test_an_answer_in_two_parts_does_not_wait_for_an_acknowledgement() -> None:
    """40 ms each, if the kernel were left to gather small packets: then no round of them would be quicker."""

    async def one_round(http: httpx.AsyncClient) -> float:
        took = []
        for _ in range(30):
            begun = time.perf_counter()
            assert (await http.get("/")).text == "firstlater"
            took.append(time.perf_counter() - begun)
        return sorted(took)[len(took) // 4]

    async def story() -> None:
        server = HttpServer("127.0.0.1", 0)
        server.bind()
        await server.start(in_two_parts)
        try:
            async with httpx.AsyncClient(base_url=server.address, timeout=PATIENCE) as http, asyncio.timeout(PATIENCE):
                while await one_round(http) > 0.03:  # a busy machine
                    pass
        finally:
            await server.stop()

    asyncio.run(story())


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_an_address_that_is_taken_is_a_conflict(host: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as other:
        try:
            other.bind((host, 0))
        except OSError:
            pytest.skip("this machine has no such address")
        other.listen()
        port = other.getsockname()[1]
        server = HttpServer(host, port)
        with pytest.raises(Conflict, match=rf"{port} cannot be listened on: another program listens there already"):
            server.bind()


def test_an_address_that_this_machine_does_not_have_is_a_conflict() -> None:
    with pytest.raises(Conflict, match=r"http://192\.0\.2\.1:8700 cannot be listened on: "):
        HttpServer("192.0.2.1", 8700).bind()


def test_requests_under_way_are_finished_for_two_seconds_and_no_longer() -> None:
    under_way = asyncio.Event()

    async def never(scope: Any, receive: Any, send: Any) -> None:
        under_way.set()
        await asyncio.sleep(10 * PATIENCE)

    async def story() -> float:
        server = HttpServer("127.0.0.1", 0)
        server.bind()
        await server.start(never)
        async with httpx.AsyncClient(base_url=server.address, timeout=PATIENCE) as http:
            asking = asyncio.create_task(http.get("/"))
            await asyncio.wait_for(under_way.wait(), PATIENCE)
            begun = time.monotonic()
            await server.stop()
            took = time.monotonic() - begun
            assert (await asking).status_code >= 500, "whoever asked is told that it was not done"
        return took

    assert 1.9 < asyncio.run(story()) < PATIENCE
