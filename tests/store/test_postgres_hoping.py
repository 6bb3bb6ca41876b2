"""A flood is written as if all of it were new. When that is not so, everybody is told what he is told otherwise."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from kit import FakeClock
from postgres_proxy import Proxy

from hub.model.event import NewEvent, StoredEvent
from hub.model.execution import Started, StartRequest, Status
from hub.store import open_store
from hub.store.committing import Committer, Operation
from hub.store.dialects import postgres_hoping
from hub.store.dialects.base import Bulk, StoreInDoubt
from hub.store.dialects.postgres import PostgresDialect
from hub.store.dialects.postgres_hoping import Hope
from hub.store.dialects.postgres_link import Link, Statement
from hub.store.dialects.postgres_writing import PostgresConnection, PostgresTx
from hub.store.events import STORE_EVENTS, Arrival, arrival
from hub.store.executions import START
from hub.store.verbs import Verb

NEW = [[StoredEvent(f"E{number:02}", duplicate=False) for number in range(10)]]


def arrivals(*numbers: int, prefix: str = "E") -> list[Arrival]:
    """The deliveries of these numbers, as events of their own."""
    return [
        arrival(NewEvent("webhook:x", f"{number}", "push", 1, {}, body=b"%d" % number), 1, f"{prefix}{number:02}")
        for number in numbers
    ]


class Node:
    """A writer's connection, and how often it has asked the server for something."""

    def __init__(self, url: str) -> None:
        asyncio.run(open_store(url, FakeClock()).close())
        self.connection: PostgresConnection = PostgresDialect(url).connect()
        self._committer = Committer(self.connection)
        self.asked = 0

    def commit(self, *steps: tuple[Verb[Any, Any], Any]) -> list[Any]:
        batch = [Operation(verb, item) for verb, item in steps]
        self.asked = 0
        self._committer.commit(batch)
        return [operation.result for operation in batch]

    def store(self, items: Sequence[Arrival]) -> list[Any]:
        return self.commit((STORE_EVENTS, items))


@pytest.fixture
def node(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Node]:
    made = Node(postgres_url)
    exchange = Link.exchange

    def counted(link: Link, statements: Sequence[Statement]) -> list[Any]:
        made.asked += 1
        return exchange(link, statements)

    monkeypatch.setattr(Link, "exchange", counted)
    yield made
    made.connection.close()


def test_a_flood_of_new_ones_is_stored_and_committed_in_one_exchange(node: Node) -> None:
    assert (node.store(arrivals(*range(10))), node.asked) == (NEW, 1)
    assert node.connection.raw.rows("SELECT count(*) FROM events") == [(10,)]


def test_a_few_are_looked_at_so_that_a_usual_repetition_is_no_error_in_the_servers_log(node: Node) -> None:
    node.store(arrivals(1, 2, 3))
    assert node.asked == 2
    assert node.store(arrivals(3, prefix="F")) == [[StoredEvent("E03", duplicate=True)]]
    assert node.connection._hope.holds(10)


def test_where_one_of_them_is_not_new_each_is_told_what_became_of_his_own(node: Node) -> None:
    """Beside them another verb is in the same transaction; that is done once."""
    node.store(arrivals(*range(10)))
    start = StartRequest("X1", "orders", "{}", None, 5)
    told, repeated, started = node.commit(
        (STORE_EVENTS, arrivals(*range(10, 19))), (STORE_EVENTS, arrivals(3, 19, prefix="F")), (START, start)
    )
    assert told == [StoredEvent(f"E{number}", duplicate=False) for number in range(10, 19)]
    assert repeated == [StoredEvent("E03", duplicate=True), StoredEvent("F19", duplicate=False)]
    assert started == Started("X1", True, Status.PENDING)
    assert node.connection.raw.rows("SELECT count(*) FROM events") == [(20,)]


def test_behind_one_that_was_not_new_they_are_looked_at_for_a_while(node: Node) -> None:
    node.store(arrivals(*range(10)))
    node.store(arrivals(*range(10), prefix="F"))
    node.store(arrivals(*range(10, 20)))
    assert node.asked == 2


