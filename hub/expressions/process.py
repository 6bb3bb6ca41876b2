"""The child process as the hub holds it: started, spoken to through two pipes, killed and reaped."""

from __future__ import annotations

import importlib.util
import os
import select
import subprocess
import sys
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from hub.expressions import wire
from hub.model.errors import HubError

_READY = b"=ready"
#: A machine under load may take seconds to start a process; one that takes longer has another trouble.
START_SECONDS = 20.0
_READ = 1 << 18


@dataclass(frozen=True, slots=True)
class Limits:
    """What one evaluation may use."""

    #: Seconds on the wall.
    deadline: float = 1.0
    #: The engine's heap.
    memory_mb: int = 64


#: The program of a child, for its limits.
Command = Callable[[Limits], list[str]]


def javascript(limits: Limits) -> list[str]:
    """The program that evaluates expressions."""
    script = str(Path(__file__).resolve().with_name("child.py"))
    # Below the deadline, so that an endless loop in JavaScript mostly ends without a new process.
    cpu_seconds = limits.deadline * 0.9
    return [sys.executable, "-I", "-S", script, _engine_folder(), str(limits.memory_mb << 20), str(cpu_seconds)]


class CannotEvaluate(HubError):
    """The child does not start. Nothing was evaluated, and the fault is not in the expressions."""

    retryable = True

    def __init__(self, why: str) -> None:
        super().__init__(
            f"the JavaScript evaluator does not start: {why}. Check that {sys.executable} can be run and that the package "
            "quickjs-ng is installed beside the hub (and not the package quickjs)."
        )


class Child:
    """One process. Its descriptors do not block. It is gone when this object is, or at the end of the hub's process."""

    def __init__(self, limits: Limits, command: Command = javascript) -> None:
        """Starts the process and does not wait for it. Raises CannotEvaluate."""
        program = command(limits)
        inside_in, self.writing = os.pipe()
        self.reading, inside_out = os.pipe()
        #: Whether it has started and waits for requests, or for the reading of its first words.
        self.ready = False
        self._buffer = bytearray()
        try:
            process = subprocess.Popen(
                program,
                stdin=inside_in,
                stdout=inside_out,
                stderr=subprocess.DEVNULL,
                env={"TZ": "UTC"},
                cwd="/",
                # Ctrl-C is for the hub, which then ends its children in order.
                start_new_session=True,
            )
        except OSError as error:
            os.close(self.reading)
            os.close(self.writing)
            raise CannotEvaluate(error.strerror or type(error).__name__) from error
        finally:
            os.close(inside_in)
            os.close(inside_out)
        os.set_blocking(self.reading, False)
        os.set_blocking(self.writing, False)
        self.pid = process.pid
        self._end = weakref.finalize(self, _end, process, self.reading, self.writing)

    @property
    def alive(self) -> bool:
        """Whether it was not killed yet. One that ended by itself is alive until its end of output is read."""
        return self._end.alive

    def kill(self) -> None:
        self._end()

    def cpu_seconds(self) -> float:
        """The processor time that it has used; infinite where the platform does not tell, so that waiting ends."""
        try:
            # Linux: the clock of another process is its number's complement, see clock_getcpuclockid(3).
            return time.clock_gettime((~self.pid << 3) | 2)
        except OSError:
            return float("inf")

    def read(self) -> bool:
        """Takes in what has come, without waiting. False at the end of its output."""
        with suppress(BlockingIOError):
            data = os.read(self.reading, _READ)
            self._buffer += data
            return bool(data)
        return True

    def answers(self) -> Iterator[bytes]:
        """Every answer that was read and not yet handed out."""
        for answer in wire.answers(self._buffer):
            if self.ready:
                yield answer
            else:
                self.ready = answer == _READY

    def write(self, data: memoryview) -> int:
        """How many bytes were taken; all of them when nobody reads any more, which the end of output tells."""
        try:
            return os.write(self.writing, data)
        except BlockingIOError:
            return 0
        except BrokenPipeError:
            return len(data)

    def ask(self, request: bytes, seconds: float) -> bytes:
        """One answer, waited for without a loop.

        Raises TimeoutError when it does not come, EOFError when the process ends, CannotEvaluate when it never began;
        each time it is killed.
        """
        left = memoryview(request)
        until = time.monotonic() + (seconds if self.ready else START_SECONDS)
        while True:
            waiting = max(0.0, until - time.monotonic())
            readable, writable, _ = select.select([self.reading], [self.writing] if left else [], [], waiting)
            going_on = bool(readable or writable)
            if writable:
                left = left[self.write(left) :]
            if readable:
                was_ready = self.ready
                going_on = self.read()
                if (answer := next(self.answers(), None)) is not None:
                    return answer
                if self.ready and not was_ready:
                    until = time.monotonic() + seconds
            if not going_on:
                self.kill()
                if not self.ready:
                    raise CannotEvaluate("its process ended at once, or gave no sign of life")
                raise EOFError if readable else TimeoutError


def _end(process: subprocess.Popen[bytes], reading: int, writing: int) -> None:
    """SIGKILL cannot be held off by a process without open files, so the wait is short."""
    process.kill()
    process.wait()
    os.close(reading)
    os.close(writing)


@cache
def _engine_folder() -> str:
    found = importlib.util.find_spec("_quickjs")
    if found is None or found.origin is None:
        raise CannotEvaluate("its engine is missing")
    return str(Path(found.origin).parent)
