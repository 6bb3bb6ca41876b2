"""One connection to PostgreSQL, over libpq: prepared statements, and an answer or an error within a time.

What waits here calls `waiting` a few times a second: a link that swallows everything must not keep the writer's callers
from their own deadlines. Drivers time out too late for that.
"""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Sequence
from typing import Any

import psycopg
from psycopg import pq
from psycopg.conninfo import make_conninfo

from hub.store.dialects.base import Row, StoreBusy
from hub.store.dialects.postgres_errors import classified

#: How long an answer may take, and a connection, in seconds.
REPLY_SECONDS = 10.0
CONNECT_SECONDS = 3.0
_LOOK_SECONDS = 0.1

#: What the kernel and libpq are asked to notice of a dead link.
SOCKET: dict[str, Any] = {
    "application_name": "hub",
    "keepalives": 1,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}

INT8, TEXT, BYTEA = 20, 25, 17
_READERS: dict[int, Callable[[bytes], Any]] = {
    16: lambda value: value != b"\x00",
    BYTEA: bytes,
    19: bytes.decode,
    INT8: lambda value: int.from_bytes(value, "big", signed=True),
    21: lambda value: int.from_bytes(value, "big", signed=True),
    23: lambda value: int.from_bytes(value, "big", signed=True),
    TEXT: bytes.decode,
    1043: bytes.decode,
    2278: lambda _value: None,
}


class Link:
    """A session. Everything that it raises is classified: StoreBusy when the same may work in a moment."""

    def __init__(self, url: str, *, waiting: Callable[[], None] = lambda: None) -> None:
        self._waiting = waiting
        self._prepared: dict[tuple[str, tuple[int, ...]], bytes] = {}
        self.pgconn = self._connected(url)
        self.pgconn.nonblocking = 1

    @property
    def backend(self) -> int:
        """The process id that the server gave when it was connected to."""
        return self.pgconn.backend_pid

    @property
    def alive(self) -> bool:
        return bool(self.pgconn.status == pq.ConnStatus.OK)

    def simple(self, sql: str) -> list[Row]:
        """Statements without parameters, in one exchange; the rows of the last one, as text."""
        last = self._asked(lambda: self.pgconn.send_query(sql.encode()))
        return [
            tuple(
                None if (value := last.get_value(row, column)) is None else value.decode()
                for column in range(last.nfields)
            )
            for row in range(last.ntuples)
        ]

    def execute(self, sql: str, oids: Sequence[int], values: Sequence[bytes | None]) -> Any:
        """A statement with `$1` parameters, prepared the first time; its result as libpq gives it."""
        key = (sql, tuple(oids))
        name = self._prepared.get(key)
        if name is None:
            name = f"s{len(self._prepared)}".encode()
            self._asked(lambda: self.pgconn.send_prepare(name, sql.encode(), key[1]))
            self._prepared[key] = name
        return self._asked(lambda: self.pgconn.send_query_prepared(name, list(values), [1] * len(values), 1))

    def close(self) -> None:
        self.pgconn.finish()

    def _connected(self, url: str) -> pq.abc.PGconn:
        connection = pq.PGconn.connect_start(make_conninfo(url, **SOCKET).encode())
        until = time.monotonic() + CONNECT_SECONDS
        while True:
            status = pq.PollingStatus.FAILED if connection.status == pq.ConnStatus.BAD else connection.connect_poll()
            if status == pq.PollingStatus.OK:
                return connection
            if status == pq.PollingStatus.FAILED:
                message = connection.get_error_message()
                connection.finish()
                raise StoreBusy(message)
            if not self._ready(connection.socket, until, writing=status == pq.PollingStatus.WRITING):
                connection.finish()
                raise StoreBusy(f"no connection within {CONNECT_SECONDS:g} s")

    def _asked(self, send: Callable[[], None]) -> Any:
        try:
            send()
        except psycopg.Error as lost:
            self.pgconn.finish()
            raise StoreBusy(str(lost)) from lost
        return self._results()[-1]

    def _results(self) -> list[Any]:
        """Everything that the server answers to what was sent. The first error of it is raised."""
        connection, until = self.pgconn, time.monotonic() + REPLY_SECONDS
        found: list[Any] = []
        error: Exception | None = None
        fatal = False
        try:
            while connection.flush():
                self._await(until, writing=True)
                connection.consume_input()
            while True:
                while connection.is_busy():
                    self._await(until)
                    connection.consume_input()
                result = connection.get_result()
                if result is None:
                    break
                found.append(result)
                if result.status == pq.ExecStatus.FATAL_ERROR:
                    error = error or classified(result)
                    fatal = fatal or result.error_field(pq.DiagnosticField.SEVERITY_NONLOCALIZED) != b"ERROR"
        except psycopg.Error as lost:
            connection.finish()
            raise StoreBusy(str(lost)) from lost
        if fatal:
            connection.finish()
        if error is not None:
            raise error
        if not found:
            raise StoreBusy(connection.get_error_message())
        return found

    def _await(self, until: float, *, writing: bool = False) -> None:
        if not self._ready(self.pgconn.socket, until, writing=writing):
            self.pgconn.finish()
            raise StoreBusy(f"no answer within {REPLY_SECONDS:g} s")

    def _ready(self, socket: int, until: float, *, writing: bool) -> bool:
        """Wait for the socket; False: the time is over."""
        poll = select.poll()
        poll.register(socket, select.POLLIN | (select.POLLOUT if writing else 0))
        while not poll.poll(_LOOK_SECONDS * 1000):
            self._waiting()
            if time.monotonic() > until:
                return False
        return True


def rows_of(result: Any) -> list[Row]:
    """A binary result as Python values."""
    columns = [_READERS[result.ftype(column)] for column in range(result.nfields)]
    get = result.get_value
    return [
        tuple(None if (value := get(row, column)) is None else read(value) for column, read in enumerate(columns))
        for row in range(result.ntuples)
    ]
