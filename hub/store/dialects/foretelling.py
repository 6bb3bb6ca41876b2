"""A word beside a database file that counts the cancels which are about to be committed.

Whoever cancels an execution in a file counts it there before he commits, while he alone may write to the database. Another
process reads the word without asking anybody, right before it begins something: when it has changed, a cancel may have
been committed, and the next write transaction is behind that, or behind its end without one.
"""

from __future__ import annotations

import mmap
import os
from pathlib import Path

_BYTES = 8


class Foretold:
    """Within this process: the database lives in its memory."""

    def __init__(self) -> None:
        self._word: memoryview | list[int] = [0]

    def count(self) -> int:
        """How many cancels have been about to be committed. From any thread; it takes no lock and calls no system."""
        return self._word[0]

    def add(self) -> None:
        """One more. Only inside a write transaction, which is alone."""
        self._word[0] += 1

    def close(self) -> None:
        """Nothing is held."""


class FileForetold(Foretold):
    """In a file beside the database, which every process on this machine maps."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        self._file: mmap.mmap | None = None

    def open(self) -> None:
        """Map the word; from then on `count` knows of other processes."""
        if self._file is not None:
            return
        word = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if os.fstat(word).st_size < _BYTES:
                os.ftruncate(word, _BYTES)
            self._file = mmap.mmap(word, _BYTES)
        finally:
            os.close(word)
        self._word = memoryview(self._file).cast("q")

    def add(self) -> None:
        self.open()
        super().add()

    def close(self) -> None:
        # Not closed by force: a thread may be about to read it.
        self._word, self._file = [self._word[0]], None
