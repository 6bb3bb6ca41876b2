"""The one door: every verb that a face can ask of a hub. API, console and command line translate, and decide nothing."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from hub.drivers import ProjectDriver
from hub.engine.authoring import Job, Workflow
from hub.engine.resolving import Resolver
from hub.engine.starting import start_request
from hub.model.clock import iso
from hub.model.errors import BadInput, ExecutionNotFound, NotFound
from hub.model.event import Delivery, Event, NewEvent, Outcome
from hub.model.execution import ENDED, ExecutionRecord, LogLine, Started, Status
from hub.model.executor import EventTrigger, Executor, ScheduleTrigger, WebhookTrigger
from hub.model.identity import MachineUser
from hub.model.wait import WaitKind, WaitRecord, WaitState
from hub.triggers.schedule.upcoming import Instant, upcoming

#: 256 random bits in the URL of a `webhook: {}`.
_TOKEN_BYTES = 32
_LOOK_AGAIN = 0.05


class Client:
    """Asks one hub, through its driver."""

    def __init__(self, driver: ProjectDriver) -> None:
        self._driver = driver
        self._store = driver.store
        self._resolver = Resolver(
            driver.store, driver.clock, lambda: driver.surroundings, lambda: driver.registry.wait_points
        )

    # --- executors

    def executors(self) -> list[Executor]:
        """By name."""
        return [self._driver.executors[name] for name in sorted(self._driver.executors)]

    def executor(self, name: str) -> Executor:
        """Raises NotFound with the closest name."""
        if name not in self._driver.executors:
            raise NotFound("executor", name, self._driver.executors)
        return self._driver.executors[name]

    async def paused(self) -> set[str]:
        """Names of the executors that a person has paused."""
        return await self._store.paused_executors()

    async def pause_executor(self, name: str, *, paused: bool) -> None:
        self.executor(name)
        await self._store.pause(name, paused=paused)

    async def trigger_executor(self, name: str, data: Any = None, headers: Mapping[str, str] | None = None) -> Event:
        """Store an event for one executor by hand, as its trigger would.

        `data` is the body of a webhook; for a record event the new record, or {"newRecord", "oldRecord"}; for a
        schedule {"scheduledTime"}.
        """
        executor = self.executor(name)
        stored = await self._store.store_event(_manual(executor, data, headers or {}, self._driver.clock.now()))
        found = await self._store.event(stored.id)
        assert found is not None
        # Others may be before it. A server beside this dispatches them as well.
        while await self._driver.dispatch() and not await self._store.deliveries(event_ids=[stored.id]):
            pass
        return found

    async def deliveries(self, executor: str, limit: int = 50) -> list[Delivery]:
        """What became of the events that an executor met, newest first."""
        self.executor(executor)
        return await self._store.deliveries(executor=executor, limit=limit)

    async def delivery(self, delivery_id: str) -> Delivery:
        found = await self._store.delivery(delivery_id)
        if found is None:
            raise NotFound("delivery", delivery_id)
        return found

    async def webhooks(self) -> list[dict[str, Any]]:
        """Each webhook executor's URL: [{executor, url, disabled}]."""
        found = []
        for executor in self.executors():
            if isinstance(executor.trigger, WebhookTrigger):
                # Whoever shares another executor's webhook is reached where that one is.
                name = executor.trigger.source or executor.name
                path = f"/webhooks/{name}"
                there = self._driver.executors.get(name, executor).trigger
                if isinstance(there, WebhookTrigger) and there.verify is None:
                    path += "/" + await self._store.offer_token(name, secrets.token_urlsafe(_TOKEN_BYTES))
                found.append(
                    {
                        "executor": executor.name,
                        "url": self._driver.public_url + path,
                        "disabled": executor.disabled,
                    }
                )
        return found

    def next_slots(self, name: str, count: int) -> list[Instant]:
        """The next instants of a schedule, with what clock changes do to them."""
        trigger = self.executor(name).trigger
        if not isinstance(trigger, ScheduleTrigger):
            raise BadInput(f'executor "{name}" has no schedule: its trigger is of the kind {self.executor(name).kind}.')
        return upcoming(trigger, self._driver.clock.now(), count)

    # --- workflows

    def workflows(self) -> list[Workflow[Any, Any]]:
        """Those that people declared, by name."""
        found = self._driver.registry.workflows
        return [found[name] for name in sorted(found) if "." not in name]

    def workflow(self, name: str) -> Workflow[Any, Any]:
        return self._driver.registry.workflow(name)

    def revision(self, workflow: str) -> str:
        return self._driver.registry.revision(workflow)

    def jobs_of(self, workflow: str) -> list[Job[Any, Any]]:
        """The jobs that a workflow can reach, its main job first."""
        return self._driver.registry.jobs_of(workflow)

    def machine_user(self, name: str, namespace: str | None = None) -> MachineUser:
        return self._driver.surroundings.named_user(name, namespace)

    # --- executions

    async def start(
        self,
        workflow: str,
        args: Any = None,
        *,
        invoker: MachineUser | None = None,
        idempotency_key: str | None = None,
        requested_by: str = "cli",
    ) -> Started:
        """Start an execution. Raises NotFound, Refused, NotJson or InvalidArguments."""
        request = start_request(
            self._driver.registry,
            self._driver.surroundings,
            self._driver.clock,
            workflow=workflow,
            args=args,
            invoker=invoker,
            requested_by=requested_by,
            idempotency_key=idempotency_key,
        )
        return await self._store.start(request)

    async def execution(self, execution_id: str) -> ExecutionRecord:
        """With its jobs. Raises ExecutionNotFound."""
        found = await self._store.execution(execution_id)
        if found is None:
            raise ExecutionNotFound(execution_id)
        return found

    async def executions(
        self, *, workflow: str | None = None, status: str | None = None, executor: str | None = None, limit: int = 50
    ) -> list[ExecutionRecord]:
        """Newest first, without their jobs."""
        return await self._store.executions(workflow=workflow, status=status, executor=executor, limit=limit)

    async def resume(self, execution_id: str) -> Status:
        """Let a failed execution go on under its id. Raises ExecutionNotFound or Conflict."""
        return await self._store.resume(execution_id)

    async def cancel(self, execution_id: str) -> Status:
        """End an execution; after this no step of it is stored. Raises ExecutionNotFound or Conflict."""
        return await self._store.cancel(execution_id)

    async def wait(
        self, execution_id: str, *, seconds: float | None = None, poll: float = _LOOK_AGAIN
    ) -> ExecutionRecord:
        """Until it has ended. Raises TimeoutError, or ExecutionNotFound."""
        async with asyncio.timeout(seconds):
            while True:
                status = await self._store.status_of(execution_id)
                if status is None:
                    raise ExecutionNotFound(execution_id)
                if status in ENDED:
                    return await self.execution(execution_id)
                await self._driver.clock.sleep(poll)

    async def logs(self, execution_id: str, after: int = 0) -> list[tuple[int, LogLine]]:
        """Lines behind number `after`, each with its number."""
        return await self._store.logs(execution_id, after)

    async def follow_logs(self, execution_id: str) -> AsyncIterator[LogLine]:
        """Lines as they come, until the execution has ended."""
        after, ended = 0, False
        while True:
            lines = await self._store.logs(execution_id, after)
            for number, line in lines:
                after = number
                yield line
            if ended and not lines:
                return
            ended = await self._store.status_of(execution_id) in ENDED
            if not lines and not ended:
                await self._driver.clock.sleep(_LOOK_AGAIN)

    # --- wait points

    async def wait_points(
        self, *, execution_id: str | None = None, open_only: bool = True, limit: int = 50
    ) -> list[WaitRecord]:
        """Questions that executions ask, the newest first; `open_only`: those that nobody has answered."""
        return await self._store.waits(
            execution_id=execution_id, kind=WaitKind.POINT.value, open_only=open_only, limit=limit
        )

    async def resolve_wait_point(
        self, execution_id: str, key: str, answer: Any, *, user: MachineUser | None = None, by: str = "cli"
    ) -> WaitState:
        """Answer a wait point, once; WAITING: nobody has asked yet, and the answer is kept.

        A function is given the payload and returns the answer. With a machine user, that one needs
        `wait-point:resolve:NAME` and is recorded as who answered; else `by` is. Raises ExecutionNotFound, NotFound,
        InvalidArguments, NotJson, Refused or Conflict.
        """
        return await self._resolver.resolve(execution_id, key, answer, user=user, by=by)

    # --- events

    async def events(
        self,
        *,
        executor: str | None = None,
        outcome: str | None = None,
        since: int | None = None,
        limit: int = 50,
    ) -> list[tuple[Event, list[Delivery]]]:
        """Newest first, each with its deliveries."""
        if outcome is not None and outcome not in set(Outcome):
            raise NotFound("outcome", outcome, set(Outcome))
        events = await self._store.events(executor=executor, outcome=outcome, since=since, limit=limit)
        deliveries = await self._store.deliveries(event_ids=[event.id for event in events]) if events else []
        return [(event, [one for one in deliveries if one.event_id == event.id]) for event in events]

    async def event(self, event_id: str) -> tuple[Event, list[Delivery]]:
        """Raises NotFound."""
        found = await self._store.event(event_id)
        if found is None:
            raise NotFound("event", event_id)
        return found, await self._store.deliveries(event_ids=[event_id])

    async def replay(self, event_id: str, executors: Sequence[str] | None = None) -> list[Delivery]:
        """Hold an event against its executors again, as the files are now. Raises NotFound."""
        event, _ = await self.event(event_id)
        return await self._driver.replay(event, executors)


