"""Faults that a forked hub is started with: bugs that the tests have to find, crashes at named points, and a clock ahead."""

from __future__ import annotations

import asyncio
import functools
import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any


def plant(asked: dict[str, Any]) -> None:
    """`{"acknowledge_early": true}` and so on: each name is a function here, called with its value."""
    for name, value in asked.items():
        PLANTS[name](value)


def crash_at(point: Sequence[Any]) -> None:
    """Die by SIGKILL at [moment, verb, n, since]: "before" or "after" the n-th commit with this verb since one with `since`.

    `since` is counted, too; an empty one is the start.
    """
    moment, verb, nth, since = point
    begun, seen = since == "", 0

    def probe(now: str, verbs: Sequence[str]) -> None:
        nonlocal begun, seen
        begun = begun or since in verbs
        if begun and now == moment and verb in verbs:
            seen += 1
            if seen == nth:
                os.kill(os.getpid(), signal.SIGKILL)

    _use_probe(probe)


def note_commits(path: str) -> None:
    """Write each commit's verbs, a line each, into a file."""

    def probe(now: str, verbs: Sequence[str]) -> None:
        if now == "after":
            with Path(path).open("a", encoding="ascii") as file:
                file.write(" ".join(verbs) + "\n")

    _use_probe(probe)


def _use_probe(probe: Callable[[str, Sequence[str]], None]) -> None:
    from hub.assembly import parts

    parts.open_parts = functools.partial(parts.open_parts, probe=probe)


def ahead(milliseconds: int) -> None:
    """The wall clock is so much ahead, for the hub and for the library that calls its schedules' check."""
    import apscheduler.executors.base
    import apscheduler.schedulers.base
    import apscheduler.triggers.interval

    from hub.model.clock import SystemClock

    class Ahead(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]  # what it calls is a plain one
            return datetime.now(tz) + timedelta(milliseconds=milliseconds)  # noqa: TID251 - the clock itself

    SystemClock.now = lambda _self: time.time_ns() // 1_000_000 + milliseconds  # type: ignore[method-assign]  # a clock that is wrong on purpose
    for module in (apscheduler.executors.base, apscheduler.schedulers.base, apscheduler.triggers.interval):
        module.datetime = Ahead  # type: ignore[attr-defined]  # likewise


def seat_looks(count: int) -> None:
    """A command that waits takes the place of a server when it was gone so many times in a row."""
    import hub.assembly.parts

    hub.assembly.parts._SEAT_LOOKS = count


def store_patience(seconds: float) -> None:
    """A start waits for a locked store no longer than this."""
    import hub.assembly.serving

    hub.assembly.serving._STORE_PATIENCE = seconds


def grace(seconds: float) -> None:
    """A stop waits so long for what runs."""
    import hub.assembly.serving

    hub.assembly.serving._GRACE = seconds


def suspects_alone_for(milliseconds: int) -> None:
    """What may have taken its worker down is tried by itself for no longer than this."""
    import hub.engine.runner
    import hub.store.suspects

    hub.engine.runner.ALONE = hub.store.suspects.ALONE = milliseconds


def storage_fails_at(nth: int) -> None:
    """The n-th commit that holds an event cannot be flushed."""
    from hub.store.committing import Committer
    from hub.store.dialects.base import StoreBroken

    commit = Committer.commit
    seen = 0

    def failing(self: Committer, batch: Any) -> None:
        nonlocal seen
        seen += any(operation.verb.name == "store_event" for operation in batch)
        if seen == nth:
            self.connection.rollback()
            raise StoreBroken("disk I/O error")
        commit(self, batch)

    Committer.commit = failing  # type: ignore[method-assign]  # the planted fault


def acknowledge_early(seconds: float) -> None:
    """The bug: a webhook is answered so long before its event is durable."""
    from hub.model.event import StoredEvent
    from hub.store.thread_writer import ThreadWriter

    submit, hand_in = ThreadWriter.submit, ThreadWriter.hand_in

    def written_later(self: ThreadWriter, verb: Any, item: Any, timeout: float) -> Any:
        asyncio.get_running_loop().call_later(
            seconds, lambda: submit(self, verb, item, timeout=timeout).add_done_callback(lambda f: f.exception())
        )
        if verb.name == "store_events":
            return [StoredEvent(one.id, duplicate=False) for one in item]
        return StoredEvent(item.id, duplicate=False)

    def early(self: ThreadWriter, verb: Any, item: Any, *, timeout: float | None = None) -> asyncio.Future[Any]:
        if verb.name != "store_event" or timeout is None:  # rows come without one
            return submit(self, verb, item, timeout=timeout)
        answered: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        answered.set_result(written_later(self, verb, item, timeout))
        return answered

    def early_too(
        self: ThreadWriter, verb: Any, item: Any, done: Callable[[Any], None], *, timeout: float | None = None
    ) -> None:
        if verb.name not in ("store_event", "store_events") or timeout is None:
            hand_in(self, verb, item, done, timeout=timeout)
        else:
            asyncio.get_running_loop().call_soon(done, written_later(self, verb, item, timeout))

    ThreadWriter.hand_in = early_too  # type: ignore[method-assign]  # the planted bug
    ThreadWriter.submit = early  # type: ignore[method-assign]  # the planted bug


