"""PostgreSQL: a committed change has exactly one event, a rolled back one has none: whatever dies, whoever writes."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from kit import PATIENCE
from postgres_cluster import Cluster
from record_postgres import PostgresShop
from record_stand_ins import ORDERS, DurableStore, Owner, lived_through

from hub.model.event import NewEvent, StoredEvent
from hub.triggers.record_events import postgres_outbox
from hub.triggers.record_events.drain import Drain
from hub.triggers.record_events.postgres import PostgresWatched
from hub.triggers.record_events.watched import OutboxRow


class PostgresOwner(Owner):
    """Says the same in the other dialect's words."""

    def run(self, statement: str, **values: Any) -> None:
        self.connection.execute(re.sub(r":(\w+)", r"%(\1)s", statement), values)


def _lived_through(shop: PostgresShop, owner: Owner, transactions: int) -> int:
    shop.run("SET synchronous_commit = off")
    return lived_through(shop, owner, transactions)


def _events(shop: PostgresShop) -> list[Any]:
    return [(one["event"], one["new"], one["old"]) for one in shop.store.payloads]


@pytest.mark.parametrize(
    "transactions", [500, pytest.param(50_000, marks=[pytest.mark.long, pytest.mark.timeout(1800)])]
)
def test_over_many_random_transactions_with_crashes_of_the_hub(pg_shop: PostgresShop, transactions: int) -> None:
    owner = PostgresOwner(pg_shop.owner, random.Random(f"commit and event {transactions}"))
    crashes = _lived_through(pg_shop, owner, transactions)
    assert _events(pg_shop) == owner.expected
    assert crashes > transactions / 60
    assert pg_shop.store.duplicates > 0
    assert pg_shop.waiting() == 0


def _deleted_before_it_is_stored(patch: pytest.MonkeyPatch) -> None:
    whole = postgres_outbox.read

    async def read(connection: Any, limit: int) -> Any:
        rows = await whole(connection, limit)
        if rows:
            await postgres_outbox.delete(connection, rows)
        return rows

    patch.setattr(postgres_outbox, "read", read)


def _stored_without_its_key(patch: pytest.MonkeyPatch) -> None:
    whole, counter = Drain._store, itertools.count()

    async def store(drain: Drain, rows: Sequence[OutboxRow]) -> None:
        await whole(drain, [replace(row, key=str(next(counter))) for row in rows])
        drain._stored = list(rows)

    patch.setattr(Drain, "_store", store)


def _written_outside_the_transaction(patch: pytest.MonkeyPatch) -> None:
    """As a trigger in a language with a connection of its own would: what is rolled back has an event all the same."""
    whole = PostgresOwner.run

    def run(owner: PostgresOwner, statement: str, **values: Any) -> None:
        whole(owner, "COMMIT" if statement == "ROLLBACK" else statement, **values)

    patch.setattr(PostgresOwner, "run", run)


