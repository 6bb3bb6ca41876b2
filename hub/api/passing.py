"""What two processes of one hub hand each other: values in order, and open connections with what was read of them.

Both ends are made by one process that forks, run the same code, and are nobody else's: what comes is believed.
"""

from __future__ import annotations

import array
import asyncio
import select
import socket
import struct
from collections.abc import Callable
from typing import Any, cast

from pydantic import TypeAdapter

#: It takes a third of the time of the standard library's.
_JSON = TypeAdapter[Any](Any)
#: Of the JSON, and of the bytes behind it.
_LENGTHS = struct.Struct("!II")
#: Bytes of one message beside a connection.
_PIECE = 65_536
_LAST, _MORE = b"\x00", b"\x01"
#: Seconds that a connection may take to be handed over.
_PATIENCE = 5.0


class Values(asyncio.Protocol):
    """JSON values, each with bytes beside it, over a stream."""

    def __init__(self, take: Callable[[Any, bytes], None], ended: Callable[[], None]) -> None:
        """`take(value, data)` gets what comes; `ended()` is called when the other process is gone."""
        self._take = take
        self._ended = ended
        self._transport: asyncio.WriteTransport | None = None
        self._held = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)

    def send(self, value: Any, data: bytes = b"") -> None:
        """In order, if the other process is still there."""
        assert self._transport is not None
        if not self._transport.is_closing():
            text = _JSON.dump_json(value)
            self._transport.write(b"".join((_LENGTHS.pack(len(text), len(data)), text, data)))

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        held, start = self._held + data if self._held else data, 0
        while len(held) - start >= _LENGTHS.size:
            text, more = _LENGTHS.unpack_from(held, start)
            middle = start + _LENGTHS.size + text
            if middle + more > len(held):
                break
            self._take(_JSON.validate_json(held[start + _LENGTHS.size : middle]), held[middle : middle + more])
            start = middle + more
        self._held = held[start:]

    def connection_lost(self, _exc: Exception | None) -> None:
        self._ended()


class Passage:
    """Open connections, over a socket that keeps messages apart."""

    def __init__(self, channel: socket.socket, take: Callable[[socket.socket, bytes], None]) -> None:
        """`take(connection, data)` gets what comes; `data` was read of it and not answered."""
        channel.setblocking(False)
        self._channel = channel
        self._take = take
        #: The connection whose bytes are still coming, and those that are here.
        self._coming: socket.socket | None = None
        self._data = bytearray()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(channel, self._read)

    def give(self, connection: int, data: bytes = b"", *, wait: bool) -> bool:
        """Hand over a connection by its file number; the caller closes its own copy. False: it could not be.

        `wait` for an end that reads whatever happens: one of two must never wait for the other.
        """
        pieces = [data[start : start + _PIECE] for start in range(0, len(data), _PIECE)] or [b""]
        for number, piece in enumerate(pieces):
            mark = _LAST if number == len(pieces) - 1 else _MORE
            rights = [] if number else [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [connection]))]
            if not self._send(mark + piece, rights, wait=wait):
                return False
        return True

    def _send(self, message: bytes, rights: list[Any], *, wait: bool) -> bool:
        while True:
            try:
                self._channel.sendmsg([message], rights)
            except BlockingIOError:
                if not wait or not select.select([], [self._channel], [], _PATIENCE)[1]:
                    return False
            except OSError:
                return False
            else:
                return True

    def _read(self) -> None:
        try:
            message, files, _, _ = socket.recv_fds(self._channel, _PIECE + 1, 1)
        except BlockingIOError:
            return
        except OSError:
            message, files = b"", []
        if not message:
            self.close()
            return
        if files:
            self._coming = socket.socket(fileno=files[0])
        self._data += message[1:]
        if message[:1] == _LAST and self._coming is not None:
            connection, data = self._coming, bytes(self._data)
            self._coming, self._data = None, bytearray()
            self._take(connection, data)

    def close(self) -> None:
        if self._channel.fileno() >= 0:  # it may have ended by itself
            self._loop.remove_reader(self._channel)
            self._channel.close()
