"""`hub serve` in a process of its own, that can be killed."""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import hub

_STOP_SECONDS = 12


def free_port() -> int:
    """A port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Server:
    """The server of one project. At most one process at a time, which ends with `stop()` or `kill()`."""

    def __init__(self, folder: Path, port: int, secrets: Mapping[str, str]) -> None:
        self.log = folder / "var/server.log"
        self.address = f"http://127.0.0.1:{port}"
        self._folder = folder
        self._port = port
        self._secrets = secrets
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """0 when there is no process."""
        return 0 if self._process is None else self._process.pid

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Begin. It answers when `answers()` says so."""
        # The same code as here, also when it is run from a folder and not installed.
        path = os.pathsep.join(filter(None, [str(Path(hub.__file__).parents[1]), os.environ.get("PYTHONPATH")]))
        environment = {**os.environ, **self._secrets, "PYTHONPATH": path}
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "hub", "--project", str(self._folder), "serve"],
                cwd=self._folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def answers(self) -> bool:
        """Whether it is healthy."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=2)
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == http.client.OK
        except OSError:
            return False
        finally:
            connection.close()

    def console(self) -> str:
        """Where people come in: the one-time address that it has printed, while nobody has used one."""
        found = re.findall(r"http://\S+/console/claim/[\w-]+", self.log.read_text(errors="replace"))
        return found[-1] if found else f"{self.address}/console"

    def kill(self) -> int:
        """SIGKILL: no chance to tidy up. The number of the signal that it died of."""
        assert self._process is not None
        self._process.kill()
        return -self._process.wait()

    def stop(self) -> None:
        """Ask it to end; after a while, insist."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
        except BaseException:  # a second Ctrl-C: still leave nothing behind
            self.kill()
            raise
