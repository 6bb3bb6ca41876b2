"""Real processes that are stopped past their lease and go on later: what the other one has done stays done."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import cycle, islice
from pathlib import Path
from typing import Any, NamedTuple

import frozen_worker
import pytest
from frozen_worker import PHASES, STEPS

from hub.model.clock import SystemClock, new_id
from hub.model.execution import StartRequest
from hub.store import open_store

LEASE = 0.3
_PATIENCE = 40.0

#: A write of an older claim leaves a row, whoever makes it.
_JOURNAL = """
CREATE TABLE late (execution_id TEXT, path TEXT, epoch INTEGER, result TEXT);
CREATE TRIGGER late_checkpoint AFTER UPDATE ON checkpoints
WHEN NEW.epoch < (SELECT epoch FROM executions WHERE id = NEW.execution_id)
BEGIN INSERT INTO late VALUES (NEW.execution_id, NEW.path, NEW.epoch, NEW.result); END;
CREATE TRIGGER late_end AFTER UPDATE OF status ON executions
WHEN OLD.status IN ('SUCCESS', 'CANCELED') AND NEW.status <> OLD.status
BEGIN INSERT INTO late VALUES (NEW.id, NEW.status, NEW.epoch, NEW.result); END;
"""


class Effect(NamedTuple):
    execution: str
    path: str
    epoch: int
    node: str
    at: float


class Freezer:
    """Two workers on one file, and the books of what they do."""

    def __init__(self, folder: Path, fault: str = "") -> None:
        self.folder = folder
        self.database = folder / "hub.db"
        asyncio.run(open_store(self._url, SystemClock(), inline=True, checkpoints=False).close())
        with closing(sqlite3.connect(self.database)) as connection:
            connection.executescript(_JOURNAL)
        self.patience = _PATIENCE
        self.workers = {node: self._begin(node, fault) for node in ("node-1", "node-2")}
        for node in self.workers:
            self._until((folder / f"up-{node}").exists, "a worker does not come up")
        self.wrong: list[str] = []
        self.patience = 4.0 if fault else _PATIENCE

    def _begin(self, node: str, fault: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{node}.err").open("wb") as errors:
            return subprocess.Popen(
                [sys.executable, frozen_worker.__file__, self._url, str(self.folder), node, str(LEASE), fault],
                stderr=errors,
            )

    @property
    def _url(self) -> str:
        return f"sqlite:///{self.database}"

    def close(self) -> None:
        for process in self.workers.values():
            process.kill()
            process.wait()

    def play(self, phase: str) -> None:
        """One execution; its worker stands still at that phase until another one has taken over."""
        execution = self._start(phase)
        stopped = self.folder / f"stopped-{execution}"
        self._until(lambda: stopped.exists() and stopped.read_text(), f"nobody stops at {phase}")
        pid = int(stopped.read_text())
        (frozen,) = [node for node, process in self.workers.items() if process.pid == pid]
        epoch = self._rows("SELECT epoch FROM executions WHERE id = ?", execution)[0][0]
        try:
            self._until(
                lambda: (
                    self._rows("SELECT epoch FROM executions WHERE id = ?", execution)[0][0] > epoch
                    or self._rows("SELECT status FROM executions WHERE id = ?", execution) == [("SUCCESS",)]
                ),
                f"nobody takes over after {phase}",
            )
        finally:
            woken = time.clock_gettime(time.CLOCK_BOOTTIME)
            os.kill(pid, signal.SIGCONT)
        try:
            self._until(
                lambda: self._rows("SELECT status FROM executions WHERE id = ?", execution) == [("SUCCESS",)], "no end"
            )
        except AssertionError:
            self.wrong.append(f"{phase}: it does not end")
            return
        now = SystemClock().now
        self._until(
            lambda: self._rows("SELECT 1 FROM nodes WHERE id = ? AND lease_until > ?", frozen, now()),
            "the frozen one does not come back",
        )
        time.sleep(0.05)
        self._check(execution, phase, frozen, epoch, woken)

    def _check(self, execution: str, phase: str, frozen: str, epoch: int, woken: float) -> None:
        for row in self._rows("SELECT * FROM late WHERE execution_id = ?", execution):
            self.wrong.append(f"{phase}: a write of an older claim was accepted: {row}")
        calls = dict(
            self._rows("SELECT path, result FROM checkpoints WHERE execution_id = ? AND name = 'step'", execution)
        )
        epochs = dict(self._rows("SELECT path, epoch FROM checkpoints WHERE execution_id = ?", execution))
        if len(calls) != STEPS:
            self.wrong.append(f"{phase}: {len(calls)} steps are stored")
        for path, result in calls.items():
            if json.loads(result) != f"epoch {epochs[path]}":
                self.wrong.append(f"{phase}: {path} was stored by epoch {epochs[path]}, and is the work of {result}")
        effects = [one for one in self.effects() if one.execution == execution]
        late = [one for one in effects if one.node == frozen and one.epoch <= epoch and one.at > woken]
        # Frozen between the check of its lease and the effect, a process can still emit that one: with the same key.
        allowed = 1 if phase == "before an effect" else 0
        if len(late) > allowed:
            self.wrong.append(f"{phase}: {len(late)} effects of the frozen one began after it woke: {late}")

    def effects(self) -> list[Effect]:
        lines = (self.folder / "effects").read_text().splitlines()
        found = []
        for line in lines:
            key, epoch, node, at = line.split()
            execution, _, path = key.partition("/")
            found.append(Effect(execution, path, int(epoch), node, float(at)))
        return found

    def _start(self, phase: str) -> str:
        async def start() -> str:
            clock = SystemClock()
            store = open_store(self._url, clock, inline=True, checkpoints=False)
            try:
                request = StartRequest(new_id(clock.now()), "frozen", json.dumps(phase), None, clock.now())
                return (await store.start(request)).id
            finally:
                await store.close()

        return asyncio.run(start())

    def _rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.database, timeout=5)) as connection:
            return connection.execute(sql, values).fetchall()

    def _until(self, ready: Any, otherwise: str) -> None:
        end = time.monotonic() + self.patience
        while not ready():
            errors = [(self.folder / f"{node}.err").read_text()[-2000:] for node in ("node-1", "node-2")]
            assert time.monotonic() < end, (otherwise, errors, self.wrong)
            time.sleep(0.01)


@pytest.fixture
def freezer(quick_path: Path, request: pytest.FixtureRequest) -> Iterator[Freezer]:
    made = Freezer(quick_path, getattr(request, "param", ""))
    yield made
    made.close()


@pytest.mark.timeout(240)
def test_a_process_that_wakes_after_its_lease_changes_nothing(freezer: Freezer) -> None:
    for phase in PHASES:
        freezer.play(phase)
    assert freezer.wrong == []


@pytest.mark.parametrize(
    ("freezer", "phase"), [("gate", "after claim"), ("fence", "before checkpoint")], indirect=["freezer"]
)
@pytest.mark.timeout(240)
def test_a_planted_fault_shows(freezer: Freezer, phase: str) -> None:
    for _ in range(6):
        freezer.play(phase)
        if freezer.wrong:
            return
    pytest.fail("the planted fault does not show")


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_two_hundred_freezes_change_nothing(freezer: Freezer) -> None:
    for phase in islice(cycle(PHASES), 204):
        freezer.play(phase)
    assert freezer.wrong == []
