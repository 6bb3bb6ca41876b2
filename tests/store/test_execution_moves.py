"""Executions only make legal moves, whatever is asked of them in whatever order."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from kit import FakeClock

from hub.model.errors import Conflict, ExecutionNotFound, Fenced
from hub.model.execution import ENDED, LEGAL_MOVES, Claimed, Settled, StartRequest, Status
from hub.store import executions, open_store
from hub.store.claims import Claimable, ClaimRequest
from hub.store.nodes import About
from hub.store.suspects import ALONE, Aboard, part

NODES = ["node-1", "node-2"]
SETTLED = [Status.SUCCESS, Status.FAILED, Status.PENDING_RETRY, Status.PENDING, Status.WAITING]
LIMIT = 2


@dataclass
class Known:
    """What the model believes of one execution."""

    status: Status = Status.PENDING
    epoch: int = 0
    attempts: int = 0
    due_at: int | None = 0
    owner: str | None = None
    #: Since when its workflow's timeout counts.
    timed_from: int | None = None
    key: str | None = None
    claims: list[Claimed] = field(default_factory=list)
    #: Workers in a row that died with it: nothing is ever finished here.
    crashes: int = 0


class Moves(RuleBasedStateMachine):
    """The store and a small model of it side by side."""

    limit: int | None = None

    @initialize()
    def open(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.clock = FakeClock(1_000)
        self.store = open_store("sqlite://", self.clock)
        self.known: dict[str, Known] = {}
        self.alive: dict[str, int] = {}
        self.deaths: list[int] = []

    def teardown(self) -> None:
        if hasattr(self, "loop"):
            self.wait(self.store.close())
            self.loop.close()

    def wait(self, coroutine):  # type: ignore[no-untyped-def]
        return self.loop.run_until_complete(coroutine)

    def refused(self, kind: type[Exception], coroutine) -> None:  # type: ignore[no-untyped-def]
        try:
            found = self.wait(coroutine)
        except kind:
            return
        raise AssertionError(f"{kind.__name__} was expected, not {found}")

    def pick(self, place: int) -> str:
        return sorted(self.known)[place % len(self.known)]

    def moved(self, one: Known, to: Status) -> None:
        assert to in LEGAL_MOVES[one.status], (one.status, to)
        one.status = to

    @rule(key=st.sampled_from([None, None, "k1", "k2"]), delay=st.sampled_from([0, 0, 50]))
    def start(self, key: str | None, delay: int) -> None:
        identifier = f"E{len(self.known):03}"
        due = self.clock.now() + delay
        request = StartRequest(identifier, "orders", "{}", None, self.clock.now(), idempotency_key=key, due_at=due)
        started = self.wait(self.store.start(request))
        first = next((known for known, one in self.known.items() if key is not None and one.key == key), None)
        if first is None:
            assert (started.id, started.created, started.status) == (identifier, True, Status.PENDING)
            self.known[identifier] = Known(due_at=due, key=key)
        else:
            assert (started.id, started.created, started.status) == (first, False, self.known[first].status)

    @rule(node=st.sampled_from(NODES), slots=st.integers(1, 3))
    def claim(self, node: str, slots: int) -> None:
        now = self.clock.now()
        request = ClaimRequest(node, (Claimable("orders", "r1", self.limit),), slots, now)
        claimed = self.wait(self.store.claim(request))
        due = [name for name, one in self.known.items() if one.due_at is not None and one.due_at <= now]
        room = slots
        if self.limit is not None:
            held = [one for one in self.known.values() if one.status is Status.RUNNING and one.due_at is None]
            room = min(slots, max(self.limit - len(held), 0))
        assert len(claimed) == min(len(due), room)
        assert {one.id for one in claimed} <= set(due)
        for found in claimed:
            one = self.known[found.id]
            fresh = one.status in (Status.PENDING_RETRY, Status.PENDING_RESUME)
            one.attempts += one.attempts == 0 or fresh
            one.epoch += 1
            one.crashes = one.crashes + 1 if one.status is Status.RUNNING else 0
            assert (found.epoch, found.attempt) == (one.epoch, one.attempts)
            assert (found.base_epoch == found.epoch) or not fresh
            if one.timed_from is None or one.status is Status.PENDING_RESUME:
                one.timed_from = now
            assert found.timed_from == one.timed_from
            self.moved(one, Status.RUNNING)
            one.owner, one.due_at = node, None
            one.claims.append(found)

    @precondition(lambda self: any(one.claims for one in self.known.values()))
    @rule(
        place=st.integers(0, 99), older=st.integers(0, 3), to=st.sampled_from(SETTLED), delay=st.sampled_from([0, 30])
    )
    def settle(self, place: int, older: int, to: Status, delay: int) -> None:
        held = sorted(name for name, one in self.known.items() if one.claims)
        name = held[place % len(held)]
        one = self.known[name]
        claim = one.claims[-1 - older % len(one.claims)]
        due = self.clock.now() + delay if to in (Status.PENDING_RETRY, Status.PENDING) else None
        settled = Settled(name, claim.epoch, to, self.clock.now(), due_at=due)
        if claim.epoch == one.epoch and one.status is Status.RUNNING:
            assert self.wait(self.store.settle(settled)) is to
            self.moved(one, to)
            one.due_at, one.owner = due, None
        else:
            self.refused(Fenced, self.store.settle(settled))

    @precondition(lambda self: self.known)
    @rule(place=st.integers(0, 99))
    def cancel(self, place: int) -> None:
        one = self.known[self.pick(place)]
        if Status.CANCELED in LEGAL_MOVES[one.status]:
            assert self.wait(self.store.cancel(self.pick(place))) is Status.CANCELED
            self.moved(one, Status.CANCELED)
            one.epoch, one.due_at, one.owner = one.epoch + 1, None, None
        else:
            self.refused(Conflict, self.store.cancel(self.pick(place)))

    @precondition(lambda self: self.known)
    @rule(place=st.integers(0, 99))
    def resume(self, place: int) -> None:
        one = self.known[self.pick(place)]
        if one.status in (Status.FAILED, Status.PENDING_RETRY):
            assert self.wait(self.store.resume(self.pick(place))) is Status.PENDING_RESUME
            self.moved(one, Status.PENDING_RESUME)
            one.due_at = self.clock.now()
        else:
            self.refused(Conflict, self.store.resume(self.pick(place)))

    @rule(node=st.sampled_from(NODES))
    def beat(self, node: str) -> None:
        self.wait(self.store.beat(node, About("host", 1), 100))
        self.alive[node] = self.clock.now() + 100

    @rule(node=st.sampled_from(NODES))
    def alone(self, node: str) -> None:
        self.wait(self.store.alone(node))
        self.alive = {name: until for name, until in self.alive.items() if name == node}

    @rule(dead=st.sampled_from([(), ("node-1",)]))
    def rescue(self, dead: tuple[str, ...]) -> None:
        now = self.clock.now()
        lost = [
            one
            for one in self.known.values()
            if one.status is Status.RUNNING
            and one.due_at is None
            and (self.alive.get(one.owner or "", 0) <= now or one.owner in dead)
        ]
        assert self.wait(self.store.rescue(dead)) == len(lost)
        for one in lost:
            one.due_at = now
        if lost:
            self._part_suspects(now)

    def _part_suspects(self, now: int) -> None:
        due = {name: one for name, one in self.known.items() if one.status is Status.RUNNING and one.due_at == now}
        aboard = [Aboard(name, one.owner or "", one.crashes) for name, one in due.items() if one.crashes]
        parting = part(aboard, len({one.owner for one in due.values()}), storm=len(self.deaths) >= 3)
        self.deaths += [now] * parting.unexplained  # nothing here lasts for a minute
        for name, crashes in parting.crashes.items():
            self.known[name].crashes = crashes
        for turn, together in enumerate(parting.turns):
            for name in together:
                self.known[name].due_at = now + turn * ALONE * 5 // 4

    @precondition(lambda self: any(one.status is Status.RUNNING for one in self.known.values()))
    @rule(node=st.sampled_from(NODES))
    def take_over(self, node: str) -> None:
        """Rare by chance alone, and where faults hide."""
        self.alone(node="nobody")
        self.rescue(dead=())
        self.claim(node=node, slots=3)

    @rule(ms=st.integers(1, 80))
    def time_passes(self, ms: int) -> None:
        self.clock.ms += ms

    @rule()
    def ask_for_what_is_not_there(self) -> None:
        for verb in (self.store.cancel, self.store.resume):
            self.refused(ExecutionNotFound, verb("nothing"))

    @invariant()
    def the_books_balance(self) -> None:
        if not hasattr(self, "known"):
            return
        found = {record.id: record for record in self.wait(self.store.executions(limit=1000))}
        assert found.keys() == self.known.keys()
        for name, one in self.known.items():
            record = found[name]
            assert (record.status, record.due_at, record.attempts) == (one.status, one.due_at, one.attempts)
            assert (record.finished_at is not None) == (one.status in ENDED)
        due = [one.due_at for one in self.known.values() if one.due_at is not None and one.due_at > self.clock.now()]
        assert self.wait(self.store.next_due(["orders"])) == min(due, default=None)


class LimitedMoves(Moves):
    limit = LIMIT


@pytest.mark.parametrize("machine", [Moves, LimitedMoves])
def test_moves(machine: type[Moves]) -> None:
    check(machine, examples=15)


def check(machine: type[Moves], *, examples: int, **how: object) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            **how,  # type: ignore[arg-type]
        ),
    )


@seed(3)  # one that does not take long
class SownMoves(Moves):
    """The same moves each time."""


def test_the_model_finds_a_planted_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    settle, fence = executions._SETTLE, " AND executions.status = 'RUNNING'"
    assert fence in settle.body
    monkeypatch.setattr(executions, "_SETTLE", replace(settle, body=settle.body.replace(fence, "")))
    with pytest.raises(AssertionError):
        check(SownMoves, examples=200, database=None, phases=(Phase.generate,))