def test_hope_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(postgres_hoping.time, "monotonic", lambda: now)
    hope = Hope()
    assert (hope.holds(7), hope.holds(8)) == (False, True)
    hope.lost()
    now += 9.9
    assert not hope.holds(8)
    now += 0.1
    assert hope.holds(8)


def test_what_is_applied_by_itself_is_looked_at(node: Node) -> None:
    """One of the batch cannot be applied; the others are done each in a savepoint, and a failure there would be its caller's."""

    def fail(_tx: PostgresTx, _items: Sequence[None]) -> list[None]:
        raise ValueError("it cannot be applied")

    node.store(arrivals(*range(10)))
    bad: Verb[None, None] = Verb("bad", fail, order=9)  # type: ignore[arg-type]  # a verb of this test alone
    repeated, failed = node.commit((STORE_EVENTS, arrivals(*range(3, 13), prefix="F")), (bad, None))
    assert repeated == [
        *(StoredEvent(f"E{number:02}", duplicate=True) for number in range(3, 10)),
        *(StoredEvent(f"F{number}", duplicate=False) for number in range(10, 13)),
    ]
    assert isinstance(failed, ValueError)


def test_another_verbs_taken_key_is_that_verbs_own_error(node: Node) -> None:
    def take(tx: PostgresTx, items: Sequence[str]) -> list[str]:
        pause = Bulk("executor:text", "INSERT INTO executor_states (executor, paused) SELECT executor, 1 FROM v")
        tx.put(pause, [(item,) for item in items])
        tx.rows("SELECT 1")
        return list(items)

    taken: Verb[str, str] = Verb("take", take, order=9)  # type: ignore[arg-type]  # a verb of this test alone
    assert node.commit((taken, "x")) == ["x"]
    stored, refused = node.commit((STORE_EVENTS, arrivals(*range(10))), (taken, "x"))
    assert stored == NEW[0]
    assert "executor_states" in str(refused)


def test_what_is_sent_with_its_commit_is_all_or_nothing_without_a_word(node: Node) -> None:
    """The slip cannot be put, behind events that were."""
    node.connection.raw.run("ALTER TABLE commits ADD CONSTRAINT planted CHECK (number < 1)")
    try:
        with pytest.raises(Exception, match="planted"):
            node.store(arrivals(*range(10)))
        assert node.connection.raw.rows("SELECT count(*) FROM events") == [(0,)]
    finally:
        node.connection.raw.run("ALTER TABLE commits DROP CONSTRAINT planted")
    assert node.store(arrivals(*range(10))) == NEW


@pytest.mark.parametrize("asks", [True, False])
def test_what_is_sent_with_its_commit_happens_once_though_the_answer_is_cut(
    proxy: Proxy, asks: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And twice where nobody asks what became of it."""

    def count(tx: PostgresTx, items: Sequence[str]) -> list[None]:
        more = "INSERT INTO meta (key, value) SELECT key, '1' FROM v WHERE true ON CONFLICT (key) DO UPDATE SET value = meta.value || '1'"
        tx.put(Bulk("key:text", more), [(item,) for item in items])
        return [None for _ in items]

    def nothing_happened(connection: PostgresConnection) -> bool:
        connection._doubt = None
        return False

    if not asks:
        monkeypatch.setattr(PostgresConnection, "verdict", nothing_happened)
    counted: Verb[str, None] = Verb("count", count)  # type: ignore[arg-type]  # a verb of this test alone
    node = Node(proxy.url)
    key = f"cut {asks}"
    proxy.commits, proxy.cut_replies = node.connection._writer.encode(), 1
    batch = [Operation(counted, key)]
    with pytest.raises(StoreInDoubt):
        node._committer.commit(batch)
    node._committer.commit(batch)
    assert node.connection.raw.rows("SELECT value FROM meta WHERE key = ?", (key,)) == [("1" if asks else "11",)]
    node.connection.raw.run("DELETE FROM meta WHERE key = ?", (key,))
    node.connection.close()
