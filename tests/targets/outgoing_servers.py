"""What outgoing calls meet in the tests: names that lead where a test says, and servers on this machine."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

LOOPBACK = ipaddress.ip_network("127.0.0.0/8")


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
