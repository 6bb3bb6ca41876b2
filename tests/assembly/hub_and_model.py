"""A whole hub, from the row, the request or the slot to the execution, beside a model of it in a page.

People deploy, edit, disable and pause executors; senders post, programs commit rows or roll them back, time goes on; executions are
canceled and resumed; and the process dies in the middle of any of that.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from kit import Bench, StillClock
from mortal import Mortal

from hub import Context, job, workflow
from hub.dispatch.deliver import Dispatcher, Rules
from hub.dispatch.match import Bindings
from hub.expressions import Evaluator
from hub.model.errors import Conflict, NonRetryable
from hub.model.executor import EventTrigger, Executor, ScheduleTrigger, Trigger, WebhookTrigger, WorkflowTarget
from hub.store.pruning import Prune
from hub.triggers.record_events.drain import Drain
from hub.triggers.record_events.keeper import Keeper
from hub.triggers.record_events.sqlite import SQLiteWatched
from hub.triggers.record_events.wanted import wanted
from hub.triggers.record_events.watching import Watching
from hub.triggers.schedule.loop import Scheduler
from hub.triggers.webhook.building import build
from hub.triggers.webhook.endpoint import Endpoint
from hub.triggers.webhook.intake import Intake

MEMORY_DISK = Path("/dev/shm")
HOOKS, ROWS, CLOCKS = ("hook-a", "hook-b"), ("row-a", "row-b"), ("clock-a", "clock-b")
EXECUTORS = (*HOOKS, *ROWS, *CLOCKS)
TOKEN = "a-token-of-some-length"
MINUTE = 60_000
NAP = 90
KEPT = 600_000

numbers = st.integers(0, 8)


def keeping(mended: set[str]) -> Any:
    """Of the number's remainder by three: it ends at once, rests for a while, or fails until somebody has mended it."""

    @job(name="model-double")
    async def double(input: int) -> int:
        return 2 * input

    @job(name="model-keep")
    async def keep(input: dict[str, int], ctx: Context) -> int:
        doubled = await double.trigger(input["n"])
        if input["n"] % 3 == 1:
            await ctx.step.sleep("nap", f"{NAP}s")
        if input["n"] % 3 == 2 and ctx.idempotency_key.partition("/")[0] not in mended:
            raise NonRetryable("somebody has to mend it")
        return doubled

    return workflow("keeping", keep)


@dataclass
class Deployed:
    """An executor as its file says: it acts on numbers from `least` on; a schedule comes every one or two minutes."""

    least: int
    disabled: bool = False


@dataclass
class Known:
    """An execution. Instants are milliseconds."""

    status: str
    wakes: int | None = None
    ended: int | None = None
    #: Its retention is over.
    gone: bool = False


@dataclass
class Noticed:
    """An event that must be there, with its outcome at each executor, and the executions that were started."""

    key: str
    number: int
    at: int
    outcomes: dict[str, str] = field(default_factory=dict)
    executions: dict[str, Known] = field(default_factory=dict)
    #: How often it was sent again, at least: a sender that was cut off does so, too.
    repeated: int = 0
    #: The hub's own name for it, once it was seen there.
    id: str = ""
    gone: bool = False


