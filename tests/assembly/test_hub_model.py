"""The hub and a model of it say the same, whatever people, senders, programs, the clock and crashes do, in whatever order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hub_and_model import HubAndModel
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from hub.model.event import NewEvent
from hub.store import Store
from hub.triggers.record_events.drain import Drain

_HOW: dict[str, Any] = {"deadline": None, "database": None, "suppress_health_check": list(HealthCheck)}


def _play(examples: int, steps: int) -> None:
    run_state_machine_as_test(HubAndModel, settings=settings(max_examples=examples, stateful_step_count=steps, **_HOW))


@pytest.mark.timeout(600)
def test_hub_and_model_say_the_same() -> None:
    _play(8, 25)


def _starts_again_what_it_has_started(patch: pytest.MonkeyPatch) -> None:
    """An event counts as dispatched a little later than its executions are started."""
    dispatch = Store.dispatch

    async def in_two(self: Store, dispatched: Any) -> None:
        for start in dispatched.starts:
            await self.start(replace(start, idempotency_key=None))
        await dispatch(self, replace(dispatched, starts=()))

    patch.setattr(Store, "dispatch", in_two)


def _forgets_rows_too_soon(patch: pytest.MonkeyPatch) -> None:
    """A row's change is deleted from its outbox before the hub has it."""

    async def hand_over(self: Drain, rows: Sequence[Any]) -> None:
        await self._watched.delete(rows)
        await self._store(rows)
        self._stored = []

    patch.setattr(Drain, "_hand_over", hand_over)


def _knows_no_delivery_again(patch: pytest.MonkeyPatch) -> None:
    store_event = Store.store_event

    async def fresh(self: Store, event: NewEvent, **how: Any) -> Any:
        return await store_event(self, replace(event, key=None), **how)

    patch.setattr(Store, "store_event", fresh)


def _tell_a_story() -> None:
    """Deaths at each of the first moments of a request and of a row; and the request again."""
    machine = HubAndModel()
    machine.begin()
    try:
        for name in ("hook-a", "row-a"):
            machine.deploy_or_edit(name, 0)
        for moment in range(1, 10):
            machine.die_soon(moment)
            machine.post("hook-a", moment, 0)
            machine.post("hook-a", moment, 0)
            machine.die_soon(moment)
            machine.commit_a_row(0)
            machine.what_has_happened_was_noticed_once()
            machine.what_was_started_is_where_it_should_be()
    finally:
        machine.teardown()


@pytest.mark.parametrize("fault", [_starts_again_what_it_has_started, _forgets_rows_too_soon, _knows_no_delivery_again])
def test_a_planted_fault_in_the_hub_is_found(monkeypatch: pytest.MonkeyPatch, fault: Any) -> None:
    _tell_a_story()
    fault(monkeypatch)
    with pytest.raises(AssertionError):
        _tell_a_story()


@pytest.mark.long
@pytest.mark.timeout(7200)
def test_hub_and_model_say_the_same_for_long() -> None:
    _play(2_000, 50)
