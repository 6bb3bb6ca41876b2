"""The queue in front of one child process. Requests are pipelined and answered in order, so the first that is open is the one that hangs."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from hub.expressions.process import START_SECONDS, CannotEvaluate, Child, Command, Limits, javascript

#: Answers of the hub itself about a request that its child could not answer.
TOO_SLOW = b"!slow"
CRASHED = b"!crashed"

#: A request is sent to a fresh child once more when its child ended: the end may have had nothing to do with it.
_MOST_CRASHES = 2
#: A child that got less of the processor than this share of the deadline is starved, not stuck, and is given longer.
_STARVED = 0.25
_MOST_PATIENCE = 5.0
#: After so many answers an idle child is replaced, so that no leak can ever grow into a limit.
_MOST_ANSWERS = 50_000


@dataclass(slots=True, eq=False)
class _Call:
    """One caller with its batch."""

    future: asyncio.Future[None]
    answers: list[bytes]
    left: int


@dataclass(slots=True, eq=False)
class _QueuedRequest:
    call: _Call
    index: int
    frame: bytes
    crashes: int = field(default=0)


class Lane:
    """Serves one event loop at a time; while nothing is under way it belongs to none."""

    def __init__(self, limits: Limits, command: Command = javascript) -> None:
        self._limits = limits
        self._command = command
        self._child: Child | None = None
        self._answered = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: deque[_QueuedRequest] = deque()
        self._sent: deque[_QueuedRequest] = deque()
        self._outgoing = memoryview(b"")
        self._timer: asyncio.TimerHandle | None = None
        #: When the first unanswered request began, and the child's processor time then.
        self._since = 0.0
        self._used = 0.0

    def start(self) -> None:
        """Start the child ahead of need. Raises CannotEvaluate."""
        if self._child is None:
            self._child, self._answered = Child(self._limits, self._command), 0

    def stop(self) -> None:
        """End the child; whoever still waits is cancelled."""
        self._drop_child()
        abandoned = [*self._sent, *self._waiting]
        self._sent.clear()
        self._waiting.clear()
        for ticket in abandoned:
            if not ticket.call.future.done() and not ticket.call.future.get_loop().is_closed():
                ticket.call.future.cancel()
        self._loop = None

    async def ask(self, frames: Sequence[bytes]) -> list[bytes]:
        """An answer for each request, in order. Raises CannotEvaluate."""
        loop = asyncio.get_running_loop()
        if self._loop not in (None, loop):
            # The other loop was closed in the middle of its work.
            self.stop()
        self._loop = loop
        call = _Call(loop.create_future(), [b""] * len(frames), len(frames))
        self._waiting.extend(_QueuedRequest(call, index, frame) for index, frame in enumerate(frames))
        self._send()
        await call.future
        return call.answers

    def _send(self) -> None:
        """Start what is needed, and write what is waiting as far as the pipe takes it."""
        assert self._loop is not None
        try:
            self.start()
        except CannotEvaluate as error:
            self._fail_all(error)
            return
        child = self._child
        assert child is not None
        if self._timer is None:
            self._loop.add_reader(child.reading, self._receive)
            self._restart_deadline()
            self._set_timer(self._deadline())
        if self._waiting:
            self._outgoing = memoryview(b"".join([self._outgoing, *(ticket.frame for ticket in self._waiting)]))
            self._sent.extend(self._waiting)
            self._waiting.clear()
        self._write()

    def _write(self) -> None:
        assert self._loop is not None
        assert self._child is not None
        self._outgoing = self._outgoing[self._child.write(self._outgoing) :]
        if self._outgoing:
            self._loop.add_writer(self._child.writing, self._write)
        else:
            self._loop.remove_writer(self._child.writing)

    def _receive(self) -> None:
        child = self._child
        assert child is not None
        going_on = child.read()
        before = len(self._sent), child.ready
        try:
            for answer in child.answers():
                self._deliver(answer)
        except (ValueError, IndexError):
            # Words that nobody asked for: whatever speaks there is not the child any more.
            going_on = False
        if (len(self._sent), child.ready) != before:
            self._restart_deadline()
        if child.ready and not before[1]:
            self._set_timer(self._deadline())
        if not going_on:
            self._child_ended()
        elif not self._sent:
            self._become_idle()

    def _deliver(self, answer: bytes) -> None:
        ticket = self._sent.popleft()
        self._answered += 1
        call = ticket.call
        call.answers[ticket.index] = answer
        call.left -= 1
        if call.left == 0 and not call.future.done():
            call.future.set_result(None)

    def _restart_deadline(self) -> None:
        assert self._loop is not None
        assert self._child is not None
        self._since = self._loop.time()
        self._used = self._child.cpu_seconds()

    def _deadline(self) -> float:
        ready = self._child is not None and self._child.ready
        return self._since + (self._limits.deadline if ready else START_SECONDS)

    def _check_time(self) -> None:
        """The one timer of a busy child. It looks for answers first: this process may have been the slow one."""
        assert self._loop is not None
        fired = self._timer
        self._receive()
        if self._timer is not fired:
            return
        now, due = self._loop.time(), self._deadline()
        if now >= due and not self._starved(now):
            self._child_ended(hung=True)
        else:
            self._set_timer(max(due, now + _STARVED * self._limits.deadline))

    def _set_timer(self, at: float) -> None:
        assert self._loop is not None
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(at, self._check_time)

    def _starved(self, now: float) -> bool:
        assert self._child is not None
        deadline = self._limits.deadline
        return (
            self._child.ready
            and self._child.cpu_seconds() - self._used < _STARVED * deadline
            and now - self._since < _MOST_PATIENCE * deadline
        )

    def _child_ended(self, *, hung: bool = False) -> None:
        """The child is over. What it left unanswered goes to the next one, without the request that ended it."""
        began = self._child is not None and self._child.ready
        self._drop_child()
        if not began:
            self._fail_all(CannotEvaluate("its process ended at once, or gave no sign of life"))
            return
        if self._sent:
            first = self._sent[0]
            first.crashes += 1
            if hung or first.crashes >= _MOST_CRASHES:
                self._deliver(TOO_SLOW if hung else CRASHED)
        self._waiting.extendleft(reversed(self._sent))
        self._sent.clear()
        if self._waiting:
            self._send()
        else:
            self._loop = None

    def _fail_all(self, error: CannotEvaluate) -> None:
        failed = {id(ticket.call): ticket.call for ticket in (*self._sent, *self._waiting)}
        self._sent.clear()
        self._waiting.clear()
        self._loop = None
        for call in failed.values():
            if not call.future.done():
                call.future.set_exception(error)

    def _become_idle(self) -> None:
        """Nothing is under way: detach from the loop, and replace a child that has answered enough."""
        self._detach_from_loop()
        self._loop = None
        if self._answered >= _MOST_ANSWERS:
            self._drop_child()

    def _detach_from_loop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._loop is not None and self._child is not None and not self._loop.is_closed():
            self._loop.remove_reader(self._child.reading)
            self._loop.remove_writer(self._child.writing)

    def _drop_child(self) -> None:
        self._detach_from_loop()
        self._outgoing = memoryview(b"")
        if self._child is not None:
            self._child.kill()
            self._child = None
