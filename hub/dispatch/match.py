"""Which executors an event concerns: a pure decision."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from hub.model.event import Event, Outcome, among
from hub.model.executor import EventTrigger, Executor, WebhookTrigger


class Bindings:
    """The present executors, ordered for matching. Replaced as a whole when files change."""

    def __init__(self, executors: Iterable[Executor]) -> None:
        self.executors = {executor.name: executor for executor in executors}
        self._by_record: dict[tuple[str, str, str], list[Executor]] = {}
        for executor in self.executors.values():
            if isinstance(executor.trigger, EventTrigger):
                for kind in executor.trigger.types:
                    key = (executor.trigger.namespace, kind, executor.trigger.model)
                    self._by_record.setdefault(key, []).append(executor)

    def concerned(self, event: Event) -> list[str]:
        """Names of the executors that the event is for, whether they exist any more or not."""
        if event.executors:
            return list(event.executors)
        return [executor.name for executor in self._by_record.get((event.namespace, event.type, event.model), ())]

    def held_back(self, name: str, event: Event, paused: Collection[str]) -> tuple[Outcome, str] | None:
        """Why the executor does nothing with this event before its expressions are looked at; None: it may act.

        `paused`: the executors that a person has paused.
        """
        executor = self.executors.get(name)
        if executor is None:
            return Outcome.FAILED, f"there is no executor {name} any more, or its file cannot be read; see `hub check`."
        if executor.disabled:
            return Outcome.SKIPPED, "the executor is disabled in its file."
        if name in paused:
            return Outcome.PAUSED, f"the executor is paused; `hub executor resume {name}` lets it go on."
        trigger = executor.trigger
        if isinstance(trigger, WebhookTrigger) and trigger.events and not event.source.startswith("manual:"):
            if among(event.type, trigger.events):
                return None
            return Outcome.FILTERED, f'the event "{event.type}" is not among {", ".join(trigger.events)}.'
        return None
