"""Between a hub and its PostgreSQL: passes everything on, or does what networks do."""

from __future__ import annotations

import contextlib
import socket
import struct
import tempfile
import threading
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit


class Proxy:
    """Listens on a socket of its own. What is done with a connection may change at any moment.

    - `refuse`: nobody new gets in.
    - `swallow`: everything is taken, and nothing is passed on.
    - `cut_replies`: how many commits reach the server while their answers do not come back; each ends its connection.
    - `delay`: seconds by which everything is late.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        (folder,) = parse_qs(parts.query)["host"]
        self._server = f"{folder}/.s.PGSQL.5432"
        self._folder = tempfile.TemporaryDirectory(prefix="hub-proxy-")
        self.url = f"postgresql://hub@{parts.path}?host={self._folder.name}"
        self.refuse = False
        self.swallow = False
        self.cut_replies = 0
        #: What is in a request that commits.
        self.commits = b"COMMIT"
        self.delay = 0.0
        #: Commits whose answer was cut.
        self.cut = 0
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._lock = threading.Lock()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(f"{self._folder.name}/.s.PGSQL.5432")
        self._listener.listen(100)
        threading.Thread(target=self._accept, daemon=True).start()

    def reset(self) -> None:
        """End all connections, as a firewall that forgets them."""
        with self._lock:
            pairs, self._pairs = self._pairs, []
        for pair in pairs:
            for one in pair:
                _end(one)

    def close(self) -> None:
        self._listener.close()
        Path(f"{self._folder.name}/.s.PGSQL.5432").unlink(missing_ok=True)
        self.reset()
        self._folder.cleanup()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self.refuse:
                _end(client)
                continue
            server = socket.socket(socket.AF_UNIX)
            try:
                server.connect(self._server)
            except OSError:
                _end(client)
                continue
            with self._lock:
                self._pairs.append((client, server))
            cutting = threading.Event()
            for source, target, asks in ((client, server, True), (server, client, False)):
                threading.Thread(target=self._pump, args=(source, target, asks, cutting), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket, asks: bool, cutting: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if self.swallow:
                    continue
                if self.delay:
                    time.sleep(self.delay)
                if asks and self.commits in data and self._takes_one():
                    cutting.set()
                if not asks and cutting.is_set():
                    break
                target.sendall(data)
        _end(source)
        _end(target)

    def _takes_one(self) -> bool:
        with self._lock:
            if not self.cut_replies:
                return False
            self.cut_replies -= 1
            self.cut += 1
            return True


def _end(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()
