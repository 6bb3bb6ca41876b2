"""What the files would change: executors, schedules, and triggers in watched databases; and doing it without a server."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from hub.assembly.files import Files
from hub.model.audit import AuditEntry
from hub.model.clock import Clock, iso
from hub.model.errors import HubError
from hub.model.executor import Executor, ScheduleTrigger
from hub.model.plan import Plan, PlannedChange
from hub.model.schedule import StoredSchedule
from hub.model.values import digest
from hub.store import Store
from hub.triggers.record_events.choosing import watched_at
from hub.triggers.record_events.wanted import wanted
from hub.triggers.record_events.watched import Watched
from hub.triggers.schedule.loop import Scheduler, definition
from hub.triggers.schedule.upcoming import upcoming

_DOES: Mapping[str, Literal["add", "change", "remove"]] = {"create": "add", "replace": "change", "drop": "remove"}


def executor_hash(executor: Executor) -> str:
    """Of what an executor says; comments and order of keys are not in it."""
    return digest(repr(replace(executor, positions={}, source="")))[:32]


@dataclass(frozen=True, slots=True)
class Planning:
    """Of one project. `files` are those of the moment."""

    files: Callable[[], Files]
    store: Store
    clock: Clock

    async def plan(self) -> Plan:
        """What the files would change. Nothing is changed."""
        files = self.files()
        executors, put, gone = _executors(files, await self.store.applied_executors())
        schedules = _schedules(files.executors, await self.store.schedules(), self.clock.now())
        triggers, troubles = await self._triggers(files)
        return Plan((*executors, *schedules, *triggers), put, gone, tuple(troubles))

    async def executors(self) -> Plan:
        """The part of it that looks at no database."""
        files = self.files()
        executors, put, gone = _executors(files, await self.store.applied_executors())
        return Plan(tuple(executors), put, gone)

    async def apply(self, plan: Plan, entry: AuditEntry | None) -> None:
        """Do it. Raises HubError for the first database whose triggers cannot be made."""
        files = self.files()
        scheduler = Scheduler(self.store, self.clock, lambda: files.executors, lambda: None)
        await scheduler.sync_definitions()
        tables = wanted(files.executors)
        async with _databases(files, self.clock) as databases:
            for name, watched in databases.items():
                if name in tables or any(
                    one.name.startswith(f"{name}.") for one in plan.changes if one.kind == "trigger"
                ):
                    await watched.install(tables.get(name, {}))
        await self.store.apply_executors(plan.put, plan.gone, entry, said(plan))

    async def _triggers(self, files: Files) -> tuple[list[PlannedChange], list[str]]:
        tables = wanted(files.executors)
        found: list[PlannedChange] = []
        troubles: list[str] = []
        async with _databases(files, self.clock) as databases:
            for name, watched in databases.items():
                try:
                    planned = await watched.plan(tables.get(name, {}))
                except HubError as error:
                    # Where nothing is wanted and nothing can be asked, nothing changes.
                    troubles += [str(error)] if name in tables else []
                    continue
                found += [
                    PlannedChange("trigger", _DOES[one.action], f"{name}.{one.table}", f"{one.kind}: {one.reason}")
                    for one in planned.changes
                ]
        return found, troubles


def said(plan: Plan) -> str:
    """A plan in one line, for the audit log."""
    words = [f"{one.action} {one.kind} {one.name}" for one in plan.changes]
    return ", ".join(words) or "nothing"


def _executors(
    files: Files, applied: Mapping[str, str]
) -> tuple[list[PlannedChange], tuple[tuple[str, str], ...], tuple[str, ...]]:
    """A file that cannot be read changes nothing: what it said last stays."""
    now = {executor.name: executor for executor in files.executors}
    put = tuple((name, hashed) for name, one in now.items() if applied.get(name) != (hashed := executor_hash(one)))
    gone = tuple(sorted(applied.keys() - now.keys() - files.broken))
    changes = [
        PlannedChange("executor", "change" if name in applied else "add", name, _target(now[name])) for name, _ in put
    ]
    return [*changes, *[PlannedChange("executor", "remove", name) for name in gone]], put, gone


def _target(executor: Executor) -> str:
    invoker = executor.invoker
    acting = "anonymous" if invoker is None else f"{invoker.auth_namespace}/{invoker.name}"
    return f"{executor.kind}, acts as {acting}" + (", disabled" if executor.disabled else "")


def _schedules(executors: Sequence[Executor], stored: Sequence[StoredSchedule], now: int) -> list[PlannedChange]:
    rows = {row.executor: row.definition for row in stored}
    found = []
    due = {one.name: one.trigger for one in executors if isinstance(one.trigger, ScheduleTrigger) and not one.disabled}
    for name, trigger in due.items():
        if rows.get(name) == definition(trigger):
            continue
        first = upcoming(trigger, now, 1)
        detail = f"next at {iso(first[0].at)}" if first else "never due again"
        found.append(PlannedChange("schedule", "change" if name in rows else "add", name, detail))
    return [*found, *[PlannedChange("schedule", "remove", name) for name in sorted(rows.keys() - due.keys())]]


@contextlib.asynccontextmanager
async def _databases(files: Files, clock: Clock) -> AsyncIterator[Mapping[str, Watched]]:
    """Those of config/hub.yaml that can be watched."""
    config = files.config
    opened: dict[str, Watched] = {}
    for name, url in () if config is None else config.databases.items():
        watched = watched_at(name, url, files.root, clock)
        if watched is not None:
            opened[name] = watched
    try:
        yield opened
    finally:
        for watched in opened.values():
            await watched.close()
