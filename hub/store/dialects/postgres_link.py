"""One connection to PostgreSQL, over libpq: several statements in one exchange, and an answer or an error within a time.

What waits here calls `waiting` a few times a second: a link that swallows everything must not keep the writer's callers
from their own deadlines. Drivers time out too late for that.
"""

from __future__ import annotations

import logging
import select
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import psycopg
from psycopg import pq
from psycopg.conninfo import make_conninfo

from hub.store.dialects.base import Row, StoreBusy
from hub.store.dialects.postgres_errors import classified
from hub.store.dialects.postgres_hosts import hosts_of

log = logging.getLogger(__name__)

#: How long an answer may take, and a connection, in seconds.
REPLY_SECONDS = 10.0
CONNECT_SECONDS = 3.0
_LOOK_SECONDS = 0.1
_MOST_PREPARED = 400

#: What the kernels at both ends are asked to notice of a dead link. They send again after twice as long each time, so that a network
#: that was gone for six seconds would be used again six seconds later: by then a new connection has long been made. And the
#: server lets go of what a node holds whose machine has vanished, also in the middle of a request.
_GIVEN_UP_MS = 4_000
SOCKET: dict[str, Any] = {
    "application_name": "hub",
    "keepalives": 1,
    "keepalives_idle": 2,
    "keepalives_interval": 1,
    "keepalives_count": 3,
    "tcp_user_timeout": _GIVEN_UP_MS,
}
SERVERS_SOCKET: dict[str, str] = {
    "tcp_keepalives_idle": "2",
    "tcp_keepalives_interval": "1",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": f"{_GIVEN_UP_MS}",
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
_ABORTED = pq.ExecStatus.PIPELINE_ABORTED
_FATAL = pq.ExecStatus.FATAL_ERROR
_SYNC = pq.ExecStatus.PIPELINE_SYNC


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL with `$1` parameters, their types, and their values in PostgreSQL's binary form."""

    sql: str
    oids: Sequence[int] = ()
    values: Sequence[bytes | None] = ()


class Link:
    """A session. Everything that it raises is classified: StoreBusy when the same may work in a moment."""

    def __init__(self, url: str, *, waiting: Callable[[], None] = lambda: None) -> None:
        self._waiting = waiting
        self._prepared: dict[tuple[str, tuple[int, ...]], bytes] = {}
        #: Of statements that were prepared, or were to be.
        self._names = count()
        self.pgconn = self._connected_to_one(hosts_of(url))
        self.pgconn.nonblocking = 1
        self._poll = select.poll()
        self._poll.register(self.pgconn.socket, select.POLLIN)

    @property
    def backend(self) -> int:
        """The process id that the server gave when it was connected to."""
        return self.pgconn.backend_pid

    @property
    def alive(self) -> bool:
        return bool(self.pgconn.status == pq.ConnStatus.OK)

    def simple(self, sql: str) -> list[Row]:
        """Statements without parameters, in one exchange; the rows of the last one, as text."""
        try:
            self.pgconn.send_query(sql.encode())
            last = self._until_none()[-1]
        except psycopg.Error as lost:
            raise self._lost(lost) from lost
        return [
            tuple(
                None if (value := last.get_value(row, column)) is None else value.decode()
                for column in range(last.nfields)
            )
            for row in range(last.ntuples)
        ]

    def exchange(self, statements: Sequence[Statement]) -> list[Any]:
        """All of them at once, prepared the first time; their results as libpq gives them.

        The first that fails is raised, and those behind it are not run.
        """
        connection = self.pgconn
        fresh: dict[tuple[str, tuple[int, ...]], bytes] = {}
        try:
            connection.enter_pipeline_mode()
            for one in statements:
                if not one.oids:
                    connection.send_query_params(one.sql.encode(), None, None, None, 1)
                    continue
                key = (one.sql, tuple(one.oids))
                name = self._prepared.get(key) or fresh.get(key)
                if name is None:
                    name = fresh[key] = f"s{next(self._names)}".encode()
                    connection.send_prepare(name, one.sql.encode(), key[1])
                connection.send_query_prepared(name, list(one.values), [1] * len(one.values), 1)
            connection.pipeline_sync()
            results = self._until_sync()
            connection.exit_pipeline_mode()
        except psycopg.Error as lost:
            raise self._lost(lost) from lost
        self._raise_first_error(results)
        if fresh:
            # Answers to preparations stand between those to statements, and have nothing to say.
            results = self._without_preparations(statements, fresh, results)
            self._prepared.update(fresh)
        return results

    def forget_some(self) -> None:
        """Let go of prepared statements when there are very many: some texts are as long as what they are given."""
        if len(self._prepared) > _MOST_PREPARED:
            self.simple("DEALLOCATE ALL")
            self._prepared.clear()

    def close(self) -> None:
        self.pgconn.finish()

    def _without_preparations(
        self, statements: Sequence[Statement], fresh: dict[tuple[str, tuple[int, ...]], bytes], results: list[Any]
    ) -> list[Any]:
        kept, left, unseen = [], iter(results), set(fresh)
        for one in statements:
            key = (one.sql, tuple(one.oids))
            if key in unseen:
                unseen.discard(key)
                next(left)
            kept.append(next(left))
        return kept

    def _raise_first_error(self, results: Sequence[Any]) -> None:
        for result in results:
            if result.status == _FATAL:
                if result.error_field(pq.DiagnosticField.SEVERITY_NONLOCALIZED) != b"ERROR":
                    self.pgconn.finish()  # the session is over
                raise classified(result)

    def _lost(self, error: psycopg.Error) -> StoreBusy:
        message = str(error)
        self.pgconn.finish()
        return StoreBusy(message)

    def _connected_to_one(self, urls: Sequence[str]) -> pq.abc.PGconn:
        """The first that can be had. libpq goes on to the next host by itself only when one refuses, and not when it is silent."""
        for url in urls[:-1]:
            try:
                return self._connected(url)
            except StoreBusy as error:
                log.debug("the next host is tried: %s", error)
        return self._connected(urls[-1])

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
            poll = select.poll()
            poll.register(connection.socket, select.POLLOUT if status == pq.PollingStatus.WRITING else select.POLLIN)
            if not self._ready(poll, until):
                connection.finish()
                raise StoreBusy(f"no connection within {CONNECT_SECONDS:g} s")

    def _until_sync(self) -> list[Any]:
        """The results of a pipeline."""
        until = time.monotonic() + REPLY_SECONDS
        self._flush(until)
        found: list[Any] = []
        while True:
            result = self._next(until)
            if result is None:
                if not self.alive:
                    raise StoreBusy("the connection was lost")
                continue
            if result.status == _SYNC:
                return found
            if result.status == _FATAL and not self.alive:
                return [*found, result]
            if result.status != _ABORTED:
                found.append(result)

    def _until_none(self) -> list[Any]:
        """The results of a simple query."""
        until = time.monotonic() + REPLY_SECONDS
        self._flush(until)
        found: list[Any] = []
        while (result := self._next(until)) is not None:
            found.append(result)
        self._raise_first_error(found)
        if not found:
            raise StoreBusy(self.pgconn.get_error_message())
        return found

    def _next(self, until: float) -> Any:
        connection = self.pgconn
        while connection.is_busy():
            self._await(self._poll, until)
            connection.consume_input()
        return connection.get_result()

    def _flush(self, until: float) -> None:
        connection = self.pgconn
        if not connection.flush():
            return
        both = select.poll()
        both.register(connection.socket, select.POLLIN | select.POLLOUT)
        while connection.flush():
            self._await(both, until)
            connection.consume_input()

    def _await(self, poll: select.poll, until: float) -> None:
        if not self._ready(poll, until):
            self.pgconn.finish()
            raise StoreBusy(f"no answer within {REPLY_SECONDS:g} s")

    def _ready(self, poll: select.poll, until: float) -> bool:
        """Wait for the socket; False: the time is over."""
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
