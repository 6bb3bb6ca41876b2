"""The side door: webhooks of a flood, taken in a process of their own.

Checking a request keeps an interpreter as busy as storing it, and one interpreter does one thing at a time. Here requests are
read and checked; the main process stores them, and only what it has stored is answered. It decides how many may come, and gets
back every connection on which something else happens.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Coroutine, Mapping, Sequence
from email.utils import formatdate
from typing import Any

from hub.api.passing import Passage, Values
from hub.api.visitor import Visitor
from hub.model.clock import SharedClock
from hub.model.event import NewEvent, StoredEvent
from hub.triggers.webhook.answer import Answer
from hub.triggers.webhook.endpoint import Endpoint
from hub.triggers.webhook.guard import HeadLimits, look
from hub.triggers.webhook.intake import Intake

_LOOK = 1.0
#: Requests of one message: what is checked is stored while the next ones are being checked.
_TOGETHER = 16
#: Milliseconds by which the time that the main process tells may be old.
_CLOSE_ENOUGH = 100.0
#: What the main process says of an event. The first three: it is stored, and how.
NEW, REPEATED, CONFLICT, NOT_STORED, NOT_HERE = range(5)
#: In place of what it says of each: all are new, under the ids that they came with.
ALL_NEW: Sequence[tuple[int, str]] = ()

#: Reads the endpoints again: with a word for what the files were, which both processes compare.
Read = Callable[[], tuple[str, Mapping[str, Endpoint]]]
#: Who asks for an event to be stored, where, and under which id.
_Asking = tuple[Visitor, Endpoint, str]


class SideDoor:
    """Serves in its process until the main one is gone. It is the `Host` of its visitors."""

    def __init__(
        self, intake: Intake, clock: SharedClock, row_of: Callable[[NewEvent], tuple[list[Any], bytes]], read: Read
    ) -> None:
        """`row_of` makes of an event what the store writes: values and bytes. `clock` is kept to the main process' time, `read` is called when the main process asks for it."""
        self._intake = intake
        self._clock = clock
        self._row_of = row_of
        #: What the files were that the intake's endpoints are of.
        self._files = ""
        self._read = read
        self._limits = HeadLimits()
        self._loop = asyncio.get_running_loop()
        self._values = Values(self._told, self._end)
        self._passage: Passage | None = None
        self._visitors: set[Visitor] = set()
        #: Visitors that have left since the main process was told how many.
        self._gone = 0
        self._tasks: set[asyncio.Task[Any]] = set()
        #: Whose events are being stored, by the number of the message that they went in.
        self._asking: dict[int, list[_Asking]] = {}
        self._number = 0
        #: What is not sent yet: whose events, their rows, and the bytes beside each row.
        self._next: list[_Asking] = []
        self._rows: list[tuple[str, list[Any], int]] = []
        self._data: list[bytes] = []
        self._ended = asyncio.Event()
        self._stopping = False
        self.headers: Sequence[tuple[bytes, bytes]] = ()

    async def serve(self, values: socket.socket, passage: socket.socket) -> None:
        """Until the other ends of these two are closed, or it was told to stop."""
        self._passage = Passage(passage, self._comes)
        await self._loop.create_unix_connection(lambda: self._values, sock=values)
        while not self._ended.is_set():
            self.headers = ((b"date", formatdate(usegmt=True).encode()),)
            for visitor in tuple(self._visitors):
                visitor.look(self._loop.time())
            if self._gone:
                self._values.send(("left", self._gone))
                self._gone = 0
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK):
                    await self._ended.wait()
        self._values.close()
        self._passage.close()

    def arrived(self, visitor: Visitor) -> None:
        self._visitors.add(visitor)

    def asked(self, visitor: Visitor) -> None:
        found = self._decide(visitor)
        if found is None:
            visitor.give_back()
            return
        if not self._next:
            # At the end of this turn of the loop: what else is asked in the same turn goes into the same message.
            self._loop.call_soon(self._send)
        endpoint, event = found
        row, data = self._row_of(event)
        self._next.append((visitor, endpoint, row[0]))
        self._rows.append((endpoint.name, row, len(data)))
        self._data.append(data)
        if len(self._next) == _TOGETHER:
            self._send()

    def left(self, visitor: Visitor) -> None:
        self._visitors.discard(visitor)
        self._gone += 1

    def pass_on(self, connection: int, data: bytes) -> None:
        assert self._passage is not None
        self._passage.give(connection, data, wait=True)

    def _comes(self, connection: socket.socket, _data: bytes) -> None:
        """The main door hands over connections of which nothing is read."""
        self._keep(self._welcome(connection))

    async def _welcome(self, connection: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(lambda: Visitor(self, self._loop), connection)
        except OSError:  # it is gone already
            self._gone += 1

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _decide(self, visitor: Visitor) -> tuple[Endpoint, NewEvent] | None:
        """The event of a request that is to be stored and nothing else; None: it is not for here."""
        scope = visitor.scope()
        if scope is None or look(scope, self._limits, at_most=visitor.size)[0] is not None:
            return None
        admitted = self._intake.admit(scope)
        if isinstance(admitted, Answer):
            return None
        self._intake.leave(admitted)
        if admitted.endpoint.response.deferred or b"expect" in admitted.request.index:
            return None
        try:
            decided = self._intake.decide(admitted, visitor.body)
        except Exception:  # noqa: BLE001 - the main door comes to the same, and tells it
            return None
        return (admitted.endpoint, decided) if isinstance(decided, NewEvent) else None

    def _send(self) -> None:
        if not self._next:  # what there was has gone already
            return
        self._number += 1
        self._asking[self._number] = self._next
        self._values.send(("events", self._number, self._files, self._rows), b"".join(self._data))
        self._next, self._rows, self._data = [], [], []

    def _told(self, value: tuple[str, Any, int], _data: bytes) -> None:
        kind, what, now = value
        self._clock.correct(now - self._clock.now(), _CLOSE_ENOUGH)
        if kind == "answers":
            number, fates = what
            asked = self._asking.pop(number)
            if not fates:
                fates = [(NEW, name) for _, _, name in asked]
            for (visitor, endpoint, _), (fate, name) in zip(asked, fates, strict=True):
                self._answer(visitor, endpoint, fate, name)
        elif kind == "files":
            self._keep(self._read_again())
        elif kind == "stop":
            self._stopping = True
            for visitor in tuple(self._visitors):
                visitor.close()
        if self._stopping and not self._asking and not self._next:
            self._end()

    def _answer(self, visitor: Visitor, endpoint: Endpoint, fate: int, name: str) -> None:
        if fate == NOT_HERE:
            visitor.give_back()
        elif fate == NOT_STORED:
            visitor.answer(self._intake.not_stored())
        else:
            visitor.answer(self._intake.stored(endpoint, StoredEvent(name, fate != NEW, fate == CONFLICT)))

    async def _read_again(self) -> None:
        files, endpoints = await asyncio.to_thread(self._read)
        self._files, self._intake.endpoints = files, endpoints
        self._values.send(("files", files))

    def _end(self) -> None:
        self._ended.set()
