"""Record events of PostgreSQL: rows are handed over, set aside and waited for, and a change wakes the hub."""

from __future__ import annotations

import asyncio

import pytest
from kit import PATIENCE
from psycopg import errors
from record_postgres import PostgresShop, events, tell
from record_stand_ins import ORDERS, unavailable

from hub.model.clock import SystemClock
from hub.triggers.record_events.keeper import Keeper
from hub.triggers.record_events.postgres_text import PULSE_MS
from hub.triggers.record_events.watched import DatabaseUnavailable
from hub.triggers.record_events.watching import Watching


def test_the_loop_installs_drains_and_mends(pg_shop: PostgresShop) -> None:
    async def story() -> None:
        keeper = Keeper(pg_shop.watched, ORDERS)
        loop = Watching(pg_shop.watched, pg_shop.drain, keeper, pg_shop.clock)
        assert await loop.run_once() == 0
        pg_shop.run("INSERT INTO orders (total) VALUES (1)")
        assert [await loop.run_once() for _ in range(3)] == [1, 0, 0]
        pg_shop.run("DROP TRIGGER _hub_created ON orders")
        pg_shop.clock.seconds += 1
        await loop.run_once()
        assert keeper.findings[0].kind == "capture_gap"
        pg_shop.run("INSERT INTO orders (total) VALUES (2)")
        pg_shop.store.before = unavailable
        assert await loop.run_once() == 0
        assert pg_shop.drain.trouble is not None
        pg_shop.store.before = lambda _events: None
        pg_shop.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'hub'")
        assert await loop.run_once() == 0
        assert "terminating connection" in str(loop.trouble or pg_shop.drain.trouble)
        assert await loop.run_once() == 1
        assert (loop.trouble, pg_shop.drain.trouble) == (None, None)

    tell(pg_shop, story)


def test_a_row_that_cannot_be_handed_over_is_set_aside(pg_shop: PostgresShop) -> None:
    async def story() -> None:
        await pg_shop.watched.install(ORDERS)
        pg_shop.run(
            "INSERT INTO _hub.outbox (schema_name, table_name, operation) VALUES ('public', 'orders', 'NONSENSE')"
        )
        pg_shop.run("INSERT INTO orders (total) VALUES (1)")
        await pg_shop.drain_all()
        status = await pg_shop.watched.status(ORDERS)
        assert (status.depth, status.set_aside) == (0, 1)
        assert "was not written by a trigger of the hub" in status.findings[0].sentence

    tell(pg_shop, story)
    assert len(events(pg_shop)) == 1


def test_a_table_that_is_in_use_is_not_waited_for(pg_shop: PostgresShop) -> None:
    """A lock that waits in the queue would hold up everybody behind it."""

    async def story() -> None:
        other = pg_shop.connect()
        other.execute("BEGIN")
        other.execute("INSERT INTO orders (total) VALUES (1)")
        with pytest.raises(DatabaseUnavailable, match="lock timeout"):
            await pg_shop.watched.install(ORDERS)
        other.execute("COMMIT")
        other.close()
        assert len((await pg_shop.watched.install(ORDERS)).changes) == 4

    tell(pg_shop, story)


def test_when_an_event_cannot_be_written_neither_is_the_change(pg_shop: PostgresShop) -> None:
    async def story() -> None:
        await pg_shop.watched.install(ORDERS)

    tell(pg_shop, story)
    pg_shop.run("ALTER TABLE _hub.outbox RENAME TO elsewhere")
    with pytest.raises(errors.UndefinedTable):
        pg_shop.run("INSERT INTO orders (total) VALUES (1)")
    assert pg_shop.run("SELECT count(*) FROM orders") == [(0,)]


def test_a_change_wakes_the_hub_and_many_do_it_once(pg_shop: PostgresShop) -> None:
    heard = pg_shop.connect()
    heard.execute("LISTEN _hub")

    took = 0.0

    async def story() -> None:
        nonlocal took
        await pg_shop.watched.install(ORDERS)
        before = asyncio.get_running_loop().time()
        await pg_shop.watched.rest(0)  # from now on it listens
        resting = asyncio.create_task(pg_shop.watched.rest(2 * PATIENCE))
        for _ in range(20):
            pg_shop.run("INSERT INTO orders (total) VALUES (1)")
        took = asyncio.get_running_loop().time() - before
        await resting
        assert asyncio.get_running_loop().time() - before < PATIENCE
        pg_shop.run("BEGIN")
        pg_shop.run("SELECT pg_sleep(0.25)")
        pg_shop.run("INSERT INTO orders (total) VALUES (1)")
        pg_shop.run("ROLLBACK")

    tell(pg_shop, story)
    first = list(heard.notifies(timeout=PATIENCE, stop_after=1))
    heard_of = len([*first, *heard.notifies(timeout=0.1)])
    assert 1 <= heard_of <= 1 + took * 1000 / PULSE_MS, "one in a while of twenty changes, none of those rolled back"
    heard.close()


def test_a_change_that_wakes_nobody_is_found_by_looking(pg_shop: PostgresShop) -> None:
    """Whoever has just sent a wake-up may be rolled back."""

    async def story() -> None:
        await pg_shop.watched.install(ORDERS)
        watching = Watching(pg_shop.watched, pg_shop.drain, Keeper(pg_shop.watched, ORDERS), SystemClock())
        stop = asyncio.Event()
        loop = asyncio.create_task(watching.watch(stop))
        pg_shop.run("SELECT setval('_hub.pulse', (extract(epoch FROM clock_timestamp()) * 1000)::bigint + 150)")
        pg_shop.run("INSERT INTO orders (total) VALUES (1)")
        async with asyncio.timeout(PATIENCE):
            while not pg_shop.store.calls:  # noqa: ASYNC110 - another task's doing
                await asyncio.sleep(0.01)
        stop.set()
        await loop

    tell(pg_shop, story)
    assert len(events(pg_shop)) == 1