class HubAndModel(RuleBasedStateMachine):
    # --- the hub

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="hub-test-", dir=MEMORY_DISK if MEMORY_DISK.is_dir() else None))
        self.clock = StillClock()
        self.evaluator = Evaluator()
        self.files: dict[str, Deployed] = {}
        self.paused: set[str] = set()
        self.mended: set[str] = set()
        self.noticed: list[Noticed] = []
        self.rows_made = 0
        #: When each schedule that is in effect comes next, and the slots that it must have recorded: {(name, instant): outcome}.
        self.next: dict[str, int] = {}
        self.slots: dict[tuple[str, int], str | None] = {}
        self.shop = sqlite3.connect(self.folder / "shop.db", isolation_level=None)
        self.shop.execute("PRAGMA synchronous=OFF")
        self.shop.execute("CREATE TABLE items (id INTEGER PRIMARY KEY, n INTEGER)")
        self.watched: SQLiteWatched | None = None
        self.hub = Mortal(f"sqlite:///{self.folder}/hub.db", self.clock, self._furnish)

    def _furnish(self, bench: Bench) -> None:
        if self.watched is not None:  # the one of the process before
            asyncio.run(self.watched.close())
        bench.redefine(keeping(self.mended))
        rules = Rules(Bindings([]), bench.registry, bench.surroundings)
        self.dispatcher = Dispatcher(bench.store, self.evaluator, self.clock, rules)
        self.watched = SQLiteWatched("shop", self.folder / "shop.db", self.clock)
        drain = Drain(self.watched, bench.store)
        self.watching = Watching(self.watched, drain, Keeper(self.watched, {}), self.clock)
        self.scheduler = Scheduler(bench.store, self.clock, self._executors, lambda: None)
        self.intake = Intake(bench.store, self.clock, tokens=lambda _name: TOKEN.encode())
        self._take_files()

    def _executors(self) -> list[Executor]:
        return [executor(name, one) for name, one in sorted(self.files.items())]

    def _take_files(self) -> None:
        """As they are now, as a server does that has found them changed."""
        made = self._executors()
        rules = self.dispatcher.rules
        self.dispatcher.rules = Rules(Bindings(made), rules.registry, rules.surroundings)
        self.watching.want(wanted(made).get("shop", {}))
        self.intake.endpoints = {one.name: endpoint(one) for one in made if one.name in HOOKS and not one.disabled}

    async def _rest(self) -> None:
        """Everything that runs by itself, until nothing is left to do."""
        await self.scheduler.sync_definitions()
        while True:
            done = await self.scheduler.run_once()
            done += await self.watching.run_once()
            done += await self.dispatcher.run_once()
            await self.hub.bench.work()
            if not done:
                return

    def _work(self) -> None:
        self.hub.through(self._rest)

    # --- files

    @rule(name=st.sampled_from(EXECUTORS), least=st.integers(0, 4))
    def deploy_or_edit(self, name: str, least: int) -> None:
        self._put(name, Deployed(least))

    @precondition(lambda self: self.files)
    @rule(data=st.data())
    def disable(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.files)))
        self._put(name, Deployed(self.files[name].least, disabled=True))

    @precondition(lambda self: self.files)
    @rule(data=st.data())
    def take_away(self, data: st.DataObject) -> None:
        self._put(data.draw(st.sampled_from(sorted(self.files))), None)

    def _put(self, name: str, wanted: Deployed | None) -> None:
        before = self.files.pop(name, None)
        if wanted is not None:
            self.files[name] = wanted
        if name in CLOCKS:
            was = None if before is None or before.disabled else _period(before)
            now = None if wanted is None or wanted.disabled else _period(wanted)
            if now is None:
                self.next.pop(name, None)
            elif now != was:
                self.next[name] = _after(self.clock.now(), now)
        self._take_files()
        self._work()

    @rule(name=st.sampled_from(EXECUTORS), paused=st.booleans())
    def pause(self, name: str, paused: bool) -> None:
        self.hub.do(self.hub.bench.store.pause(name, paused=paused))
        (self.paused.add if paused else self.paused.discard)(name)

    # --- what happens outside

    @rule(name=st.sampled_from(HOOKS), key=st.integers(0, 5), number=numbers)
    def post(self, name: str, key: int, number: int) -> None:
        """A sender posts until it is answered."""
        status = self.hub.through(lambda: self._send(name, str(key), number))
        known = next((one for one in self.noticed if one.key == f"{name}/{key}" and not one.gone), None)
        if name not in self.files or self.files[name].disabled:
            assert status == 404
        elif known is not None and known.number != number:
            assert status == 409
        else:
            assert status == 202
            if known is None:
                self._notice(f"{name}/{key}", number, [name])
            else:
                known.repeated += 1
        self._work()

    async def _send(self, name: str, key: str, number: int) -> int:
        body = json.dumps({"n": number, "key": key}).encode()
        headers = [(b"content-type", b"application/json"), (b"x-delivery", key.encode())]
        path = f"/webhooks/{name}/{TOKEN}"
        scope = {"type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "query_string": b""}
        came: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            came.append(message)

        await self.intake({**scope, "headers": headers, "client": ("192.0.2.7", 4711)}, receive, send)
        return int(came[0]["status"])

    @rule(number=numbers)
    def commit_a_row(self, number: int) -> None:
        self.rows_made += 1
        self.shop.execute("INSERT INTO items (id, n) VALUES (?, ?)", (self.rows_made, number))
        if any(name in ROWS and not one.disabled for name, one in self.files.items()):
            self._notice(f"row/{self.rows_made}", number, [name for name in ROWS if name in self.files])
        self._work()

    @rule(number=numbers)
    def roll_a_row_back(self, number: int) -> None:
        self.shop.execute("BEGIN IMMEDIATE")
        self.shop.execute("INSERT INTO items (id, n) VALUES (?, ?)", (self.rows_made + 1, number))
        self.shop.execute("ROLLBACK")
        self._work()

    @rule(minutes=st.integers(1, 4))
    def tick(self, minutes: int) -> None:
        self.clock.advance(60 * minutes)
        now = self.clock.now()
        for known in (known for one in self.noticed for known in one.executions.values()):
            if known.status == "WAITING" and known.wakes is not None and known.wakes <= now:
                known.status, known.ended = "SUCCESS", now
        for name, due in list(self.next.items()):
            instants = list(range(due, now + 1, _period(self.files[name])))
            for at in instants:
                fires = at == instants[-1] and name not in self.paused
                self.slots[name, at] = None if fires else "paused" if name in self.paused else "missed"
                if fires:
                    self._notice(f"{name}/{at}", 0, [name])
            if instants:
                self.next[name] = _after(now, _period(self.files[name]))
        self._work()

    def _notice(self, key: str, number: int, names: list[str]) -> None:
        """What must come of it, as the files are now."""
        now = self.clock.now()
        made = Noticed(key, number, now)
        self.noticed.append(made)
        for name in names:
            one = self.files[name]
            if one.disabled:
                made.outcomes[name] = "skipped"
            elif name in self.paused:
                made.outcomes[name] = "paused"
            elif name not in CLOCKS and number < one.least:
                made.outcomes[name] = "filtered"
            else:
                made.outcomes[name] = "started"
                status = ("SUCCESS", "WAITING", "FAILED")[number % 3]
                rests = status == "WAITING"
                made.executions[name] = Known(status, now + NAP * 1000 if rests else None, None if rests else now)

    # --- executions

    @precondition(lambda self: any(self._here()))
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        execution, known = data.draw(st.sampled_from(list(self._here())))
        try:
            self.hub.do(self.hub.bench.store.cancel(execution))
        except Conflict:
            assert known.status != "WAITING"
        else:
            assert known.status == "WAITING"
            known.status, known.ended = "CANCELED", self.clock.now()
        self._work()

    @precondition(lambda self: any(self._here()))
    @rule(data=st.data(), mend=st.booleans())
    def resume(self, data: st.DataObject, mend: bool) -> None:
        execution, known = data.draw(st.sampled_from(list(self._here())))
        if mend:
            self.mended.add(execution)
        try:
            self.hub.do(self.hub.bench.store.resume(execution))
        except Conflict:
            assert known.status != "FAILED"
        else:
            assert known.status == "FAILED"
            known.status = "SUCCESS" if execution in self.mended else "FAILED"
            known.ended = self.clock.now()
        self._work()

    @rule()
    def prune(self) -> None:
        """What is older than its retention goes, and nothing else."""
        before = self.clock.now() - KEPT
        self.hub.do(self.hub.bench.store.prune(Prune(before, before)))
        for one in self.noticed:
            one.gone = one.at < before
            for known in one.executions.values():
                known.gone = one.at < before and known.ended is not None and known.ended < before

    # --- the process

    @rule(moments=st.integers(1, 6))
    def die_soon(self, moments: int) -> None:
        """The process ends before or after one of the commits of its next work."""
        self.hub.dies_at = moments

    @rule()
    def kill(self) -> None:
        self.hub.lose()
        self.hub.begin()
        self._work()

    @rule()
    def restart(self) -> None:
        self.hub.end()
        self.hub.begin()
        self._work()

    # --- what must hold

    def _here(self) -> Iterator[tuple[str, Known]]:
        """Executions that are there, in the order in which they were started."""
        found = {row[:2]: row[2] for row in self.hub.rows("SELECT event_id, executor, id FROM executions")}
        for one in self.noticed:
            for name, known in sorted(one.executions.items()):
                if not known.gone:
                    yield found[one.id, name], known

    @invariant()
    def what_has_happened_was_noticed_once(self) -> None:
        if not hasattr(self, "hub"):
            return
        expected = {one.key: one for one in self.noticed if not one.gone}
        # Those without a key came under a delivery id that another body had: they are kept, and start nothing.
        events = self.hub.rows("SELECT id, source, time, payload, body FROM events WHERE key IS NOT NULL")
        found = [(key_of(*event), identifier) for identifier, *event in events]
        assert sorted(key for key, _ in found) == sorted(expected)
        for key, identifier in found:
            assert expected[key].id in ("", identifier)
            expected[key].id = identifier
        outcomes: dict[str, dict[str, str]] = {identifier: {} for _, identifier in found}
        repeated: Counter[str] = Counter()
        for event, name, outcome in self.hub.rows("SELECT event_id, executor, outcome FROM deliveries"):
            if outcome == "duplicate":
                repeated[event] += 1
                continue
            assert name not in outcomes[event], "two deliveries of one event to one executor"
            outcomes[event][name] = outcome
        assert outcomes == {one.id: one.outcomes for one in expected.values()}
        for one in expected.values():
            assert one.repeated <= repeated[one.id] <= one.repeated + self.hub.processes

    @invariant()
    def what_was_started_is_where_it_should_be(self) -> None:
        if not hasattr(self, "hub"):
            return
        rows = self.hub.rows("SELECT event_id, executor, status, result FROM executions")
        expected = [
            (one.id, name, known.status, str(2 * one.number) if known.status == "SUCCESS" else None)
            for one in self.noticed
            for name, known in one.executions.items()
            if not known.gone
        ]
        assert sorted(rows, key=str) == sorted(expected, key=str)

    @invariant()
    def every_slot_has_one_record(self) -> None:
        if not hasattr(self, "hub"):
            return
        rows = self.hub.rows("SELECT executor, at, outcome FROM slots")
        assert {(name, at): outcome for name, at, outcome in rows} == self.slots
        stored = self.hub.rows("SELECT executor, next_fire_at FROM schedules")
        assert dict(stored) == self.next

    @invariant()
    def the_books_balance(self) -> None:
        if hasattr(self, "hub"):
            assert self.hub.do(self.hub.bench.store.books(0)).findings == ()
            outbox = self.shop.execute("SELECT 1 FROM sqlite_schema WHERE name = '_hub_outbox'").fetchall()
            assert not outbox or self.shop.execute("SELECT count(*) FROM _hub_outbox").fetchall() == [(0,)]

    def teardown(self) -> None:
        if not hasattr(self, "hub"):
            return
        with contextlib.suppress(Exception):
            self.hub.end()
        assert self.watched is not None
        asyncio.run(self.watched.close())
        asyncio.run(self.evaluator.close())
        self.shop.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def executor(name: str, one: Deployed) -> Executor:
    trigger: Trigger
    if name in CLOCKS:
        trigger = ScheduleTrigger("* * * * *" if _period(one) == MINUTE else "*/2 * * * *")
        return Executor(name, trigger, WorkflowTarget("keeping", None, "({ n: 0 })"), disabled=one.disabled)
    if name in ROWS:
        trigger, number = EventTrigger("shop", ("record.created",), "items"), "args.newRecord.n"
    else:
        trigger, number = WebhookTrigger(dedupe={"key": "header:x-delivery"}), "args.body.n"
    target = WorkflowTarget("keeping", None, f"({{ n: {number} }})")
    return Executor(name, trigger, target, condition=f"{number} >= {one.least}", disabled=one.disabled)


def endpoint(executor: Executor) -> Endpoint:
    made = build(executor, lambda value: value)
    assert isinstance(made, Endpoint), made
    return made


def key_of(source: str, time: int, payload: str, body: bytes | None) -> str:
    """The model's name for an event."""
    kind, _, name = source.partition(":")
    if kind == "webhook":
        assert body is not None
        return f"{name}/{json.loads(body)['key']}"
    return f"row/{json.loads(payload)['new']['id']}" if kind == "record" else f"{name}/{time}"


def _period(one: Deployed) -> int:
    return MINUTE * (1 + one.least % 2)


def _after(now: int, period: int) -> int:
    return now - now % period + period