def checkpoint_unawaited(_: bool) -> None:
    """The bug: a job's caller goes on before the job's result is durable."""
    from hub.store.checkpoints import CHECKPOINT, MARK, CallWrite
    from hub.store.store import Store

    async def checkpoint(self: Store, write: CallWrite) -> None:
        self._writer.forget(MARK, (write.execution_id, write.checkpoint.path))
        loop = asyncio.get_running_loop()
        loop.call_later(0.05, lambda: self._writer.submit(CHECKPOINT, write).add_done_callback(lambda f: f.exception()))

    Store.checkpoint = checkpoint  # type: ignore[method-assign]  # the planted bug


def outbox_deleted_first(_: bool) -> None:
    """The bug: a row's change is deleted from its outbox before the hub has it."""
    from hub.triggers.record_events.drain import Drain

    async def hand_over(self: Drain, rows: Sequence[Any]) -> None:
        await self._watched.delete(rows)
        await asyncio.sleep(0.06)
        await self._store(rows)
        self._stored = []

    Drain._hand_over = hand_over  # type: ignore[method-assign]  # the planted bug


def deduplicate_nothing(_: bool) -> None:
    """The bug: a repeated delivery is another event."""
    from hub.triggers.webhook.endpoint import Endpoint

    Endpoint.key = lambda _self, _request, _value: None  # type: ignore[method-assign]  # the planted bug


def flood_at_once(_: bool) -> None:
    """Not a fault: every webhook is taken for a part of a flood, and one processor is enough for the side door."""
    from hub.api.doorkeeper import Doorkeeper, Flood

    os.sched_getaffinity = lambda _pid: {0, 1}
    Doorkeeper.__init__.__defaults__ = (Flood(row=1, seconds=60.0),)


def epoch_goes_back(_: bool) -> None:
    """The bug: whoever claims an execution after the first one does so under a lower epoch."""
    import hub.store.claims as verbs
    from hub.store.dialects.base import Tx

    lease = verbs._lease

    def back(tx: Tx, *how: Any) -> list[Any]:
        claimed = [replace(one, epoch=2 if one.epoch == 1 else 1) for one in lease(tx, *how)]
        for one in claimed:
            tx.run("UPDATE executions SET epoch = ? WHERE id = ?", (one.epoch, one.id))
        return claimed

    verbs._lease = back


def keys_overtake(_: bool) -> None:
    """The bug: what was begun and lost its worker queues up again behind the others of its key."""
    from hub.store import keys

    keys._BEGUN_OF = replace(keys._BEGUN_OF, body=keys._BEGUN_OF.body.replace("e.epoch > 0", "e.epoch < 0"))
    keys._SINK = replace(keys._SINK, body=keys._SINK.body.replace("CASE executions.epoch WHEN 0", "CASE 0 WHEN 0"))
    held = "(e.due_at IS NULL OR e.due_at > {})"
    keys._RUNNING_OF = replace(
        keys._RUNNING_OF, body=keys._RUNNING_OF.body.replace(held.format("v.now"), "e.due_at IS NULL")
    )
    keys._NOTED_WITH_ROOM = keys._NOTED_WITH_ROOM.replace(held.format("?"), "(e.due_at IS NULL OR ? < 0)")


PLANTS: dict[str, Callable[[Any], None]] = {
    function.__name__: function
    for function in (
        acknowledge_early,
        ahead,
        checkpoint_unawaited,
        crash_at,
        deduplicate_nothing,
        epoch_goes_back,
        flood_at_once,
        grace,
        keys_overtake,
        note_commits,
        outbox_deleted_first,
        seat_looks,
        storage_fails_at,
        store_patience,
        suspects_alone_for,
    )
}
