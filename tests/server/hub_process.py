"""Real hubs for tests: projects in a folder, servers and commands as processes of their own, all ended by their id."""

from __future__ import annotations

import itertools
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import httpx

ROOT = Path(__file__).parents[2]
_SERVING = re.compile(r"serving \S+ at (http://[^\s\"]+)")
#: What has not come about after so many seconds never does, also on a slow machine with much else to do.
_PATIENCE = 60.0
T = TypeVar("T")


class Zygote:
    """Forks hubs on demand (`zygote_main.py`)."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("zygote_main.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        self._numbers = itertools.count(1)
        self._changed = threading.Condition()
        self._pids: dict[int, int] = {}
        self._codes: dict[int, int] = {}
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def run(
        self, argv: list[str], cwd: Path, env: Mapping[str, str], out: Path, err: Path, plant: Mapping[str, Any]
    ) -> Process:
        number = next(self._numbers)
        self._ask(run=number, argv=argv, cwd=str(cwd), env=dict(env), out=str(out), err=str(err), plant=dict(plant))
        with self._changed:
            assert self._changed.wait_for(lambda: number in self._pids, _PATIENCE), "the zygote does not fork"
        return Process(self, number, self._pids[number])

    def signal(self, number: int, which: int) -> None:
        self._ask(signal=number, number=which)

    def code(self, number: int, seconds: float | None) -> int | None:
        """How the fork ended, waiting at most so long."""
        with self._changed:
            self._changed.wait_for(lambda: number in self._codes, seconds)
            return self._codes.get(number)

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(_PATIENCE)
        self._listener.join(_PATIENCE)
        self._process.stdout.close()

    def _ask(self, **message: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(message).encode() + b"\n")
        self._process.stdin.flush()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            message = json.loads(line)
            with self._changed:
                if "pid" in message:
                    self._pids[message["run"]] = message["pid"]
                if "ended" in message:
                    self._codes[message["ended"]] = message["code"]
                self._changed.notify_all()


class Process:
    """A forked hub."""

    def __init__(self, zygote: Zygote, number: int, pid: int) -> None:
        self._zygote = zygote
        self._number = number
        self.pid = pid

    def send(self, which: int) -> None:
        self._zygote.signal(self._number, which)

    def poll(self) -> int | None:
        return self._zygote.code(self._number, 0)

    def wait(self, seconds: float = _PATIENCE) -> int:
        """The exit status; minus the signal's number when one ended it."""
        code = self._zygote.code(self._number, seconds)
        if code is None:
            self.send(signal.SIGKILL)
            raise AssertionError(f"process {self.pid} has not ended after {seconds} s")
        return code


class Spawned:
    """A hub as people start it, imports and all: the same face as `Process`."""

    def __init__(self, popen: subprocess.Popen[bytes]) -> None:
        self._popen = popen
        self.pid = popen.pid

    def send(self, which: int) -> None:
        self._popen.send_signal(which)

    def poll(self) -> int | None:
        return self._popen.poll()

    def wait(self, seconds: float = _PATIENCE) -> int:
        try:
            return self._popen.wait(seconds)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()
            raise AssertionError(f"process {self.pid} has not ended after {seconds} s") from None


class Ran(NamedTuple):
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        assert self.code in (0, 1), self
        return json.loads(self.out)


class Hub:
    """A `hub serve` under way."""

    def __init__(self, project: Project, process: Process | Spawned, err: Path) -> None:
        self.project = project
        self.process = process
        self._err = err
        self.url = ""

    @property
    def log(self) -> str:
        """What it has written on standard error."""
        return self._err.read_text(errors="replace") if self._err.exists() else ""

    @property
    def out(self) -> str:
        """What it has printed."""
        printed = self._err.with_suffix(".out")
        return printed.read_text(errors="replace") if printed.exists() else ""

    def messages(self) -> list[str]:
        """Its log lines, without those of other makes."""
        return [json.loads(line)["message"] for line in self.log.splitlines() if line.startswith("{")]

    def wait_ready(self, seconds: float = _PATIENCE) -> None:
        """Until it answers that it is ready. Raises AssertionError with its log when it ended instead."""
        end = time.monotonic() + seconds
        while not self.listening():
            assert self.process.poll() is None, f"hub serve ended with {self.process.poll()}: {self.log}"
            assert time.monotonic() < end, f"hub serve does not listen after {seconds} s: {self.log}"
            time.sleep(0.003)
        while (answer := httpx.get(f"{self.url}/readyz", timeout=_PATIENCE)).status_code != 200:
            assert time.monotonic() < end, f"not ready after {seconds} s: {answer.text} {self.log}"
            time.sleep(0.02)

    def listening(self) -> bool:
        """Whether it has said where; then `url` is set."""
        found = _SERVING.search(self.log)
        if found is not None:
            self.url = found[1]
        return found is not None

    def kill(self) -> None:
        """kill -9."""
        self.process.send(signal.SIGKILL)
        self.process.wait()

    def stop(self, seconds: float = _PATIENCE) -> int:
        """SIGTERM; the exit status."""
        self.process.send(signal.SIGTERM)
        return self.process.wait(seconds)

    def post(self, path: str, **how: Any) -> httpx.Response:
        return httpx.post(self.url + path, timeout=_PATIENCE, **how)


