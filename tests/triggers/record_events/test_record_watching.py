from __future__ import annotations

import asyncio
from collections.abc import Sequence

from kit import PATIENCE
from record_stand_ins import ORDERS, Shop, nothing, unavailable

from hub.model.clock import SystemClock
from hub.model.errors import StoreUnavailable
from hub.model.event import NewEvent
from hub.triggers.record_events.keeper import Keeper
from hub.triggers.record_events.watching import Watching


def watching(shop: Shop) -> tuple[Watching, Keeper]:
    keeper = Keeper(shop.watched, ORDERS)
    return Watching(shop.watched, shop.drain, keeper, shop.clock), keeper


def test_it_installs_at_the_start_and_reads_only_when_something_moved(shop: Shop):
    reads = 0
    inner = shop.watched.read

    async def counted(limit: int):
        nonlocal reads
        reads += 1
        return await inner(limit)

    shop.watched.read = counted

    async def story() -> None:
        loop, keeper = watching(shop)
        assert await loop.run_once() == 0
        assert [finding.kind for finding in keeper.findings] == ["declared"]
        assert [await loop.run_once() for _ in range(5)] == [0] * 5
        assert reads == 1
        shop.owner.execute("INSERT INTO orders (total) VALUES (1)")
        assert [await loop.run_once() for _ in range(5)] == [1, 0, 0, 0, 0]
        assert reads == 3

    asyncio.run(story())


def test_changes_that_waited_while_the_hub_was_down_are_handed_over_at_the_start(shop: Shop):
    async def story() -> None:
        await shop.watched.install(ORDERS)
        shop.owner.execute("INSERT INTO orders (total) VALUES (1)")
        await shop.watched.close()
        shop.reopen()
        assert await watching(shop)[0].run_once() == 1

    asyncio.run(story())


def test_a_rebuild_is_mended_at_the_next_look(shop: Shop):
    async def story() -> None:
        loop, keeper = watching(shop)
        await loop.run_once()
        shop.owner.executescript("DROP TABLE orders; CREATE TABLE orders (id INTEGER PRIMARY KEY)")
        await loop.run_once()
        assert keeper.findings[0].kind == "capture_gap"
        shop.owner.execute("INSERT INTO orders VALUES (1)")
        assert await loop.run_once() == 1

    asyncio.run(story())


def test_triggers_are_looked_at_every_hour_whatever_the_schema_s_number_says(shop: Shop):
    async def story() -> None:
        loop, keeper = watching(shop)
        await loop.run_once()
        shop.owner.execute("DROP TABLE orders")
        await shop.watched.install({})
        keeper.findings = ()
        assert (await loop.run_once(), keeper.findings) == (0, ())
        shop.clock.seconds += 3600
        await loop.run_once()
        assert [finding.kind for finding in keeper.findings] == ["missing_table"]

    asyncio.run(story())


def test_trouble_is_told_and_passes(shop: Shop):
    aside = shop.path.with_suffix(".aside")

    async def story() -> None:
        loop, _ = watching(shop)
        await loop.run_once()
        shop.owner.execute("INSERT INTO orders (total) VALUES (1)")
        shop.owner.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        shop.path.rename(aside)
        assert await loop.run_once() == 0
        assert "there is no file" in str(loop.trouble)
        aside.rename(shop.path)
        shop.store.before = unavailable
        assert await loop.run_once() == 0
        assert loop.trouble == shop.drain.trouble == str(StoreUnavailable("the hub's store cannot be reached."))
        shop.store.before = nothing
        assert await loop.run_once() == 1

    asyncio.run(story())


def test_all_is_well_only_when_its_triggers_are_there(shop: Shop):
    """Whoever hears it may write at once, and no trigger notices what was written before it."""
    aside = shop.path.with_suffix(".aside")
    heard: list[str | None] = []
    install = shop.watched.install

    async def story() -> None:
        loop, _ = watching(shop)

        async def asked_meanwhile(tables):
            heard.append(loop.trouble)
            return await install(tables)

        shop.watched.install = asked_meanwhile
        shop.path.rename(aside)
        await loop.run_once()
        aside.rename(shop.path)
        await loop.run_once()
        assert [said is not None and "there is no file" in said for said in heard] == [True]
        assert loop.trouble is None

    asyncio.run(story())


def test_a_check_that_failed_is_made_again(shop: Shop):
    async def story() -> None:
        loop, keeper = watching(shop)
        other = shop.connect()
        other.execute("BEGIN IMMEDIATE")
        await loop.run_once()
        assert "is locked by another process" in str(loop.trouble)
        other.close()
        await loop.run_once()
        assert (keeper.trouble, loop.trouble) == (None, None)
        shop.owner.execute("INSERT INTO orders (total) VALUES (1)")
        assert await loop.run_once() == 1

    asyncio.run(story())


def test_the_loop_ends_when_told_and_hands_over_meanwhile(shop: Shop):
    """On a real clock: the bound is for a loaded machine, `watching` says what is usual."""

    async def story() -> None:
        await shop.watched.install(ORDERS)
        loop = Watching(shop.watched, shop.drain, Keeper(shop.watched, ORDERS), SystemClock())
        stop, arrived = asyncio.Event(), asyncio.Event()

        def arrive(events: Sequence[NewEvent]) -> None:
            arrived.set()

        shop.store.after = arrive
        running = asyncio.create_task(loop.watch(stop))
        for _ in range(3):
            arrived.clear()
            shop.owner.execute("INSERT INTO orders (total) VALUES (1)")
            await asyncio.wait_for(arrived.wait(), PATIENCE)
        stop.set()
        await asyncio.wait_for(running, PATIENCE)

    asyncio.run(story())
    assert len(shop.store.payloads) == 3


def test_it_looks_more_often_where_rows_have_just_come_and_seldom_where_nobody_asks(shop: Shop):
    async def story() -> None:
        loop, _ = watching(shop)
        await loop.run_once()
        assert loop._pause() == 0.03
        shop.owner.execute("INSERT INTO orders (total) VALUES (1)")
        assert await loop.run_once() == 1
        assert loop._pause() == 0.005
        shop.clock.seconds += 1
        assert loop._pause() == 0.03
        loop.want({})
        assert (loop.is_wanted, loop._pause()) == (False, 0.5)

    asyncio.run(story())
