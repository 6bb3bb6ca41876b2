"""Nodes wake each other by LISTEN and NOTIFY.

NOTIFY takes a lock of the whole server at its commit, so the writer does not send it: topics are gathered for a moment and
sent by a connection of their own. What gets lost with that connection is made up for by the loops' slow polls.
"""

from __future__ import annotations

import logging
import os
import select
import threading
from collections.abc import Callable

import psycopg

from hub.store.dialects.base import StoreBusy
from hub.store.dialects.postgres_link import Link

log = logging.getLogger(__name__)

_CHANNEL = "hub"
#: How long topics are gathered after a NOTIFY.
_GATHER_SECONDS = 0.01
#: Between two tries to connect again.
_AGAIN_SECONDS = 0.5
_LONGEST_WAIT_SECONDS = 5.0


class Notices:
    """One thread, one connection: it sends what this process tells, and rings for what others tell."""

    def __init__(self, connect: Callable[[Callable[[], None]], Link], ring: Callable[[str], None]) -> None:
        self._connect = connect
        self._ring = ring
        self._hears = False
        self._listening = False
        self._told: set[str] = set()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closing = False
        self._awake, self._wake = os.pipe()
        os.set_blocking(self._wake, False)

    def hear(self) -> None:
        self._hears = True
        self._begin()
        self._nudge()

    def tell(self, topic: str) -> None:
        with self._lock:
            if topic in self._told or self._closing:
                return
            self._told.add(topic)
        self._begin()
        self._nudge()

    def close(self) -> None:
        """What was told is sent before."""
        with self._lock:
            self._closing = True
        self._nudge()
        if self._thread is not None:
            self._thread.join()
        os.close(self._awake)
        os.close(self._wake)

    def _begin(self) -> None:
        with self._lock:
            if self._thread is None and not self._closing:
                self._thread = threading.Thread(target=self._run, name="hub-notices", daemon=True)
                self._thread.start()

    def _nudge(self) -> None:
        try:
            os.write(self._wake, b"!")
        except OSError:
            return  # it is awake, or has ended

    def _run(self) -> None:
        link: Link | None = None
        while True:
            try:
                if link is None:
                    link, self._listening = self._connect(lambda: None), False
                if self._turn(link):
                    link.close()
                    return
            except (StoreBusy, psycopg.Error) as error:
                log.debug("notices are interrupted: %s", error)
                if link is not None:
                    link.close()
                link = None
                if self._closing:
                    return
                threading.Event().wait(_AGAIN_SECONDS)

    def _turn(self, link: Link) -> bool:
        """Wait, send, ring; whether that was the last one."""
        if self._hears and not self._listening:
            link.simple(f"LISTEN {_CHANNEL}")
            self._listening = True
            self._ring("")  # what was told before is not known
        with self._lock:
            told, self._told, closing = self._told, set(), self._closing
        if told:
            link.simple(f"NOTIFY {_CHANNEL}, '{','.join(sorted(told))}'")
        self._ring_for(link)
        if closing:
            return True
        if told:
            threading.Event().wait(_GATHER_SECONDS)
        else:
            self._sleep(link)
        link.pgconn.consume_input()
        self._ring_for(link)
        return False

    def _sleep(self, link: Link) -> None:
        ready, _, _ = select.select([link.pgconn.socket, self._awake], [], [], _LONGEST_WAIT_SECONDS)
        if self._awake in ready:
            os.read(self._awake, 4096)
        if not ready:
            link.simple("")  # is anybody there?

    def _ring_for(self, link: Link) -> None:
        topics: set[str] = set()
        while (notice := link.pgconn.notifies()) is not None:
            if notice.be_pid != link.backend and self._hears:
                topics.update(notice.extra.decode().split(","))
        for topic in topics:
            self._ring(topic)
