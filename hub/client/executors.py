"""Executors: what listens to what, events by hand, what became of them."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from typing import Any

from hub.client.events import origin
from hub.client.verbs import Verbs
from hub.dispatch.preview import Preview
from hub.model.clock import iso, new_id
from hub.model.errors import BadInput, NotFound
from hub.model.event import Delivery, Event, NewEvent
from hub.model.executor import EventTrigger, Executor, ScheduleTrigger, WebhookTrigger
from hub.model.identity import MachineUser
from hub.targets.target import aim
from hub.triggers.schedule.pausing import end_pause
from hub.triggers.schedule.upcoming import Instant, upcoming

#: 256 random bits in the URL of a `webhook: {}`.
_TOKEN_BYTES = 32
#: How far ahead of now slots are told, in milliseconds.
_FARTHEST = 100 * 366 * 86_400_000


class ExecutorVerbs(Verbs):
    """Executors: what listens to what, events by hand, what became of them."""

    def executors(self) -> list[Executor]:
        """By name."""
        found = [self._driver.executors[name] for name in sorted(self._driver.executors)]
        return self._visible("executor:read", found, lambda one: one.name)

    def executor(self, name: str) -> Executor:
        """Raises NotFound with the closest name."""
        self._require("executor:read", name)
        return self._declared(name)

    def invoker_of(self, name: str) -> MachineUser | None:
        """Whom an executor's executions act as, with attributes and rights as they are now. None: anonymous."""
        ref = aim(self.executor(name)).invoker
        if ref is None:
            return None
        try:
            return self._driver.surroundings.machine_user(ref)
        except NotFound:  # `hub check` says so; here it has a name and nothing else
            return MachineUser(ref.auth_namespace, ref.name)

    async def paused(self) -> set[str]:
        """Names of the executors that a person has paused."""
        self._require("executor:read")
        return await self._store.paused_executors()

    async def pause_executor(self, name: str, *, paused: bool) -> None:
        """Let its events come in and start nothing, or let it go on. Raises NotFound."""
        async with self._changing("executor:pause", name, f"executor {name}") as entry:
            executor = self._declared(name)
            if not paused:
                await end_pause(self._store, executor, self._driver.clock.now())
            await self._store.pause(name, paused=paused, entry=entry)

    async def trigger_executor(
        self,
        name: str,
        data: Any = None,
        headers: Mapping[str, str] | None = None,
        *,
        idempotency_key: str | None = None,
    ) -> Event:
        """Store an event for one executor by hand, as its trigger would. The same key again is the same event.

        `data` is the body of a webhook; for a record event the new record, or {"newRecord", "oldRecord"}; for a
        schedule {"scheduledTime"}.
        """
        async with self._changing("executor:trigger", name, f"executor {name}") as entry:
            event = _manual(self._declared(name), data, headers or {}, self._driver.clock.now())
            event = event._replace(key=idempotency_key)
            stored = await self._store.store_manual(event, entry)
        found = await self._store.event(stored.id)
        assert found is not None
        await self._dispatched(stored.id)
        return found

    async def trigger_and_see(
        self,
        name: str,
        data: Any = None,
        headers: Mapping[str, str] | None = None,
        *,
        idempotency_key: str | None = None,
    ) -> tuple[Event, list[Delivery]]:
        """The same, with what has become of the event so far: whoever may trigger an executor may know."""
        event = await self.trigger_executor(name, data, headers, idempotency_key=idempotency_key)
        return event, await self._store.deliveries(event_ids=[event.id])

    async def preview(
        self, name: str, event_id: str | None = None, data: Any = None, headers: Mapping[str, str] | None = None
    ) -> Preview:
        """What would become of a stored event at an executor, or of one made of `data` as `trigger_executor` does.

        Nothing is stored, and nothing begins. Raises NotFound.
        """
        executor = self.executor(name)
        if event_id is None:
            now = self._driver.clock.now()
            return await self._driver.preview(_sample(_manual(executor, data, headers or {}, now), now), name)
        self._require("event:read")
        event = await self._store.event(event_id)
        if event is None:
            raise NotFound("event", event_id)
        self._require("event:read", origin(event))
        return await self._driver.preview(event, name)

    async def deliveries(self, executor: str, limit: int = 50) -> list[Delivery]:
        """What became of the events that an executor met, newest first."""
        self.executor(executor)
        return await self._store.deliveries(executor=executor, limit=limit)

    async def delivery(self, delivery_id: str) -> Delivery:
        """Raises NotFound."""
        self._require("executor:read")
        found = await self._store.delivery(delivery_id)
        if found is None:
            raise NotFound("delivery", delivery_id)
        self._require("executor:read", found.executor)
        return found

    async def webhooks(self) -> list[dict[str, Any]]:
        """Each webhook executor's URL: [{executor, url, disabled}]. The token in it is a secret."""
        everything = [self._driver.executors[name] for name in sorted(self._driver.executors)]
        visible = self._visible("webhook:address", everything, lambda one: one.name)
        found, reached = [], await self._driver.reached()
        for executor in visible:
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
                        "url": reached + path,
                        "disabled": executor.disabled,
                    }
                )
        return found

    def next_slots(self, name: str, count: int, after: int | None = None) -> list[Instant]:
        """The next instants of a schedule, with what clock changes do to them; `after` an instant, or now. Raises BadInput."""
        self._require("schedule:read", name)
        executor = self._declared(name)
        trigger = executor.trigger
        if not isinstance(trigger, ScheduleTrigger):
            raise BadInput(f'executor "{name}" has no schedule: its trigger is of the kind {executor.kind}.')
        now = self._driver.clock.now()
        if after is not None and after > now + _FARTHEST:
            raise BadInput("nobody knows the clock changes of that time: ask for the next hundred years.")
        return upcoming(trigger, now if after is None else after, count)


def _sample(new: NewEvent, now: int) -> Event:
    """An event that was never stored."""
    return Event(
        new_id(now),
        new.source,
        None,
        new.type,
        now,
        now,
        new.payload,
        new.namespace,
        new.model,
        new.body,
        new.executors,
    )


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
