"""A network of its own for a process, with one cable to ours, which can be pulled. Linux, and for root only."""

from __future__ import annotations

import ctypes
import os
import subprocess
import threading
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")

_NEW_NETWORK = 0x40000000  # CLONE_NEWNET, see setns(2)


class NoNamespace(Exception):
    """This machine gives us no network namespaces."""


class Namespace:
    """Both ends of the cable have addresses that nobody else uses: `here` is ours."""

    def __init__(self, place: int = 0) -> None:
        """`place`: of several that one process has at once, below 8."""
        number = (os.getpid() * 8 + place) % (64 * 256)
        self._name = f"hub-{number}"
        self._cable = f"hub{number}"
        network, host = f"10.203.{number // 64}", number % 64 * 4
        self.here, there = f"{network}.{host + 1}", f"{network}.{host + 2}"
        #: What a command inside begins with.
        self.before = ("ip", "netns", "exec", self._name)
        try:
            _ip("netns", "add", self._name)
            _ip("link", "add", self._cable, "type", "veth", "peer", "name", "cable", "netns", self._name)
            _ip("address", "add", f"{self.here}/30", "dev", self._cable)
            _ip("link", "set", self._cable, "up")
            for change in (
                ("address", "add", f"{there}/30", "dev", "cable"),
                ("link", "set", "cable", "up"),
                ("link", "set", "lo", "up"),
            ):
                _ip("-n", self._name, *change)
        except (OSError, subprocess.CalledProcessError) as error:
            self.close()
            raise NoNamespace(str(error)) from error

    def pull(self) -> None:
        """From now on nothing gets through, and nobody is told."""
        _ip("link", "set", self._cable, "down")

    def plug_in(self) -> None:
        _ip("link", "set", self._cable, "up")

    def thread(self, work: Callable[..., Any], *args: Any) -> threading.Thread:
        """A thread whose sockets are inside, begun."""

        def inside() -> None:
            descriptor = os.open(f"/run/netns/{self._name}", os.O_RDONLY)
            try:
                if ctypes.CDLL(None, use_errno=True).setns(descriptor, _NEW_NETWORK) != 0:
                    raise OSError(ctypes.get_errno(), "setns")
            finally:
                os.close(descriptor)
            work(*args)

        made = threading.Thread(target=inside)
        made.start()
        return made

    def call(self, ask: Callable[[], T]) -> T:
        """What it gives when it is called inside."""
        answers: list[T] = []
        self.thread(lambda: answers.append(ask())).join()
        return answers[0]

    def close(self) -> None:
        # The cable goes with its end.
        subprocess.run(["ip", "netns", "delete", self._name], check=False, capture_output=True)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)
