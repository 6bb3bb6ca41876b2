"""How many pages are kept up to date: a browser that opens thousands is told to wait."""

from __future__ import annotations

#: Streams that one person may have open.
_MOST = 20


class Streams:
    """How many streams each person has open."""

    def __init__(self) -> None:
        self._open: dict[str, int] = {}

    def enter(self, name: str) -> bool:
        if self._open.get(name, 0) >= _MOST:
            return False
        self._open[name] = self._open.get(name, 0) + 1
        return True

    def leave(self, name: str) -> None:
        left = self._open[name] - 1
        if left:
            self._open[name] = left
        else:
            del self._open[name]
