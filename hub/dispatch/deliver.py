"""The dispatcher: from stored events to recorded deliveries and start requests, each event exactly once."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hub.dispatch.facts import args_of, context_of
from hub.dispatch.match import Bindings
from hub.dispatch.preview import Preview
from hub.engine.registry import Registry
from hub.engine.starting import start_request
from hub.engine.surroundings import Surroundings
from hub.engine.waking import Waker
from hub.expressions import Evaluated, Evaluator, Request, Scope
from hub.model.audit import AuditEntry
from hub.model.clock import Clock, new_id
from hub.model.errors import HubError, NotFound, Refused
from hub.model.event import Delivery, Event, Outcome, delivery_id
from hub.model.execution import StartRequest
from hub.model.executor import ScheduleTrigger
from hub.store import Store
from hub.store.events import Dispatched
from hub.store.undispatched import WHOLE
from hub.targets.target import Aim, aim

log = logging.getLogger(__name__)

#: Events that are decided and recorded together: few enough that whoever comes in between does not wait long.
BATCH = 40
_POLL_SECONDS = 1.0
#: How often a dispatcher that rests from a flood looks for what others have sent.
_LOOK_SECONDS = 0.005
_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Rules:
    """What events are held against. Replaced as a whole when files change."""

    bindings: Bindings
    registry: Registry
    surroundings: Surroundings


@dataclass(frozen=True, slots=True)
class _Meeting:
    """One event and one executor, with what its expressions are asked."""

    event: Event
    executor: str
    aim: Aim
    condition: str | None


class Dispatcher:
    """Holds new events against the executors."""

    def __init__(self, store: Store, evaluator: Evaluator, clock: Clock, rules: Rules) -> None:
        self._store = store
        self._evaluator = evaluator
        self._clock = clock
        self.rules = rules
        self.waker = Waker()
        #: What this node takes first, where several dispatch.
        self.part = WHOLE
        #: The source that had its turn last.
        self._behind = ""
        #: Sources that filled the last batch: the others come before them.
        self._crowd: frozenset[str] = frozenset()
        #: Seconds to rest from a flood after a batch that took so many seconds: when something else comes first.
        self.rest: Callable[[float], float] = lambda _worked: 0.0

    async def run_once(self) -> int:
        """Dispatch events that nobody has dispatched, the oldest of each source; how many those were."""
        ahead = await self._dispatch_others()
        events, paused, self._behind = await self._store.undispatched(BATCH, self._behind, self.part)
        given = Counter(event.source for event in events)
        full = len(events) == BATCH
        self._crowd = frozenset(source for source in given if full and given[source] >= BATCH // len(given))
        await self._dispatch(events, paused)
        return ahead + len(events)

    async def _dispatch_others(self) -> int:
        """What did not come from those who flood."""
        if not self._crowd:
            return 0
        events, paused, _ = await self._store.undispatched(BATCH, "", self.part, self._crowd)
        await self._dispatch(events, paused)
        return len(events)

    async def _dispatch(self, events: Sequence[Event], paused: Collection[str]) -> None:
        if not events:
            return
        rules = self.rules
        dispatched = await self._decide(
            rules,
            [(event, rules.bindings.concerned(event)) for event in events],
            paused,
            lambda event, name: delivery_id(event.id, name),
        )
        await asyncio.gather(*[self._store.dispatch(one) for one in dispatched])

    async def serve(self, stop: asyncio.Event) -> None:
        """Dispatch whenever somebody rings or a second has passed."""
        self.waker.bind()
        while not stop.is_set():
            try:
                done = await self._run_and_rest()
            except HubError as error:
                log.warning("dispatch failed, trying again: %s", error)
                done = 0
            except Exception:
                log.exception("dispatch failed by a fault of the hub, trying again")
                done = 0
            if done < BATCH:
                await self.waker.wait(_POLL_SECONDS)

    async def _run_and_rest(self) -> int:
        """What others send meanwhile does not wait until it has rested."""
        begun = self._clock.monotonic()
        done = await self.run_once()
        rested = self._clock.monotonic() + (self.rest(self._clock.monotonic() - begun) if done else 0)
        while (left := rested - self._clock.monotonic()) > 0:
            await self._clock.sleep(min(left, _LOOK_SECONDS) if self._crowd else left)
            await self._dispatch_others()
        return done

    async def replay(
        self,
        event: Event,
        executors: Sequence[str] | None = None,
        entry: AuditEntry | None = None,
        key: str | None = None,
    ) -> list[Delivery]:
        """Hold an event against its executors again, as the files are now; each delivery is a new one.

        Without names: every executor that it concerns. What was started under the same `key` before is not started again.
        """
        rules = self.rules
        names = list(executors) if executors is not None else rules.bindings.concerned(event)
        paused = await self._store.paused_executors()
        # Whoever replays means it: each time starts another execution, unless a key says that it is the same time.
        again = new_id(self._clock.now()) if key is None else f"by {key}"
        (dispatched,) = await self._decide(
            rules, [(event, names)], paused, lambda one, name: f"{delivery_id(one.id, name)}/replay/{again}"
        )
        return await self._store.replay(dispatched, entry)

    async def preview(self, event: Event, name: str) -> Preview:
        """What would become of an event at one executor that there is, a pause aside. Nothing is stored, and nothing begins."""
        # A right that is only tried counts for nobody as one that is used.
        rules = replace(self.rules, surroundings=replace(self.rules.surroundings, used=lambda *_: None))
        (dispatched,) = await self._decide(rules, [(event, [name])], (), lambda one, to: delivery_id(one.id, to))
        (delivery,) = dispatched.deliveries
        reason = f"it would start {dispatched.starts[0].workflow}." if dispatched.starts else delivery.reason
        meeting = self._meeting(rules, event, name)
        if not isinstance(meeting, _Meeting):
            return Preview(event, delivery.outcome, reason, None, None)
        condition, variables = meeting.condition, meeting.aim.variables
        asked = [_request(rules, event, condition, None), _request(rules, event, None, variables)]
        alone = await self._evaluator.evaluate(asked)
        return Preview(
            event,
            delivery.outcome,
            reason,
            None if condition is None else alone[0],
            None if variables is None else alone[1],
        )

    async def _decide(
        self,
        rules: Rules,
        met: Sequence[tuple[Event, Sequence[str]]],
        paused: Collection[str],
        key: Callable[[Event, str], str],
    ) -> list[Dispatched]:
        """Deliveries and start requests of these events; all expressions go to the evaluator in one round trip."""
        deliveries: dict[str, list[Delivery]] = {event.id: [] for event, _ in met}
        starts: dict[str, list[StartRequest]] = {event.id: [] for event, _ in met}
        meetings: list[_Meeting] = []
        for event, names in met:
            for name in names:
                held = rules.bindings.held_back(name, event, paused)
                if held is None:
                    meeting = self._meeting(rules, event, name)
                    if isinstance(meeting, _Meeting):
                        meetings.append(meeting)
                        continue
                    held = meeting
                deliveries[event.id].append(self._delivery(event, name, *held))
        for meeting, answer in zip(meetings, await self._evaluate(rules, meetings), strict=True):
            delivery, start = self._conclude(rules, meeting, answer, key(meeting.event, meeting.executor))
            deliveries[meeting.event.id].append(delivery)
            if start is not None:
                starts[meeting.event.id].append(start)
        return [Dispatched(event.id, tuple(deliveries[event.id]), tuple(starts[event.id])) for event, _ in met]

    @staticmethod
    def _meeting(rules: Rules, event: Event, name: str) -> _Meeting | tuple[Outcome, str]:
        executor = rules.bindings.executors[name]
        try:
            return _Meeting(event, name, aim(executor), executor.condition)
        except HubError as error:
            return Outcome.FAILED, str(error)

    async def _evaluate(self, rules: Rules, meetings: Sequence[_Meeting]) -> list[Evaluated]:
        asked = [meeting for meeting in meetings if meeting.condition is not None or meeting.aim.variables is not None]
        requests = [_request(rules, one.event, one.condition, one.aim.variables) for one in asked]
        answers = iter(await self._evaluator.evaluate(requests) if asked else [])
        asked_ids = {id(meeting) for meeting in asked}
        return [
            next(answers) if id(meeting) in asked_ids else Evaluated(matched=True, variables={}) for meeting in meetings
        ]

    def _conclude(
        self, rules: Rules, meeting: _Meeting, answer: Evaluated, key: str
    ) -> tuple[Delivery, StartRequest | None]:
        """What became of one event at one executor."""
        evaluation: dict[str, Any] = {}
        if meeting.condition is not None:
            evaluation["condition"] = answer.condition_value
        if answer.error is not None:
            evaluation["error"] = str(answer.error)
            return self._delivery(meeting.event, meeting.executor, Outcome.FAILED, str(answer.error), evaluation), None
        if not answer.matched:
            reason = f"the condition {_short(meeting.condition or '')} was not met."
            return self._delivery(meeting.event, meeting.executor, Outcome.FILTERED, reason, evaluation), None
        evaluation["variables"] = answer.variables
        outcome, start = Outcome.STARTED, None
        try:
            start = self._start(rules, meeting, answer.variables, key)
            reason = f"execution {start.id} of {start.workflow} was started."
        except Refused as error:
            outcome, reason = Outcome.REJECTED, str(error)
        except NotFound as error:
            outcome, reason = Outcome.FAILED, str(error)
        except HubError as error:
            outcome, reason = Outcome.FAILED, f"the variables do not fit workflow {meeting.aim.workflow}: {error}"
        except Exception as error:  # noqa: BLE001 - a validator of the user's raised it: it is no other event's trouble
            outcome = Outcome.FAILED
            reason = f"the variables do not fit workflow {meeting.aim.workflow}: {type(error).__name__}: {error}"
        delivery = self._delivery(
            meeting.event, meeting.executor, outcome, reason, evaluation, None if start is None else start.id
        )
        return delivery, start

    def _start(self, rules: Rules, meeting: _Meeting, variables: Any, key: str) -> StartRequest:
        invoker = meeting.aim.invoker
        trigger = rules.bindings.executors[meeting.executor].trigger
        start = start_request(
            rules.registry,
            rules.surroundings,
            self._clock,
            workflow=meeting.aim.workflow,
            args=variables,
            invoker=None if invoker is None else rules.surroundings.machine_user(invoker),
            requested_by="executor",
            idempotency_key=key,
            executor=meeting.executor,
            event_id=meeting.event.id,
        )
        return replace(start, overlap=trigger.overlap) if isinstance(trigger, ScheduleTrigger) else start

    def _delivery(
        self,
        event: Event,
        executor: str,
        outcome: Outcome,
        reason: str,
        evaluation: Mapping[str, Any] | None = None,
        execution_id: str | None = None,
    ) -> Delivery:
        return Delivery(
            delivery_id(event.id, executor),
            event.id,
            executor,
            outcome,
            reason,
            self._clock.now(),
            execution_id,
            dict(evaluation or {}),
        )


def _request(rules: Rules, event: Event, condition: str | None, variables: Any) -> Request:
    scope = Scope(args_of(event), context_of(event), rules.surroundings.env, event.time, event.id)
    return Request(scope, condition, variables)


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
