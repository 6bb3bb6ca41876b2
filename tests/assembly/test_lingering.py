"""A transaction that somebody has forgotten in the hub's database is told of, with the way to end it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import psycopg
import pytest
from postgres_cluster import Cluster

from hub.assembly.lingering import Lingering
from hub.model.clock import SystemClock
from hub.store import Store, open_store


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    made = Cluster(settings=("max_prepared_transactions=1",))
    yield made
    made.stop()


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Store]:
    store = open_store(url, SystemClock())
    yield store
    await store.close()


def forgotten(url: str, name: str = "") -> psycopg.Connection:
    """A report that was never ended."""
    made = psycopg.connect(url, application_name=name)
    made.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
    made.execute("SELECT count(*) FROM pg_class")
    return made


def test_it_is_told_once_and_again_when_it_has_ended(cluster: Cluster, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "hub.assembly.lingering")

    async def story() -> None:
        async with opened(cluster.url()) as store:
            lingering = Lingering(store, long=0)
            assert await lingering.run_once() == 0
            with forgotten(cluster.url(), "psql") as holder:
                pid = holder.info.backend_pid
                assert await Lingering(store).run_once() == 0, "it has only just begun"
                assert [await lingering.run_once() for _ in range(3)] == [1, 0, 0]
                (said,) = caplog.messages
                assert f"(process {pid}, role hub, application psql)" in said
                cluster.execute(said.rpartition("by ")[2].rstrip("."))
                holder.close()
            while left := await store.oldest_transaction():
                assert str(pid) in left.who
            assert await lingering.run_once() == 0
            assert caplog.messages[1:] == [f"the transaction of process {pid}, role hub, application psql has ended."]

    asyncio.run(story())


def test_one_that_is_prepared_is_told_of_with_what_ends_it(cluster: Cluster) -> None:
    async def story() -> None:
        cluster.execute("CREATE TABLE notes (line text)")
        async with opened(cluster.url()) as store:
            with psycopg.connect(cluster.url()) as other:
                other.execute("INSERT INTO notes VALUES ('one')")
                other.execute("PREPARE TRANSACTION 'nobody''s'")
            oldest = await store.oldest_transaction()
            assert oldest is not None
            assert oldest.who == "prepared as 'nobody''s', role hub"
            cluster.execute(oldest.ending)
            assert await store.oldest_transaction() is None

    asyncio.run(story())


def test_a_role_that_is_told_nothing_of_others_counts_from_its_first_look(cluster: Cluster) -> None:
    async def story() -> None:
        cluster.execute("CREATE ROLE humble LOGIN")
        cluster.execute("CREATE DATABASE humble OWNER humble")
        async with opened(cluster.url("humble").replace("hub@", "humble@")) as store:
            with forgotten(cluster.url("humble")):
                first = await store.oldest_transaction()
                assert first is not None
                await asyncio.sleep(0.05)
                second = await store.oldest_transaction()
                assert second is not None
                assert first.who == second.who
                assert 0 == first.seconds < 0.05 <= second.seconds < 60

    asyncio.run(story())