class Project:
    """A folder with config, executors and workflows."""

    def __init__(self, folder: Path, zygote: Zygote, env: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self.env = dict(env or {})
        self._zygote = zygote
        self._outputs = itertools.count()
        for name in ("config", "executors", "workflows", "var", "output"):
            (folder / name).mkdir(exist_ok=True)

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text, encoding="utf-8")

    def sqlite(self, name: str, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """One statement, committed, in a database under var/."""
        with closing(sqlite3.connect(self.folder / "var" / name, timeout=_PATIENCE)) as connection, connection:
            return connection.execute(sql, values).fetchall()

    def run(self, *argv: str, seconds: float = _PATIENCE, plant: Mapping[str, Any] | None = None) -> Ran:
        """A command, to its end."""
        process, out, err = self.begin(*argv, plant=plant)
        code = process.wait(seconds)
        return Ran(code, out.read_text() if out.exists() else "", err.read_text() if err.exists() else "")

    def begin(self, *argv: str, plant: Mapping[str, Any] | None = None) -> tuple[Process, Path, Path]:
        """A command under way, and where its standard output and error go."""
        number = next(self._outputs)
        out, err = self.folder / "output" / f"{number}.out", self.folder / "output" / f"{number}.err"
        return self._zygote.run(list(argv), self.folder, self.env, out, err, plant or {}), out, err

    def start(self, *, plant: Mapping[str, Any] | None = None, port: int = 0) -> Hub:
        """`hub serve`, not waited for."""
        process, _, err = self.begin("serve", "--port", str(port), plant=plant)
        return Hub(self, process, err)

    def spawn(self, *before: str, program: Sequence[str] = ()) -> Hub:
        """`python -m hub serve` in a process of its own, as people start it.

        `before`: a command that starts it; `program`: what Python runs instead of `-m hub`.
        """
        err = self.folder / "output" / f"{next(self._outputs)}.err"
        with err.open("wb") as file:
            popen = subprocess.Popen(
                [*before, sys.executable, *(program or ("-m", "hub")), "serve", "--port", "0"],
                cwd=self.folder,
                env={**os.environ, "PYTHONPATH": str(ROOT), **self.env},
                stdout=subprocess.DEVNULL,
                stderr=file,
            )
        return Hub(self, Spawned(popen), err)

    @contextmanager
    def serving(self, *, plant: Mapping[str, Any] | None = None) -> Iterator[Hub]:
        """A server that is ready. It is ended at the end, however the test ends."""
        hub = self.start(plant=plant)
        try:
            hub.wait_ready()
            yield hub
        finally:
            if hub.process.poll() is None:
                hub.kill()

    # --- looking

    def webhook_path(self, executor: str) -> str:
        """/webhooks/NAME or /webhooks/NAME/TOKEN, as the command line gives it."""
        listed = self.run("executor", "webhook", "list", "--json").json
        (url,) = [entry["url"] for entry in listed if entry["executor"] == executor]
        return str(httpx.URL(url).raw_path.decode())

    def execution(self, execution_id: str) -> dict[str, Any]:
        shown: dict[str, Any] = self.run("workflow", "executions", execution_id, "--json").json
        return shown

    def event(self, event_id: str) -> dict[str, Any]:
        shown: dict[str, Any] = self.run("event", "show", event_id, "--json").json
        return shown

    def store(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """A question to the hub's own database, past the hub."""
        with closing(
            sqlite3.connect(f"file:{self.folder}/var/hub.db?mode=ro", uri=True, timeout=_PATIENCE)
        ) as connection:
            return connection.execute(sql, values).fetchall()

    def status(self, execution_id: str) -> str | None:
        found = self.store("SELECT status FROM executions WHERE id = ?", execution_id)
        return found[0][0] if found else None

    def outcomes(self, executor: str) -> list[tuple[str, str, str | None]]:
        """(outcome, reason, execution id) of each delivery of an executor, oldest first."""
        return [
            (outcome, reason, execution)
            for outcome, reason, execution in self.store(
                "SELECT outcome, reason, execution_id FROM deliveries WHERE executor = ? ORDER BY id", executor
            )
        ]

    def ended(self, execution_id: str, seconds: float = _PATIENCE) -> str:
        """The status in which the execution ends."""
        return until(lambda: self._end(execution_id), seconds, f"execution {execution_id} does not end")

    def _end(self, execution_id: str) -> str | None:
        status = self.status(execution_id)
        return status if status in ("SUCCESS", "FAILED", "CANCELED") else None


def until(ask: Callable[[], T | None], seconds: float = _PATIENCE, why: str = "it did not come about") -> T:
    """The first answer that is not None, false or empty."""
    end = time.monotonic() + seconds
    while not (found := ask()):
        assert time.monotonic() < end, f"{why} within {seconds} s"
        time.sleep(0.01)
    return found
