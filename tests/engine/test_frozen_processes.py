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
from frozen_worker import PHASES, STEPS, TICKS
from kit import NOON, PATIENCE, unbalanced

from hub.model.clock import SystemClock, new_id
from hub.model.execution import StartRequest
from hub.store import open_store

LEASE = 0.3
MINUTE = 60_000
#: A planted fault can keep an execution from its end.
_NO_END = 4.0

#: A write of an older claim leaves a row, whoever makes it.
_JOURNAL = """
CREATE TABLE late (execution_id TEXT, path TEXT, epoch INTEGER, result TEXT);
CREATE TRIGGER late_checkpoint AFTER UPDATE ON checkpoints
WHEN NEW.epoch < (SELECT epoch FROM executions WHERE id = NEW.execution_id)
BEGIN INSERT INTO late VALUES (NEW.execution_id, NEW.path, NEW.epoch, NEW.result); END;
CREATE TRIGGER late_end AFTER UPDATE OF status ON executions
WHEN OLD.status IN ('SUCCESS', 'CANCELED') AND NEW.status <> OLD.status
BEGIN INSERT INTO late VALUES (NEW.id, NEW.status, NEW.epoch, NEW.result); END;
CREATE TRIGGER late_line AFTER INSERT ON logs
WHEN NEW.message <> 'epoch ' || (SELECT epoch FROM executions WHERE id = NEW.execution_id)
BEGIN INSERT INTO late VALUES (NEW.execution_id, NEW.path, NULL, NEW.message); END;
CREATE TRIGGER late_slot AFTER UPDATE OF next_fire_at ON schedules WHEN NEW.next_fire_at < OLD.next_fire_at
BEGIN INSERT INTO late VALUES ('', NEW.executor, NULL, NEW.next_fire_at); END;
"""


class Effect(NamedTuple):
    execution: str
    path: str
    epoch: int
    node: str
    at: float
    #: Seconds since the lease was renewed, when the gate was last found open.
    lease_age: float


