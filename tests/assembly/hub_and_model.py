"""A whole hub, from the row, the request or the slot to the execution, beside a model of it in a page.

People deploy, edit, disable and pause executors; senders post, programs commit rows or roll them back, time goes on; executions are
canceled and resumed; and the process dies in the middle of any of that.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hub_model import EXECUTORS, HOOKS, KEPT, Deployed, Known, Model
from hub_wired import WiredHub, key_of
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from hub.model.errors import Conflict
from hub.store.pruning import Prune

MEMORY_DISK = Path("/dev/shm")

numbers = st.integers(0, 8)


class HubAndModel(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="hub-test-", dir=MEMORY_DISK if MEMORY_DISK.is_dir() else None))
        self.model = Model()
        #: Executions whose cause of failure is gone.
        self.mended: set[str] = set()
        self.hub = WiredHub(self.folder, self.model, self.mended)

    @property
    def _now(self) -> int:
        return self.hub.clock.now()

    @property
    def _store(self) -> Any:
        return self.hub.process.bench.store

    # --- files

    @rule(name=st.sampled_from(EXECUTORS), least=st.integers(0, 4))
    def deploy_or_edit(self, name: str, least: int) -> None:
        self._put(name, Deployed(least))

    @precondition(lambda self: self.model.files)
    @rule(data=st.data())
    def disable(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.model.files)))
        self._put(name, Deployed(self.model.files[name].least, disabled=True))

    @precondition(lambda self: self.model.files)
    @rule(data=st.data())
    def take_away(self, data: st.DataObject) -> None:
        self._put(data.draw(st.sampled_from(sorted(self.model.files))), None)

    def _put(self, name: str, wanted: Deployed | None) -> None:
        self.model.put(name, wanted, self._now)
        self.hub.take_files()
        self.hub.work()

    @rule(name=st.sampled_from(EXECUTORS), paused=st.booleans())
    def pause(self, name: str, paused: bool) -> None:
        self.hub.process.do(self._store.pause(name, paused=paused))
        (self.model.paused.add if paused else self.model.paused.discard)(name)

    # --- what happens outside

    @rule(name=st.sampled_from(HOOKS), key=st.integers(0, 5), number=numbers)
    def post(self, name: str, key: int, number: int) -> None:
        assert self.hub.post(name, str(key), number) == self.model.post(name, str(key), number, self._now)
        self.hub.work()

    @rule(number=numbers)
    def commit_a_row(self, number: int) -> None:
        row = self.model.commit_row(number, self._now)
        self.hub.shop.execute("INSERT INTO items (id, n) VALUES (?, ?)", (row, number))
        self.hub.work()

    @rule(number=numbers)
    def roll_a_row_back(self, number: int) -> None:
        self.hub.shop.execute("BEGIN IMMEDIATE")
        self.hub.shop.execute("INSERT INTO items (id, n) VALUES (?, ?)", (self.model.rows_made + 1, number))
        self.hub.shop.execute("ROLLBACK")
        self.hub.work()

    @rule(minutes=st.integers(1, 4))
    def tick(self, minutes: int) -> None:
        self.hub.clock.advance(60 * minutes)
        self.model.tick(self._now)
        self.hub.work()

    # --- executions

    @precondition(lambda self: any(self._here()))
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        execution, known = data.draw(st.sampled_from(list(self._here())))
        try:
            self.hub.process.do(self._store.cancel(execution))
        except Conflict:
            assert known.status != "WAITING"
        else:
            assert known.status == "WAITING"
            known.status, known.ended = "CANCELED", self._now
        self.hub.work()

    @precondition(lambda self: any(self._here()))
    @rule(data=st.data(), mend=st.booleans())
    def resume(self, data: st.DataObject, mend: bool) -> None:
        execution, known = data.draw(st.sampled_from(list(self._here())))
        if mend:
            self.mended.add(execution)
        try:
            self.hub.process.do(self._store.resume(execution))
        except Conflict:
            assert known.status != "FAILED"
        else:
            assert known.status == "FAILED"
            known.status = "SUCCESS" if execution in self.mended else "FAILED"
            known.ended = self._now
        self.hub.work()

    @rule()
    def prune(self) -> None:
        """What is older than its retention goes, and nothing else."""
        self.hub.process.do(self._store.prune(Prune(self._now - KEPT, self._now - KEPT)))
        self.model.prune(self._now)

    # --- the process

    @rule(moments=st.integers(1, 6))
    def die_soon(self, moments: int) -> None:
        """The process ends before or after one of the commits of its next work."""
        self.hub.process.dies_at = moments

    @rule()
    def kill(self) -> None:
        self.hub.process.lose()
        self.hub.process.begin()
        self.hub.work()

    @rule()
    def restart(self) -> None:
        self.hub.process.end()
        self.hub.process.begin()
        self.hub.work()

    # --- what must hold

    def _here(self) -> Iterator[tuple[str, Known]]:
        """Executions that are there, in the order in which they were started."""
        found = {row[:2]: row[2] for row in self.hub.process.rows("SELECT event_id, executor, id FROM executions")}
        for one in self.model.noticed:
            for name, known in sorted(one.executions.items()):
                if not known.gone:
                    yield found[one.id, name], known

    @invariant()
    def what_has_happened_was_noticed_once(self) -> None:
        if not hasattr(self, "hub"):
            return
        expected = {one.key: one for one in self.model.noticed if not one.gone}
        # Those without a key came under a delivery id that another body had: they are kept, and start nothing.
        events = self.hub.process.rows("SELECT id, source, time, payload, body FROM events WHERE key IS NOT NULL")
        found = [(key_of(*event), identifier) for identifier, *event in events]
        assert sorted(key for key, _ in found) == sorted(expected)
        for key, identifier in found:
            assert expected[key].id in ("", identifier)
            expected[key].id = identifier
        outcomes: dict[str, dict[str, str]] = {identifier: {} for _, identifier in found}
        repeated: Counter[str] = Counter()
        for event, name, outcome in self.hub.process.rows("SELECT event_id, executor, outcome FROM deliveries"):
            if outcome == "duplicate":
                repeated[event] += 1
                continue
            assert name not in outcomes[event], "two deliveries of one event to one executor"
            outcomes[event][name] = outcome
        assert outcomes == {one.id: one.outcomes for one in expected.values()}
        for one in expected.values():
            assert one.repeated <= repeated[one.id] <= one.repeated + self.hub.process.processes

    @invariant()
    def what_was_started_is_where_it_should_be(self) -> None:
        if not hasattr(self, "hub"):
            return
        rows = self.hub.process.rows("SELECT event_id, executor, status, result FROM executions")
        expected = [
            (one.id, name, known.status, str(2 * one.number) if known.status == "SUCCESS" else None)
            for one in self.model.noticed
            for name, known in one.executions.items()
            if not known.gone
        ]
        assert sorted(rows, key=str) == sorted(expected, key=str)

    @invariant()
    def every_slot_has_one_record(self) -> None:
        if not hasattr(self, "hub"):
            return
        rows = self.hub.process.rows("SELECT executor, at, outcome FROM slots")
        assert {(name, at): outcome for name, at, outcome in rows} == self.model.slots
        stored = self.hub.process.rows("SELECT executor, next_fire_at FROM schedules")
        assert dict(stored) == self.model.next

    @invariant()
    def the_books_balance(self) -> None:
        if hasattr(self, "hub"):
            assert self.hub.process.do(self._store.books(0)).findings == ()
            outbox = self.hub.shop.execute("SELECT 1 FROM sqlite_schema WHERE name = '_hub_outbox'").fetchall()
            assert not outbox or self.hub.shop.execute("SELECT count(*) FROM _hub_outbox").fetchall() == [(0,)]

    def teardown(self) -> None:
        if not hasattr(self, "hub"):
            return
        with contextlib.suppress(Exception):
            self.hub.process.end()
        self.hub.close()
        shutil.rmtree(self.folder, ignore_errors=True)
