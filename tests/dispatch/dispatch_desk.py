"""A dispatcher on a real store with the real evaluator, and events as the triggers make them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from kit import NOON, FakeClock

from hub.dispatch.deciding import Rules
from hub.dispatch.deliver import Dispatcher
from hub.dispatch.match import Bindings
from hub.engine.authoring import job, workflow
from hub.engine.registry import Registry
from hub.engine.surroundings import Surroundings
from hub.engine.workflow import Workflow
from hub.expressions import Evaluator
from hub.model.clock import iso
from hub.model.event import Delivery, NewEvent
from hub.model.execution import ExecutionRecord
from hub.model.executor import EventTrigger, Executor, ScheduleTrigger, Trigger, WebhookTrigger, WorkflowTarget
from hub.model.identity import InvokerRef, MachineUser
from hub.store import Store, open_store
from hub.targets.outgoing import Outgoing
from hub.targets.target import add_workflows

BOT = InvokerRef("main-auth", "workflow-bot")
VISITOR = InvokerRef("main-auth", "visitor")
USERS = {
    "main-auth": {
        "workflow-bot": MachineUser("main-auth", "workflow-bot", {"role": "worker"}, ("workflow:start:*",)),
        "visitor": MachineUser("main-auth", "visitor", {}, ("workflow:start:other-*",)),
    }
}

WEBHOOK = WebhookTrigger(verify={"preset": "github"})
CREATED = EventTrigger("shop", ("record.created",), "orders")
NIGHTLY = ScheduleTrigger("0 2 * * *")


@job
async def echo(input: dict[str, Any]) -> Any:
    return input


@job
async def lonely(input: dict[str, Any]) -> Any:
    return input


ECHOING = workflow("echoing", echo)


def executor(name: str, trigger: Trigger = WEBHOOK, variables: Any = "({})", **more: Any) -> Executor:
    """One that starts `echoing` as workflow-bot unless told otherwise."""
    target = more.pop("target", None) or WorkflowTarget("echoing", more.pop("invoker", BOT), variables)
    return Executor(name, trigger, target, **more)


def webhook(
    name: str, body: Any = None, /, *, type: str = "webhook", key: str | None = None, **payload: Any
) -> NewEvent:
    """A delivery as the intake stores it."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    whole = {"method": "POST", "query": {}, "headers": {"content-type": "application/json"}, **payload}
    return NewEvent(f"webhook:{name}", key, type, NOON, whole, body=raw, executors=(name,))


def row(kind: str, new: Any, old: Any = None, *, model: str = "orders", changed: Iterable[str] = ()) -> NewEvent:
    """A change as the outbox gives it."""
    payload = {"event": kind.split(".")[1], "new": new, "old": old, "changed": list(changed), "actor": None}
    return NewEvent("record:shop", None, kind, NOON, payload, namespace="shop", model=model)


def slot(name: str, at: int) -> NewEvent:
    payload = {"scheduledTime": iso(at), "previousTime": iso(at - 86_400_000), "nextTime": iso(at + 86_400_000)}
    return NewEvent(f"schedule:{name}", str(at), "schedule", at, payload, executors=(name,))


class Desk:
    """Nothing happens unless a test says so."""

    def __init__(
        self,
        url: str,
        evaluator: Evaluator,
        executors: Iterable[Executor],
        *,
        workflows: Iterable[Workflow[Any, Any]] = (ECHOING,),
        env: Mapping[str, Any] | None = None,
    ) -> None:
        self.clock = FakeClock()
        self.store: Store = open_store(url, self.clock)
        self._workflows = tuple(workflows)
        self._env = env or {}
        self.dispatcher = Dispatcher(self.store, evaluator, self.clock, self._rules(executors))

    def change(self, *executors: Executor) -> None:
        """The files were edited."""
        self.dispatcher.rules = self._rules(executors)

    async def happens(self, *events: NewEvent) -> list[list[Delivery]]:
        """The triggers have noticed something; the deliveries of each event, by executor."""
        stored = [await self.store.store_event(event) for event in events]
        assert await self.dispatcher.run_once() == len(events)
        return [await self.of(one.id) for one in stored]

    async def of(self, event_id: str) -> list[Delivery]:
        return sorted(await self.store.deliveries(event_ids=[event_id]), key=lambda one: one.id)

    async def happens_once(self, event: NewEvent) -> Delivery:
        ((delivery,),) = await self.happens(event)
        return delivery

    async def started(self, delivery: Delivery) -> ExecutionRecord:
        assert delivery.execution_id is not None, delivery
        found = await self.store.execution(delivery.execution_id)
        assert found is not None
        return found

    def _rules(self, executors: Iterable[Executor]) -> Rules:
        given = list(executors)
        registry = Registry(self._workflows, jobs=[lonely])
        add_workflows(registry, given, Outgoing, lambda _executor: str, lambda value: value)
        return Rules(Bindings(given), registry, Surroundings(env=self._env, machine_users=USERS))


Tell = Callable[..., Any]


def teller(url: str, evaluator: Evaluator) -> Tell:
    """`tell(story, *executors, **settings)`: play an async story at a desk with these executors."""

    def tell(story: Callable[[Desk], Awaitable[Any]], *executors: Executor, **settings: Any) -> Any:
        async def whole() -> Any:
            desk = Desk(url, evaluator, executors, **settings)
            try:
                return await story(desk)
            finally:
                await desk.store.close()

        return asyncio.run(whole())

    return tell