class Freezer:
    """Two workers on one file, and the books of what they do."""

    def __init__(self, folder: Path, fault: str = "") -> None:
        self.folder = folder
        self.database = folder / "hub.db"
        asyncio.run(open_store(self._url, SystemClock(), inline=True, checkpoints=False).close())
        with closing(sqlite3.connect(self.database)) as connection:
            connection.executescript(_JOURNAL)
        self.slots = [NOON - NOON % MINUTE]
        self._tell_the_time("", self.slots[0])
        self.workers = {node: self._begin(node, fault) for node in ("node-1", "node-2")}
        for node in self.workers:
            self._until((folder / f"up-{node}").exists, "a worker does not come up")
        self.wrong: list[str] = []
        self._patience = _NO_END if fault else PATIENCE

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
        # Nobody dispatches here: events of slots wait, and in a long run for longer than they should.
        assert [one for one in unbalanced(self._url) if "no executor has met it" not in one] == []

    def play(self, phase: str) -> None:
        """An execution or a slot; whoever has it stands still at that phase until another one has taken over."""
        if phase in TICKS:
            self._tick(phase)
        else:
            self._execute(phase)

    def _execute(self, phase: str) -> None:
        execution = self._start(phase)
        pid, frozen = self._stopped(execution, phase)
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
                lambda: self._rows("SELECT status FROM executions WHERE id = ?", execution) == [("SUCCESS",)],
                "no end",
                self._patience,
            )
        except AssertionError:
            self.wrong.append(f"{phase}: it does not end")
            return
        self._back(frozen)
        self._check(execution, phase, frozen, epoch, woken)

    def _tick(self, phase: str) -> None:
        """Three slots come due while the one that has the first of them stands still."""
        first = self.slots[-1] + MINUTE
        self.slots += [first + number * MINUTE for number in range(3)]
        self._tell_the_time(phase, first)
        pid, frozen = self._stopped(str(first), phase)
        try:
            self._tell_the_time("", self.slots[-1])
            recorded = "SELECT 1 FROM slots WHERE at = ?"
            self._until(lambda: self._rows(recorded, self.slots[-1]), f"nobody goes on after {phase}")
            self._until(lambda: not self._leased(frozen), "a frozen one keeps its lease")
        finally:
            os.kill(pid, signal.SIGCONT)
        self._back(frozen)
        fired = self._rows("SELECT at FROM slots WHERE event_id IS NOT NULL ORDER BY at")
        if [at for (at,) in fired] != self.slots[1:]:
            self.wrong.append(f"{phase}: of the slots {self.slots[-3:]} fired {fired[-3:]}")
        times = self._rows("SELECT time FROM events WHERE source = 'schedule:minutely' ORDER BY time")
        if times != fired:
            self.wrong.append(f"{phase}: the events are of {times[-3:]}")
        for row in self._rows("SELECT * FROM late WHERE execution_id = ''"):
            self.wrong.append(f"{phase}: the schedule went back: {row}")

    def _stopped(self, what: str, phase: str) -> tuple[int, str]:
        """Until a process stands still with it; its pid and its node."""
        stopped = self.folder / f"stopped-{what}"
        self._until(lambda: stopped.exists() and stopped.read_text(), f"nobody stops at {phase}")
        pid = int(stopped.read_text())
        (frozen,) = [node for node, process in self.workers.items() if process.pid == pid]
        return pid, frozen

    def _back(self, node: str) -> None:
        """Until it has done what it was about to do, and holds a lease again."""
        self._until(lambda: self._leased(node), "the frozen one does not come back")
        time.sleep(0.05)

    def _leased(self, node: str) -> bool:
        return bool(self._rows("SELECT 1 FROM nodes WHERE id = ? AND lease_until > ?", node, SystemClock().now()))

    def _tell_the_time(self, phase: str, now: int) -> None:
        for name, text in (("tick", phase), ("time", str(now))):
            fresh = self.folder / f"{name}.new"
            fresh.write_text(text)
            fresh.rename(self.folder / name)

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
        for one in effects:
            if one.lease_age > LEASE * 2 / 3:
                self.wrong.append(
                    f"{phase}: an effect was let through {one.lease_age} s after the lease was renewed: {one}"
                )

    def effects(self) -> list[Effect]:
        lines = (self.folder / "effects").read_text().splitlines()
        found = []
        for line in lines:
            key, epoch, node, at, lease_age = line.split()
            execution, _, path = key.partition("/")
            found.append(Effect(execution, path, int(epoch), node, float(at), float(lease_age)))
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

    def _until(self, ready: Any, otherwise: str, seconds: float = PATIENCE) -> None:
        end = time.monotonic() + seconds
        while not ready():
            errors = [(self.folder / f"{node}.err").read_text()[-2000:] for node in ("node-1", "node-2")]
            assert time.monotonic() < end, (otherwise, errors, self.wrong)
            time.sleep(0.01)


@pytest.fixture
def freezer(quick_path: Path, request: pytest.FixtureRequest) -> Iterator[Freezer]:
    made = Freezer(quick_path, getattr(request, "param", ""))
    yield made
    made.close()


def test_a_process_that_wakes_after_its_lease_changes_nothing(freezer: Freezer) -> None:
    for phase in (*PHASES, *TICKS):
        freezer.play(phase)
    assert freezer.wrong == []


@pytest.mark.parametrize(
    ("freezer", "phase"),
    [
        ("gate", "after claim"),
        ("checkpoint", "before checkpoint"),
        ("log", "before log"),
        ("slots", "before record_slots"),
    ],
    indirect=["freezer"],
)
def test_a_planted_fault_shows(freezer: Freezer, phase: str) -> None:
    for _ in range(6):
        freezer.play(phase)
        if freezer.wrong:
            return
    pytest.fail("the planted fault does not show")


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_two_hundred_freezes_change_nothing(freezer: Freezer) -> None:
    for phase in islice(cycle((*PHASES, *TICKS)), 200):
        freezer.play(phase)
    assert freezer.wrong == []