@pytest.mark.parametrize(
    "plant",
    [_deleted_before_it_is_stored, _stored_without_its_key, _written_outside_the_transaction],
    ids=lambda plant: plant.__name__.strip("_"),
)
def test_the_transactions_find_planted_faults(
    pg_shop: PostgresShop, plant: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    owner = PostgresOwner(pg_shop.owner, random.Random("planted"))
    with contextlib.suppress(psycopg.Error):  # what was not rolled back may stand in the way of what comes
        _lived_through(pg_shop, owner, 400)
    assert _events(pg_shop) != owner.expected


def _writers(shop: PostgresShop, count: int, each: int) -> tuple[list[threading.Thread], list[int]]:
    """Writers side by side that hold their transactions open for a while: numbers drawn early are committed late."""
    committed: list[int] = []

    def write(name: int) -> None:
        chance = random.Random(name)
        with shop.connect() as connection:
            for number in range(each):
                identifier = name * 1_000_000 + number
                connection.execute("BEGIN")
                connection.execute("INSERT INTO orders (id) VALUES (%s)", [identifier])
                if chance.random() < 0.2:
                    connection.execute("SELECT pg_sleep(%s)", [chance.random() / 100])
                keep = chance.random() > 0.1
                connection.execute("COMMIT" if keep else "ROLLBACK")
                if keep:
                    committed.append(identifier)

    threads = [threading.Thread(target=write, args=(name,)) for name in range(count)]
    return threads, committed


async def _drained_meanwhile(shop: PostgresShop, drains: Sequence[Drain], threads: Sequence[threading.Thread]) -> None:
    for thread in threads:
        thread.start()

    async def until_done(drain: Drain) -> None:
        while any(thread.is_alive() for thread in threads) or await drain.run_once():
            await drain.run_once()
            await asyncio.sleep(0.001)

    await asyncio.gather(*[until_done(drain) for drain in drains])
    while shop.waiting():
        await drains[0].run_once()


def test_late_commits_and_several_nodes_lose_nothing_and_double_nothing(pg_shop: PostgresShop) -> None:
    threads, committed = _writers(pg_shop, 6, 60)

    async def story() -> None:
        await pg_shop.watched.install(ORDERS)
        nodes = [PostgresWatched("shop", pg_shop.url, pg_shop.clock) for _ in range(3)]
        await _drained_meanwhile(pg_shop, [Drain(node, pg_shop.store, batch=5) for node in nodes], threads)
        for node in [*nodes, pg_shop.watched]:
            await node.close()

    asyncio.run(story())
    assert sorted(one["new"]["id"] for one in pg_shop.store.payloads) == sorted(committed)
    assert len(committed) > 250


def test_a_drain_that_remembers_its_last_number_is_found_out(pg_shop: PostgresShop, monkeypatch) -> None:
    """The fault that taking rows by their state avoids."""
    last = 0
    whole = postgres_outbox.read

    async def beyond(connection: Any, limit: int) -> Any:
        nonlocal last
        rows = [row for row in await whole(connection, limit) if row.id > last]
        last = max([last, *[row.id for row in rows]])
        return rows

    monkeypatch.setattr(postgres_outbox, "read", beyond)
    first, second = pg_shop.connect(), pg_shop.connect()

    async def story() -> None:
        await pg_shop.watched.install(ORDERS)
        first.execute("BEGIN")
        first.execute("INSERT INTO orders (id) VALUES (1)")
        second.execute("INSERT INTO orders (id) VALUES (2)")
        await pg_shop.drain.run_once()
        first.execute("COMMIT")
        await pg_shop.drain.run_once()
        await pg_shop.watched.close()

    asyncio.run(story())
    first.close()
    second.close()
    assert [one["new"]["id"] for one in pg_shop.store.payloads] == [2]
    assert pg_shop.waiting() == 1


class _Slow:
    """A store that is killed off in the middle."""

    def __init__(self, inner: DurableStore, cluster: Cluster) -> None:
        self._inner = inner
        self._cluster = cluster
        self.kills = 0

    async def store_events(self, events: Sequence[NewEvent]) -> list[StoredEvent]:
        answers = await self._inner.store_events(events)
        if self.kills:
            self.kills -= 1
            self._cluster.kill()
            self._cluster.start()
        return answers


def test_a_database_that_dies_between_storing_and_deleting_makes_no_second_event() -> None:
    cluster = Cluster()
    try:
        shop = PostgresShop(cluster.url())
        port = _Slow(shop.store, cluster)

        async def story() -> None:
            await shop.watched.install(ORDERS)
            shop.run("INSERT INTO orders (total) SELECT n FROM generate_series(1, 20) n")
            shop.owner.close()
            drain = Drain(shop.watched, port, batch=7)
            port.kills = 2
            async with asyncio.timeout(PATIENCE):
                while await drain.run_once() or drain.trouble:  # noqa: ASYNC110 - it takes a while to come up again
                    await asyncio.sleep(0.01)
            assert port.kills == 0
            assert not (await shop.watched.moved()).rows

        async def whole() -> None:
            try:
                await story()
            finally:
                await shop.watched.close()

        asyncio.run(whole())
        assert [one["new"]["total"] for one in shop.store.payloads] == list(range(1, 21))
        shop.store.close()
    finally:
        cluster.stop()
