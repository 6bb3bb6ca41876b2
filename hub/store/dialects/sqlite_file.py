"""What surrounds a SQLite file: the disk under it, and other processes that write to it."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

from hub.store.dialects.foretelling import FileForetold, Foretold

log = logging.getLogger(__name__)

#: How soon another process's writes are noticed.
_LOOK_SECONDS = 0.05
#: File systems over a network, on which SQLite's locks cannot be relied on (https://sqlite.org/faq.html#q5).
_NETWORKS = frozenset(
    [
        "nfs",
        "nfs4",
        "cifs",
        "smb",
        "smb2",
        "smb3",
        "smbfs",
        "afs",
        "ncpfs",
        "9p",
        "ceph",
        "glusterfs",
        "fuse.sshfs",
        "fuse.glusterfs",
        "lustre",
    ]
)


class FileWatch:
    """Rings when the file was written by another process. There is nothing to tell: the others look as well."""

    def __init__(self, path: Path | None, ring: Callable[[str], None], foretold: Foretold) -> None:
        self._path = path
        self._foretold = foretold
        self._ring = ring
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def hear(self) -> None:
        if self._path is not None and self._thread is None:
            assert isinstance(self._foretold, FileForetold)
            self._foretold.open()
            self._thread = threading.Thread(target=self._look, args=(self._path,), name="hub-watch", daemon=True)
            self._thread.start()

    def tell(self, topic: str) -> None:
        """The file's own counter says it."""

    def close(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _look(self, path: Path) -> None:
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        try:
            seen = None
            while not self._stop.wait(_LOOK_SECONDS):
                try:
                    found = connection.execute("PRAGMA data_version").fetchone()[0], self._foretold.count()
                except sqlite3.Error as error:
                    log.debug("%s could not be looked at: %s", path, error)
                    continue
                if found != seen:
                    seen = found
                    self._ring("")
        finally:
            connection.close()


def network_dangers(path: Path, mounts: Path = Path("/proc/self/mounts")) -> list[str]:
    """A sentence when the file lies on a network file system. Where mounts cannot be read, nothing is known."""
    try:
        lines = mounts.read_text().splitlines()
    except OSError:
        return []
    home, found = path.resolve(), ("", "")
    for line in lines:
        fields = line.split()
        place = Path(fields[1].replace("\\040", " "))
        if home.is_relative_to(place) and len(str(place)) >= len(found[0]):
            found = str(place), fields[2]
    if found[1] not in _NETWORKS:
        return []
    said = (
        f"{path} is on a network file system ({found[1]} at {found[0]}), where SQLite's locks do not hold: "
        "put it on a local disk, or use PostgreSQL."
    )
    return [said]
