"""The connection to a watched PostgreSQL database: opened when it is needed, and again after it was lost."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeVar

import psycopg
from psycopg import AsyncConnection, errors
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from hub.triggers.record_events.watched import DatabaseUnavailable

R = TypeVar("R")

Connection = AsyncConnection[Any]

#: How long an answer may take, in seconds, before the connection is given up. The network may swallow everything and confirm it,
#: which neither the kernel nor the driver takes for a dead link.
_ANSWER_SECONDS = 10.0
#: The same where there may be much to count, or a lock to wait for.
_PATIENT_SECONDS = 60.0

#: A hub that is gone, or stands still, must not keep rows of the outbox locked. And neither end waits for long on a network that has
#: gone: kernels send again after twice as long each time, and a new connection is there sooner.
_SETTINGS = {
    "application_name": "hub",
    "connect_timeout": "3",
    "client_encoding": "utf8",
    "keepalives_idle": "2",
    "keepalives_interval": "1",
    "keepalives_count": "3",
    "tcp_user_timeout": "4000",
    "options": "-c statement_timeout=30s -c lock_timeout=2s -c idle_in_transaction_session_timeout=10s -c TimeZone=UTC "
    "-c tcp_keepalives_idle=2 -c tcp_keepalives_interval=1 -c tcp_keepalives_count=3 -c tcp_user_timeout=4000",
}


class Link:
    """One connection, one task at a time. Errors of the database's weather become DatabaseUnavailable."""

    def __init__(self, namespace: str, url: str) -> None:
        self.namespace = namespace
        #: Goes up with every new connection: what was remembered of an earlier one is of no use then.
        self.generation = 0
        self._url = url
        self._connection: Connection | None = None
        self._lock = asyncio.Lock()

    async def run(self, work: Callable[[Connection], Awaitable[R]], *, patient: bool = False) -> R:
        """Do it on the connection. Raises DatabaseUnavailable; then nothing was changed that was not committed before."""
        async with self._lock:
            try:
                connection = await self._open()
                with _cut_after(connection, _PATIENT_SECONDS if patient else _ANSWER_SECONDS):
                    return await work(connection)
            except errors.InsufficientPrivilege as error:
                await self._drop()
                raise DatabaseUnavailable(self.namespace, f"{_line(error)}. {_ADVICE}") from error
            except psycopg.Error as error:
                await self._drop()
                raise DatabaseUnavailable(self.namespace, _line(error)) from error
            except BaseException:
                await self._drop()
                raise

    async def close(self) -> None:
        async with self._lock:
            await self._drop()

    async def _open(self) -> Connection:
        if self._connection is None or self._connection.closed:
            self._connection = await AsyncConnection.connect(conninfo(self._url), autocommit=True)
            self.generation += 1
        return self._connection

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()


@contextlib.contextmanager
def _cut_after(connection: Connection, seconds: float) -> Iterator[None]:
    """Whatever waits for an answer longer than that finds the connection closed."""

    def cut() -> None:
        with contextlib.suppress(OSError), socket.socket(fileno=os.dup(connection.fileno())) as same:
            same.shutdown(socket.SHUT_RDWR)

    timer = asyncio.get_running_loop().call_later(seconds, cut)
    try:
        yield
    finally:
        timer.cancel()


_ADVICE = (
    "Give the role of its address in config/hub.yaml what it needs (docs/record-events.md), or install once with "
    "`hub db install NAME --url` and a role that may."
)


def conninfo(url: str) -> str:
    """A libpq connection string, with what the address leaves open."""
    for scheme in ("postgresql+psycopg://", "postgres://"):
        if url.startswith(scheme):
            url = f"postgresql://{url.removeprefix(scheme)}"
    given = conninfo_to_dict(url)
    settings = {name: value for name, value in _SETTINGS.items() if name not in given or name == "options"}
    if given.get("options"):
        settings["options"] = f"{settings['options']} {given['options']}"
    return make_conninfo(url, **settings)


def _line(error: psycopg.Error) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].strip().rstrip(".")
