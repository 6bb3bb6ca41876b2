"""A writer without a thread, for `:memory:`, short commands and simulations."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Hashable
from functools import partial
from typing import Any

from hub.model.errors import StoreUnavailable
from hub.store.committing import Committer, Operation
from hub.store.dialects.base import StoreBusy
from hub.store.verbs import Verb
from hub.store.writer import NOTHING, Guest, R, T, settle


class InlineWriter:
    """Commits on the caller's own thread, one verb at a time."""

    def __init__(self, committer: Committer) -> None:
        self._committer = committer
        self._riders: dict[tuple[Verb[Any, Any], Hashable], Any] = {}
        self.patience: float | None = None
        self._lock = threading.Lock()  # plain jobs ride from their threads

    @property
    def outage(self) -> None:
        """Whoever asks is refused at once, and nobody tries again for them."""

    def submit(
        self,
        verb: Verb[T, R],
        item: T,
        *,
        timeout: float | None = None,  # noqa: ARG002 - it never waits
    ) -> asyncio.Future[R]:
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        operation = Operation(verb, item)
        batch = [*self._take(), operation]
        try:
            self._committer.commit(batch)
        except StoreBusy as error:
            future.set_exception(StoreUnavailable(f"the store is busy: {error}"))
        except Exception as error:  # noqa: BLE001 - it is raised where the future is awaited
            future.set_exception(error)
        else:
            # As with a thread, whoever awaits it goes on in a later turn of the loop: others have theirs before.
            asyncio.get_running_loop().call_soon(settle, future, operation.result)
        return future

    def hand_in(
        self,
        verb: Verb[T, R],
        item: T,
        done: Callable[[R | Exception], None],
        *,
        timeout: float | None = None,
    ) -> None:
        self.submit(verb, item, timeout=timeout).add_done_callback(partial(_hand_over, done))

    def ride(self, verb: Verb[T, Any], key: Hashable, item: T) -> None:
        with self._lock:
            self._riders[verb, key] = item

    def forget(self, verb: Verb[T, Any], key: Hashable) -> None:
        with self._lock:
            self._riders.pop((verb, key), None)

    def invite(self, guest: Guest | None) -> None:
        """Here nobody gains by it: there is one connection, and nothing to wait for."""

    async def flush(self) -> None:
        if self._riders:
            # With an operation beside them, a rider that cannot be written fails by itself.
            await self.submit(NOTHING, None)

    async def close(self) -> None:
        try:
            await self.flush()
        finally:
            self._committer.connection.close()

    def _take(self) -> list[Operation]:
        with self._lock:
            riders, self._riders = self._riders, {}
        return [Operation(verb, item) for (verb, _), item in riders.items()]


def _hand_over(done: Callable[[Any], None], future: asyncio.Future[Any]) -> None:
    error = future.exception()
    done(future.result() if error is None else error)
