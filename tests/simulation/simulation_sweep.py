"""Many plays, on all cores, told of as they go: so that a sweep of half an hour can be watched, cut short and taken up again."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import NamedTuple, TypeVar

from simulated_store import Database
from simulation_play import database

T = TypeVar("T")

#: Plays between two looks at what came of them.
_CHUNK = 500
#: Enough to see what is wrong.
_MOST = 10


class Fault(NamedTuple):
    play: object
    wrong: list[str]


def sweep(play: Callable[[Database, T], list[str]], plays: Sequence[T]) -> list[Fault]:
    """Play all of them, each in a process that has one database for many, and tell of it on standard error.

    It ends early once ten have gone wrong. `play` and what it is given go to other processes, so it is a function of a module.
    """
    chunks = [plays[first : first + _CHUNK] for first in range(0, len(plays), _CHUNK)]
    begun, done = time.monotonic(), 0
    faults: list[Fault] = []
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for chunk, found in zip(chunks, pool.map(_some, [play] * len(chunks), chunks), strict=True):
            faults += found
            done += len(chunk)
            rate = done / (time.monotonic() - begun)
            _tell(
                f"{done} of {len(plays)}, to {chunk[-1]}: {rate:.0f} a second, {(len(plays) - done) / rate:.0f} s left"
            )
            for fault in found:
                _tell(f"WRONG {fault.play}: {fault.wrong}")
            if len(faults) >= _MOST:
                pool.shutdown(wait=False, cancel_futures=True)
                break
    return faults[:_MOST]


def _some(play: Callable[[Database, T], list[str]], plays: Sequence[T]) -> list[Fault]:
    store = database()
    return [Fault(one, wrong) for one in plays if (wrong := play(store, one))]


def _tell(line: str) -> None:
    sys.stderr.write(line + "\n")
