"""A second connection, on which a watched PostgreSQL database wakes the hub."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg import AsyncConnection, sql

from hub.model.clock import Clock
from hub.triggers.record_events.postgres_link import conninfo
from hub.triggers.record_events.postgres_text import CHANNEL


class Bell:
    """Waits for a NOTIFY. Where it cannot listen it only waits: whoever has to know that looks all the same."""

    def __init__(self, url: str, clock: Clock) -> None:
        self._url = url
        self._clock = clock
        self._connection: AsyncConnection[Any] | None = None

    async def wait(self, seconds: float) -> None:
        """Until it rings, at most so long."""
        try:
            connection = await self._open()
            async for _ in connection.notifies(timeout=seconds, stop_after=1):
                return
        except psycopg.Error:
            await self.close()
            await self._clock.sleep(seconds)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def _open(self) -> AsyncConnection[Any]:
        if self._connection is None:
            self._connection = await AsyncConnection.connect(conninfo(self._url), autocommit=True)
            await self._connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(CHANNEL)))
        return self._connection
