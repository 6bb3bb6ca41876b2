"""The side door's process: forked while there is one thread and no loop, and told by its parent what to do."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import logging
import os
import signal
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from hub.api.doorkeeper import Doorkeeper
from hub.api.server import new_loop
from hub.api.side_door import SideDoor
from hub.assembly.files import read_files
from hub.assembly.parts import Parts
from hub.declare.config import CONFIG_FILE
from hub.declare.secrets import SECRETS_FILE
from hub.engine.discover import Discovered
from hub.engine.registry import Registry
from hub.model.clock import SharedClock, SystemClock
from hub.model.event import NewEvent, StoredEvent
from hub.store.events import arrival, sent
from hub.triggers.webhook.endpoint import Endpoint
from hub.triggers.webhook.intake import Intake, Settings


@dataclass(frozen=True, slots=True)
class OpenedDoor:
    """The main process' ends."""

    pid: int
    values: socket.socket
    passage: socket.socket


def open_side_door(root: Path) -> OpenedDoor | None:
    """Fork; a project's files are read when a flood comes. None: a second process would only be in the way."""
    if len(os.sched_getaffinity(0)) < 2:  # noqa: PLR2004 - one for each
        return None
    ours, theirs = socket.socketpair()
    our_passage, their_passage = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    pid = os.fork()
    if pid:
        theirs.close()
        their_passage.close()
        return OpenedDoor(pid, ours, our_passage)
    code = 1
    try:
        ours.close()
        our_passage.close()
        _be_the_door(root, theirs, their_passage)
        code = 0
    finally:
        os._exit(code)


async def keep_side_door(
    door: OpenedDoor, parts: Parts, intake: Intake, adopt: Callable[[socket.socket, bytes], None]
) -> Doorkeeper:
    """Let it take part. `adopt` serves the connections that it gives back."""
    hand_in = partial(parts.store.hand_in_rows, timeout=Settings().store_timeout)
    keeper = Doorkeeper(intake, hand_in, parts.clock, state_of(parts.files.root))
    await keeper.start(door.values, door.passage, adopt)
    return keeper


async def end_side_door(door: OpenedDoor, keeper: Doorkeeper | None) -> None:
    """Let it give its last answers, and wait for its end. It ends by itself when its parent does."""
    if keeper is None:
        door.values.close()
        door.passage.close()
    elif not await keeper.stop():
        os.kill(door.pid, signal.SIGKILL)
    await asyncio.to_thread(os.waitpid, door.pid, 0)


def state_of(root: Path) -> str:
    """One word for the files that endpoints are made of, as they are now: it is another one when any of them has changed."""
    seen = hashlib.sha256()
    for path in (root / CONFIG_FILE, root / SECRETS_FILE, *sorted(root.glob("executors/*.y*ml"))):
        try:
            status = path.stat()
        except OSError:
            continue
        seen.update(f"{path} {status.st_mtime_ns} {status.st_ino} {status.st_size}\n".encode())
    return seen.hexdigest()


def _be_the_door(root: Path, values: socket.socket, passage: socket.socket) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        # Asked to stop are all processes of a terminal; this one stops behind its parent.
        signal.signal(number, signal.SIG_IGN)
    # What is worth saying, the main door says as it takes a request over.
    logging.disable()
    gc.freeze()
    gc.set_threshold(20_000, 5, 5)
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(_serve(root, values, passage))


async def _serve(root: Path, values: socket.socket, passage: socket.socket) -> None:
    clock = SharedClock(SystemClock())
    # An event's time is when its request was checked, which is now.
    door = SideDoor(
        Intake(_NoStore(), clock), clock, lambda event: sent(arrival(event, event.time)), lambda: _read(root)
    )
    await door.serve(values, passage)


def _read(root: Path) -> tuple[str, Mapping[str, Endpoint]]:
    """The endpoints without what is decided in one place: how many may come, and from where."""
    before = state_of(root)
    # The code of jobs is of no interest here, and is not imported.
    files = read_files(root, discovered=Discovered(Registry(()), ()))
    endpoints = {
        name: replace(endpoint, rate=None) for name, endpoint in files.endpoints.items() if not endpoint.networks
    }
    return (before if before == state_of(root) else ""), endpoints


class _NoStore:
    """Nothing is stored here."""

    async def store_event(self, event: NewEvent, *, timeout: float) -> StoredEvent:  # noqa: ASYNC109 - as the intake has it
        raise NotImplementedError
