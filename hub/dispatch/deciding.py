"""What becomes of an event at an executor: a delivery with its outcome and reason, and what is to be started.

Nothing is stored here and nothing begins: the dispatcher records what was decided, and a preview only shows it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from hub.dispatch.facts import args_of, context_of
from hub.dispatch.match import Bindings
from hub.dispatch.preview import Preview
from hub.engine.registry import Registry
from hub.engine.starting import start_request
from hub.engine.surroundings import Surroundings
from hub.expressions import Evaluated, Evaluator, Request, Scope
from hub.model.clock import Clock
from hub.model.errors import HubError, NotFound, Refused
from hub.model.event import Delivery, Event, Outcome, delivery_id
from hub.model.execution import StartRequest
from hub.model.executor import ScheduleTrigger
from hub.store.events import Dispatched
from hub.targets.target import Aim, aim

#: Characters of a condition that a reason quotes.
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

    @property
    def asks(self) -> bool:
        """It has something for the evaluator."""
        return self.condition is not None or self.aim.variables is not None


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What becomes of a meeting, or of an event that does not get as far as one."""

    outcome: Outcome
    reason: str
    #: What its expressions came to, as far as they were asked.
    evaluation: Mapping[str, Any] = field(default_factory=dict)
    start: StartRequest | None = None


class Decider:
    """Decides by the rules that it is given at each call: they may be replaced while it waits for the evaluator."""

    def __init__(self, evaluator: Evaluator, clock: Clock) -> None:
        self._evaluator = evaluator
        self._clock = clock

    async def decide(
        self,
        rules: Rules,
        met: Sequence[tuple[Event, Sequence[str]]],
        paused: Collection[str],
        key: Callable[[Event, str], str],
    ) -> list[Dispatched]:
        """Deliveries and start requests of these events; all expressions go to the evaluator in one round trip.

        `met`: each event with the names of the executors to hold it against. `paused`: those that a person has paused.
        `key`: the idempotency key of what one event starts by one executor.
        """
        deliveries: dict[str, list[Delivery]] = {event.id: [] for event, _ in met}
        starts: dict[str, list[StartRequest]] = {event.id: [] for event, _ in met}
        meetings: list[_Meeting] = []
        for event, names in met:
            for name in names:
                held = rules.bindings.held_back(name, event, paused)
                meeting = _meeting(rules, event, name) if held is None else _Verdict(*held)
                if isinstance(meeting, _Verdict):
                    deliveries[event.id].append(self._delivery(event, name, meeting))
                else:
                    meetings.append(meeting)
        for meeting, answer in zip(meetings, await self._evaluate(rules, meetings), strict=True):
            event, name = meeting.event, meeting.executor
            verdict = self._conclude(rules, meeting, answer, key(event, name))
            deliveries[event.id].append(self._delivery(event, name, verdict))
            if verdict.start is not None:
                starts[event.id].append(verdict.start)
        return [Dispatched(event.id, tuple(deliveries[event.id]), tuple(starts[event.id])) for event, _ in met]

    async def preview(self, rules: Rules, event: Event, name: str) -> Preview:
        """What would become of an event at one executor that there is, a pause aside. Nothing is stored, and nothing begins."""
        # A right that is only tried counts for nobody as one that is used.
        rules = replace(rules, surroundings=replace(rules.surroundings, used=lambda *_: None))
        (dispatched,) = await self.decide(rules, [(event, [name])], (), lambda one, to: delivery_id(one.id, to))
        (delivery,) = dispatched.deliveries
        reason = f"it would start {dispatched.starts[0].workflow}." if dispatched.starts else delivery.reason
        meeting = _meeting(rules, event, name)
        if isinstance(meeting, _Verdict):
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

    async def _evaluate(self, rules: Rules, meetings: Sequence[_Meeting]) -> list[Evaluated]:
        requests = [_request(rules, one.event, one.condition, one.aim.variables) for one in meetings if one.asks]
        answers = iter(await self._evaluator.evaluate(requests) if requests else [])
        return [next(answers) if one.asks else Evaluated(matched=True, variables={}) for one in meetings]

    def _conclude(self, rules: Rules, meeting: _Meeting, answer: Evaluated, key: str) -> _Verdict:
        evaluation = {} if meeting.condition is None else {"condition": answer.condition_value}
        if answer.error is not None:
            error = str(answer.error)
            return _Verdict(Outcome.FAILED, error, {**evaluation, "error": error})
        if not answer.matched:
            return _Verdict(
                Outcome.FILTERED, f"the condition {_short(meeting.condition or '')} was not met.", evaluation
            )
        evaluation["variables"] = answer.variables
        misfit = f"the variables do not fit workflow {meeting.aim.workflow}:"
        try:
            start = self._start_request(rules, meeting, answer.variables, key)
        except Refused as error:
            return _Verdict(Outcome.REJECTED, str(error), evaluation)
        except NotFound as error:
            return _Verdict(Outcome.FAILED, str(error), evaluation)
        except HubError as error:
            return _Verdict(Outcome.FAILED, f"{misfit} {error}", evaluation)
        except Exception as error:  # noqa: BLE001 - a validator of the user's raised it: it is no other event's trouble
            return _Verdict(Outcome.FAILED, f"{misfit} {type(error).__name__}: {error}", evaluation)
        reason = f"execution {start.id} of {start.workflow} was started."
        return _Verdict(Outcome.STARTED, reason, evaluation, start)

    def _start_request(self, rules: Rules, meeting: _Meeting, variables: Any, key: str) -> StartRequest:
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

    def _delivery(self, event: Event, executor: str, verdict: _Verdict) -> Delivery:
        return Delivery(
            delivery_id(event.id, executor),
            event.id,
            executor,
            verdict.outcome,
            verdict.reason,
            self._clock.now(),
            None if verdict.start is None else verdict.start.id,
            dict(verdict.evaluation),
        )


def _meeting(rules: Rules, event: Event, name: str) -> _Meeting | _Verdict:
    executor = rules.bindings.executors[name]
    try:
        return _Meeting(event, name, aim(executor), executor.condition)
    except HubError as error:
        return _Verdict(Outcome.FAILED, str(error))


def _request(rules: Rules, event: Event, condition: str | None, variables: Any) -> Request:
    scope = Scope(args_of(event), context_of(event), rules.surroundings.env, event.time, event.id)
    return Request(scope, condition, variables)


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
