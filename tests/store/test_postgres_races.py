"""Two nodes at the same moment: one has done something and not committed it yet when the other does its part.

Each story is played in both orders. What it promises must hold in both, and must not hold once the lock is taken away on which it
rests.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from kit import PATIENCE, FakeClock

from hub.model.event import Delivery, NewEvent, Outcome
from hub.model.execution import Checkpoint, JobStatus, Settled, StartRequest, Status
from hub.model.schedule import Slot
from hub.model.wait import Resolution, Signal, WaitKind, WaitRequest
from hub.store import open_store
from hub.store.answers import RESOLVE, SIGNAL
from hub.store.checkpoints import CHECKPOINT, CallWrite
from hub.store.claims import CLAIM, Claimable, ClaimRequest
from hub.store.dialects import postgres_sql
from hub.store.dialects.postgres import PostgresDialect
from hub.store.dialects.postgres_writing import PostgresConnection, PostgresTx
from hub.store.events import DISPATCH, STORE_EVENT, Dispatched, arrival
from hub.store.executions import CANCEL, RESCUE, SETTLE, START, Move, Rescue
from hub.store.replays import REPLAY
from hub.store.schedules import RECORD_SLOTS, RecordSlots
from hub.store.verbs import Mixed, Verb
from hub.store.waits import PARK, WAIT, Park

Step = tuple[Verb[Any, Any], Any]


class Nodes:
    """Two connections to one database."""

    def __init__(self, url: str) -> None:
        asyncio.run(open_store(url, FakeClock()).close())
        dialect = PostgresDialect(url)
        self.first: PostgresConnection = dialect.connect()
        self.second: PostgresConnection = dialect.connect()
        self._looking = psycopg.connect(url, autocommit=True)

    def do(self, *steps: Step) -> list[Any]:
        """Each in a transaction of its own, one after the other; the answers."""
        return [self._apply(self.first, step) for step in steps]

    def meet(self, first: Step, second: Step) -> tuple[Any, Any]:
        """The second one begins when the first has been applied, and the first is committed when the second has come as far as it can."""
        applied = threading.Event()
        answers: dict[str, Any] = {}

        def node() -> None:
            applied.wait(PATIENCE)
            answers["second"] = self._apply(self.second, second)

        thread = threading.Thread(target=node)
        thread.start()
        tx = self.first.begin()
        try:
            (answers["first"],) = first[0].apply(tx, [first[1]])
            tx.rows("SELECT 1")  # everything is sent
        finally:
            applied.set()
            while thread.is_alive() and not self._second_waits_for_first():
                thread.join(0.005)
            self.first.commit()
            thread.join(PATIENCE)
        return answers["first"], answers["second"]

    def _second_waits_for_first(self) -> bool:
        assert self.first._link is not None
        assert self.second._link is not None
        of_both = (self.first._link.backend, self.second._link.backend)
        row = self._looking.execute("SELECT %s = ANY(pg_blocking_pids(%s))", of_both).fetchone()
        assert row is not None
        return bool(row[0])

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return self.first.raw.rows(sql)

    def close(self) -> None:
        self.first.close()
        self.second.close()
        self._looking.close()

    @staticmethod
    def _apply(connection: PostgresConnection, step: Step) -> Any:
        verb, item = step
        tx = connection.begin()
        try:
            (answer,) = verb.apply(tx, [item])
        except Mixed:
            answer = None
        connection.commit()
        return answer


@pytest.fixture
def nodes(postgres_url: str) -> Iterator[Nodes]:
    made = Nodes(postgres_url)
    yield made
    made.close()


def start(name: str, workflow: str = "orders", key: str = "") -> Step:
    return START, StartRequest(name, workflow, "{}", None, 5, concurrency_key=key)


def claim(node: str, slots: int = 9, **limits: Any) -> Step:
    return CLAIM, ClaimRequest(node, (Claimable("orders", "r", **limits),), slots, 10)


def wait(name: str, kind: WaitKind, key: str) -> Step:
    return WAIT, WaitRequest(name, 1, "main/wait", "it", kind, key, "{}", "h", 10)


def park(name: str) -> Step:
    return PARK, Park(name, 1, 10, ("main/wait",), "waits")


def settle(name: str) -> Step:
    return SETTLE, Settled(name, 1, Status.SUCCESS, 10, result="1")


ANSWER = RESOLVE, Resolution("E1", "approval", "true", 10, "ada")
ASK = wait("E1", WaitKind.POINT, "approval")


def _limit(nodes: Nodes, flip: bool) -> bool:
    nodes.do(start("E1"), start("E2"))
    nodes.meet(claim("node-1", 1, limit=1), claim("node-2", 1, limit=1))
    return nodes.rows("SELECT count(*) FROM executions WHERE status = 'RUNNING'") == [(1,)]


def _limit_of_a_key(nodes: Nodes, flip: bool) -> bool:
    nodes.do(start("E1", key="a"), start("E2", key="a"))
    nodes.meet(claim("node-1", 1, limit=1, by_key=True), claim("node-2", 1, limit=1, by_key=True))
    return nodes.rows("SELECT count(*) FROM executions WHERE status = 'RUNNING'") == [(1,)]


def _next_of_a_key_goes(nodes: Nodes, flip: bool) -> bool:
    """Whoever is next is cancelled while room is made for it: the one behind it begins."""
    nodes.do(*[start(name, key=key) for name, key in (("E1", "a"), ("E2", "a"), ("E3", "a"), ("E4", "b"), ("E5", "b"))])
    once = claim("node-1", limit=1, by_key=True)
    nodes.do(once, once, settle("E1"))
    nodes.meet(*_in_order(flip, (CANCEL, Move("E2", 10)), once))
    nodes.do(once)
    return nodes.rows("SELECT id FROM executions WHERE status = 'RUNNING' ORDER BY id") == [("E3",), ("E4",)]


def _in_order(flip: bool, one: Step, other: Step) -> tuple[Step, Step]:
    return (other, one) if flip else (one, other)


def _question_and_answer(nodes: Nodes, flip: bool) -> bool:
    nodes.do(start("E1"), claim("node-1"))
    nodes.meet(*_in_order(flip, ASK, ANSWER))
    return nodes.rows("SELECT state FROM waits") == [("RESOLVED",)]


def _signal(nodes: Nodes, flip: bool) -> bool:
    nodes.do(start("E1"), claim("node-1"))
    nodes.meet(*_in_order(flip, wait("E1", WaitKind.SIGNAL, "paid"), (SIGNAL, Signal("S1", "paid", "1", 10))))
    return nodes.rows("SELECT state FROM waits") == [("RESOLVED",)]


def _end_of_a_child(nodes: Nodes, flip: bool) -> bool:
    nodes.do(start("E1"), start("E2"), claim("node-1"))
    nodes.meet(*_in_order(flip, wait("E1", WaitKind.EXECUTION, "E2"), settle("E2")))
    return nodes.rows("SELECT state FROM waits") == [("RESOLVED",)]


def _parked_and_answered(nodes: Nodes, flip: bool) -> bool:
    nodes.do(start("E1"), claim("node-1"), ASK)
    nodes.meet(*_in_order(flip, park("E1"), ANSWER))
    return nodes.rows("SELECT due_at IS NOT NULL FROM executions") == [(True,)]


def _late_checkpoint(nodes: Nodes, flip: bool) -> bool:
    """Somebody takes an execution over while its worker stores what a call gave."""
    call = Checkpoint("main/call", "call", JobStatus.SUCCESS, "{}", "h", result="1", started_at=1, finished_at=2)
    nodes.do(start("E1"), claim("node-1"), (RESCUE, Rescue(10, ("node-1",))))
    take_over, store = claim("node-2"), (CHECKPOINT, CallWrite("E1", 1, call))
    _, second = nodes.meet(*_in_order(flip, take_over, store))
    known = [call.path for one in (second or []) for call in one.history] if flip else []
    stored = bool(nodes.rows("SELECT 1 FROM checkpoints"))
    taken = nodes.rows("SELECT epoch FROM executions") == [(2,)]
    # Stored, and whoever takes over knows of it; or refused.
    return not (taken and stored) or known == ["main/call"]


def _same_delivery(nodes: Nodes, flip: bool) -> bool:
    arrivals = [arrival(NewEvent("webhook:x", "k", "webhook", 1, {}), 5, f"V{number}") for number in (1, 2)]
    first, second = nodes.meet((STORE_EVENT, arrivals[0]), (STORE_EVENT, arrivals[1]))
    return (first.id, second.id, second.duplicate) == ("V1", "V1", True)


def _delivery_whose_key_is_free_again(nodes: Nodes, flip: bool) -> bool:
    def come(name: str, at: int) -> Step:
        return STORE_EVENT, arrival(NewEvent("webhook:x", "k", "webhook", 1, {}, window=10), at, name)

    nodes.do(come("V0", 5))
    first, second = nodes.meet(come("V1", 100), come("V2", 100))
    return (first.id, second.id, second.duplicate) == ("V1", "V1", True)


def _slot(nodes: Nodes, flip: bool) -> bool:
    slot = Slot(60_000, NewEvent("schedule:nightly", "60000", "schedule", 60_000, {}), None, "on time.")
    record = RECORD_SLOTS, RecordSlots("nightly", (slot,), 120_000, 60_000, 60_001)
    return nodes.meet(record, record) == (1, 0) and nodes.rows("SELECT count(*) FROM events") == [(1,)]


def _delivery(number: int = 1) -> Dispatched:
    made = Delivery("V1.x", "V1", "x", Outcome.STARTED, "started.", 5, f"E{number}")
    return Dispatched("V1", (made,), (StartRequest(f"E{number}", "orders", "{}", None, 5),))


def _dispatch(nodes: Nodes, flip: bool) -> bool:
    nodes.do((STORE_EVENT, arrival(NewEvent("webhook:x", "k", "webhook", 1, {}), 5, "V1")))
    both = nodes.meet((DISPATCH, _delivery(1)), (DISPATCH, _delivery(2)))
    return both == (True, False) and nodes.rows("SELECT id FROM executions") == [("E1",)]


def _replay(nodes: Nodes, flip: bool) -> bool:
    nodes.do((STORE_EVENT, arrival(NewEvent("webhook:x", "k", "webhook", 1, {}), 5, "V1")))
    nodes.meet((REPLAY, _delivery(1)), (REPLAY, _delivery(2)))
    return nodes.rows("SELECT id FROM deliveries ORDER BY id") == [("V1.x",), ("V1.x#2",)]


STORIES: list[Callable[[Nodes, bool], bool]] = [
    _limit,
    _limit_of_a_key,
    _next_of_a_key_goes,
    _question_and_answer,
    _signal,
    _end_of_a_child,
    _parked_and_answered,
    _late_checkpoint,
    _same_delivery,
    _delivery_whose_key_is_free_again,
    _slot,
    _dispatch,
    _replay,
]


@pytest.mark.parametrize("flip", [False, True], ids=["one first", "the other first"])
@pytest.mark.parametrize("story", STORIES)
def test_both_are_right(nodes: Nodes, story: Callable[[Nodes, bool], bool], flip: bool) -> None:
    assert story(nodes, flip)


def _no_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PostgresTx, "hold", lambda _self, _executions: None)


def _no_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PostgresTx, "lock", lambda _self, _name: None)


def _any_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PostgresTx, "try_lock", lambda _self, _name: True)


def _nothing_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_sql, "_HELD", postgres_sql._HELD.replace(" FOR NO KEY UPDATE", ""))
    postgres_sql.bulk_text.cache_clear()


@pytest.mark.parametrize(
    ("story", "flip", "plant"),
    [
        (_limit, False, _any_lock),
        (_question_and_answer, False, _no_hold),
        (_signal, False, _no_lock),
        (_end_of_a_child, True, _no_hold),
        (_parked_and_answered, False, _no_hold),
        (_late_checkpoint, False, _nothing_held),
        (_replay, False, _no_lock),
    ],
)
def test_without_its_lock_each_goes_wrong(
    nodes: Nodes,
    monkeypatch: pytest.MonkeyPatch,
    story: Callable[[Nodes, bool], bool],
    flip: bool,
    plant: Callable[[pytest.MonkeyPatch], None],
) -> None:
    plant(monkeypatch)
    try:
        assert not story(nodes, flip)
    finally:
        postgres_sql.bulk_text.cache_clear()
