"""A whole hub in one process that may die at any commit: intake, drain, schedules, dispatch and worker, told when to look."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from pathlib import Path
from typing import Any

from hub_model import CLOCKS, HOOKS, MINUTE, NAP, ROWS, Deployed, Model
from kit import Bench, StillClock
from mortal import Mortal

from hub import Context, job, workflow
from hub.dispatch.deciding import Rules
from hub.dispatch.deliver import Dispatcher
from hub.dispatch.match import Bindings
from hub.expressions import Evaluator
from hub.model.errors import NonRetryable
from hub.model.executor import EventTrigger, Executor, ScheduleTrigger, Trigger, WebhookTrigger, WorkflowTarget
from hub.triggers.record_events.drain import Drain
from hub.triggers.record_events.keeper import Keeper
from hub.triggers.record_events.sqlite import SQLiteWatched
from hub.triggers.record_events.wanted import wanted
from hub.triggers.record_events.watching import Watching
from hub.triggers.schedule.loop import Scheduler
from hub.triggers.webhook.building import build
from hub.triggers.webhook.endpoint import Endpoint
from hub.triggers.webhook.intake import Intake

TOKEN = "a-token-of-some-length"


class WiredHub:
    """A hub with the files of a model, in one process after the other; a shop beside it."""

    def __init__(self, folder: Path, model: Model, mended: set[str]) -> None:
        self._folder, self._model, self._mended = folder, model, mended
        self._evaluator = Evaluator()
        self._watched: SQLiteWatched | None = None
        self.clock = StillClock()
        self.shop = sqlite3.connect(folder / "shop.db", isolation_level=None)
        self.shop.execute("PRAGMA synchronous=OFF")
        self.shop.execute("CREATE TABLE items (id INTEGER PRIMARY KEY, n INTEGER)")
        self.process = Mortal(f"sqlite:///{folder}/hub.db", self.clock, self._furnish)

    def _furnish(self, bench: Bench) -> None:
        if self._watched is not None:  # the one of the process before
            asyncio.run(self._watched.close())
        bench.redefine(keeping(self._mended))
        rules = Rules(Bindings([]), bench.registry, bench.surroundings)
        self._dispatcher = Dispatcher(bench.store, self._evaluator, self.clock, rules)
        self._watched = SQLiteWatched("shop", self._folder / "shop.db", self.clock)
        drain = Drain(self._watched, bench.store)
        self._watching = Watching(self._watched, drain, Keeper(self._watched, {}), self.clock)
        self._scheduler = Scheduler(bench.store, self.clock, self._executors, lambda: None)
        self._intake = Intake(bench.store, self.clock, tokens=lambda _name: TOKEN.encode())
        self.take_files()

    def _executors(self) -> list[Executor]:
        return [executor(name, one) for name, one in sorted(self._model.files.items())]

    def take_files(self) -> None:
        """As they are now, as a server does that has found them changed."""
        made = self._executors()
        rules = self._dispatcher.rules
        self._dispatcher.rules = Rules(Bindings(made), rules.registry, rules.surroundings)
        self._watching.want(wanted(made).get("shop", {}))
        self._intake.endpoints = {one.name: endpoint(one) for one in made if one.name in HOOKS and not one.disabled}

    def work(self) -> None:
        """Everything that runs by itself, through a death that is planned, until nothing is left to do."""
        self.process.through(self._rest)

    async def _rest(self) -> None:
        await self._scheduler.sync_definitions()
        while True:
            done = await self._scheduler.run_once()
            done += await self._watching.run_once()
            done += await self._dispatcher.run_once()
            await self.process.bench.work()
            if not done:
                return

    def post(self, name: str, key: str, number: int) -> int:
        """A sender posts until it is answered, also by the next process; the status."""
        return int(self.process.through(lambda: self._send(name, key, number)))

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

        await self._intake({**scope, "headers": headers, "client": ("192.0.2.7", 4711)}, receive, send)
        return int(came[0]["status"])

    def close(self) -> None:
        assert self._watched is not None
        asyncio.run(self._watched.close())
        asyncio.run(self._evaluator.close())
        self.shop.close()


def keeping(mended: set[str]) -> Any:
    """Of the number's remainder by three: it ends at once, rests for a while, or fails until somebody has mended it."""

    @job(name="model-double")
    async def double(input: int) -> int:
        return 2 * input

    @job(name="model-keep")
    async def keep(input: dict[str, int], ctx: Context) -> int:
        doubled = await double.trigger(input["n"])
        if input["n"] % 3 == 1:
            await ctx.step.sleep("nap", f"{NAP}ms")
        if input["n"] % 3 == 2 and ctx.idempotency_key.partition("/")[0] not in mended:
            raise NonRetryable("somebody has to mend it")
        return doubled

    return workflow("keeping", keep)


def executor(name: str, one: Deployed) -> Executor:
    trigger: Trigger
    if name in CLOCKS:
        trigger = ScheduleTrigger("* * * * *" if one.period == MINUTE else "*/2 * * * *")
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