def _manual(executor: Executor, data: Any, headers: Mapping[str, str], now: int) -> NewEvent:
    """An event as the executor's trigger would have noticed it."""
    source, name = f"manual:{executor.name}", (executor.name,)
    trigger = executor.trigger
    match trigger:
        case WebhookTrigger():
            payload: dict[str, Any] = {
                "method": "POST",
                "query": {},
                "headers": {key.lower(): value for key, value in headers.items()},
                "body": data,
            }
            raw = b"" if data is None else json.dumps(data).encode()
            kind = "webhook"
            return NewEvent(source, None, kind, now, payload, body=raw, executors=name)
        case EventTrigger():
            whole = isinstance(data, dict) and ("newRecord" in data or "oldRecord" in data)
            new = data.get("newRecord") if whole else data
            old = data.get("oldRecord") if whole else None
            kind = trigger.types[0]
            changed = [key for key in new if old.get(key) != new[key]] if isinstance(new, dict) and old else []
            payload = {"event": kind.split(".")[1], "new": new, "old": old, "changed": changed, "actor": None}
            return NewEvent(
                source, None, kind, now, payload, namespace=trigger.namespace, model=trigger.model, executors=name
            )
        case ScheduleTrigger():
            moment = data.get("scheduledTime") if isinstance(data, dict) else None
            payload = {"scheduledTime": moment or iso(now), "previousTime": None, "nextTime": None}
            return NewEvent(source, None, "schedule", now, payload, executors=name)
