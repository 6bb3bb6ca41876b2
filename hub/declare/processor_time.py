"""A limit on the processor's time of one call, for work whose length somebody else decides.

A regular expression can take for ever on a short text. Python's looks for signals while it searches, and nothing else ends it.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import TypeVar

T = TypeVar("T")

#: Seconds until it is said again: the first time may fall into a callback whose exceptions are dropped, such as the collector's.
_AGAIN = 0.1


class TooLong(Exception):
    """The time is over."""


class _Limit:
    #: Whether there is one now. A signal that was on its way when the work was done means nothing.
    holds = False


def within(seconds: float, work: Callable[[], T]) -> T:
    """What `work` gives. Raises TooLong inside of it once the process has computed for so long, all of its threads together.

    Signals come to the main thread alone: in another one there is no limit.
    """
    if threading.current_thread() is not threading.main_thread():
        return work()
    signal.signal(signal.SIGVTALRM, _over)
    try:
        try:
            _Limit.holds = True
            signal.setitimer(signal.ITIMER_VIRTUAL, seconds, _AGAIN)
            return work()
        finally:
            _end()
    finally:
        _end()  # the first time, the signal itself may have come in between


def _end() -> None:
    _Limit.holds = False
    signal.setitimer(signal.ITIMER_VIRTUAL, 0)


def _over(_signal: int, _frame: FrameType | None) -> None:
    if _Limit.holds:
        raise TooLong
