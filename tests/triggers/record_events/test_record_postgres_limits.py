"""PostgreSQL: whatever changes a row is captured; what cannot be is said at the start, and as soon as it has come to that."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import pytest
from kit import PATIENCE, until
from postgres_cluster import Cluster
from postgres_proxy import Proxy
from psycopg.conninfo import conninfo_to_dict
from record_postgres import PostgresShop
from record_stand_ins import ALL, DurableStore

from hub.model.clock import SystemClock
from hub.triggers.record_events import postgres_link
from hub.triggers.record_events.drain import Drain
from hub.triggers.record_events.keeper import Keeper
from hub.triggers.record_events.postgres import PostgresWatched
from hub.triggers.record_events.watching import Watching

PARTS = (
    "CREATE TABLE parts (id int, at date) PARTITION BY RANGE (at)",
    "CREATE TABLE parts_2026 PARTITION OF parts FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')",
)

#: How a table comes to a limit, and what is said of it.
LIMITS = {
    "inherited": (["CREATE TABLE parts (id int)"], "CREATE TABLE heir () INHERITS (parts)", 'inherit from it ("heir")'),
    "computed": (
        ["CREATE TABLE parts (id int, tax int)"],
        "ALTER TABLE parts ADD COLUMN whole int GENERATED ALWAYS AS (id + tax) VIRTUAL",
        'computes "whole" when it is read',
    ),
    "unlogged": (["CREATE TABLE parts (id int)"], "ALTER TABLE parts SET UNLOGGED", "empties it after a crash"),
    "partitioned": (
        ["CREATE TABLE parts (id int)"],
        f"DROP TABLE parts; {PARTS[0]}",
        "come or go with a whole partition",
    ),
}


@pytest.mark.parametrize("limit", LIMITS)
def test_a_limit_is_said_as_soon_as_a_table_has_come_to_it_and_at_every_start(
    pg_shop: PostgresShop, limit: str
) -> None:
    made, changed, said = LIMITS[limit]
    wanted = {"parts": ALL}

    async def told() -> list[str]:
        return [one.sentence for one in (await pg_shop.watched.install(wanted)).findings if one.kind == "declared"]

    async def story() -> None:
        assert await told() == []
        pg_shop.run(changed)
        pg_shop.clock.seconds += 1
        assert (await pg_shop.watched.moved()).schema, "it is looked at again"
        assert said in " ".join(await told())
        await pg_shop.watched.close()
        pg_shop.reopen()
        assert said in " ".join(await told())
        assert said in " ".join(one.sentence for one in (await pg_shop.watched.status(wanted)).findings)
        await pg_shop.watched.close()

    for statement in made:
        pg_shop.run(statement)
    asyncio.run(story())


def test_what_was_found_is_in_the_log_once_also_what_triggers_have_recorded(
    pg_shop: PostgresShop, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        keeper = Keeper(pg_shop.watched, {"orders": ALL})
        await keeper.run_once()
        pg_shop.run("TRUNCATE orders")
        for _ in range(3):
            await keeper.run_once()
        await pg_shop.watched.close()
        pg_shop.reopen()
        pg_shop.clock.ms = SystemClock().now()
        await Keeper(pg_shop.watched, {"orders": ALL}).run_once()
        await pg_shop.watched.close()

    asyncio.run(story())
    told = [one.getMessage() for one in caplog.records if "TRUNCATE" in one.getMessage()]
    assert len(told) == 2, "once by the process that was there, and once by the next one"
    assert told[0].startswith("database shop: capture_gap: ")


def test_triggers_of_a_partition_that_are_off_are_found_and_put_on(pg_shop: PostgresShop) -> None:
    for statement in PARTS:
        pg_shop.run(statement)

    async def story() -> None:
        await pg_shop.watched.install({"parts": ALL})
        pg_shop.run("ALTER TABLE parts_2026 DISABLE TRIGGER ALL")
        pg_shop.run("INSERT INTO parts VALUES (1, '2026-05-05')")
        pg_shop.clock.seconds += 1
        assert (await pg_shop.watched.moved()).schema
        found = (await pg_shop.watched.install({"parts": ALL})).findings
        assert "were disabled by somebody" in " ".join(one.sentence for one in found if one.kind == "capture_gap")
        pg_shop.run("INSERT INTO parts VALUES (2, '2026-05-05')")
        assert await pg_shop.drain_all() == 1
        assert (await pg_shop.watched.install({"parts": ALL})).changes == ()
        await pg_shop.watched.close()

    asyncio.run(story())


REFUSED = {
    "CREATE VIEW parts AS SELECT * FROM orders": "is a view",
    "CREATE MATERIALIZED VIEW parts AS SELECT * FROM orders": "is a view",
    "CREATE FOREIGN DATA WRAPPER elsewhere; CREATE SERVER far FOREIGN DATA WRAPPER elsewhere; "
    "CREATE FOREIGN TABLE parts (id int) SERVER far": "is a foreign table",
    "CREATE TEMP TABLE parts (id int)": "there is no table",
    "CREATE SEQUENCE parts": "there is no table",
}


@pytest.mark.parametrize("made", REFUSED)
def test_what_has_no_rows_of_its_own_is_refused_with_the_reason(pg_shop: PostgresShop, made: str) -> None:
    pg_shop.run(made)

    async def story() -> None:
        (found,) = (await pg_shop.watched.install({"parts": ALL})).findings
        assert found.kind == "missing_table"
        assert REFUSED[made] in found.sentence
        await pg_shop.watched.close()

    asyncio.run(story())
    if "WRAPPER" in made:
        pg_shop.run("DROP FOREIGN DATA WRAPPER elsewhere CASCADE")


def test_every_statement_that_changes_rows_is_captured(pg_shop: PostgresShop) -> None:
    """Also where rows have no key, and some of their columns are computed."""
    pg_shop.run("CREATE TABLE parts (id int, twice int GENERATED ALWAYS AS (id * 2) STORED)")
    pg_shop.run("CREATE VIEW few AS SELECT id FROM parts")
    pg_shop.run("CREATE UNIQUE INDEX ON parts (id)")

    async def story() -> None:
        await pg_shop.watched.install({"parts": ALL})
        pg_shop.run("INSERT INTO few VALUES (1)")
        pg_shop.run("INSERT INTO parts (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET id = 2")
        pg_shop.run("INSERT INTO parts (id) VALUES (2) ON CONFLICT DO NOTHING")
        pg_shop.run(
            "MERGE INTO parts USING (VALUES (2), (3)) v(n) ON parts.id = v.n "
            "WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT (id) VALUES (v.n)"
        )
        with pg_shop.owner.cursor().copy("COPY parts (id) FROM STDIN") as copy:
            copy.write_row((4,))
        pg_shop.run(
            "WITH gone AS (DELETE FROM parts WHERE id = 3 RETURNING id) INSERT INTO parts SELECT id + 2 FROM gone"
        )
        await pg_shop.drain_all()
        await pg_shop.watched.close()

    asyncio.run(story())
    seen = [
        (one["event"], (one["new"] or {}).get("twice"), (one["old"] or {}).get("id")) for one in pg_shop.store.payloads
    ]
    assert sorted(seen, key=str) == sorted(
        [("created", 2, None), ("updated", 4, 1), ("deleted", None, 2), ("created", 6, None), ("created", 8, None),
         ("deleted", None, 3), ("created", 10, None)],
        key=str,
    )  # fmt: skip


def test_a_subscriber_of_another_database_is_captured() -> None:
    """Rows that logical replication brings: its sessions replicate, and are captured all the same."""
    cluster = Cluster(settings=("wal_level=logical",))

    async def story() -> None:
        for name in ("publisher", "subscriber"):
            cluster.execute(f"CREATE DATABASE {name}")
            cluster.execute("CREATE TABLE orders (id int PRIMARY KEY)", name)
        cluster.execute("INSERT INTO orders VALUES (1)", "publisher")
        cluster.execute("CREATE PUBLICATION told FOR TABLE orders", "publisher")
        # On one server the slot has to be there before.
        cluster.execute("SELECT pg_create_logical_replication_slot('told', 'pgoutput')", "publisher")
        watched = PostgresWatched("shop", cluster.url("subscriber"), SystemClock())
        store = DurableStore()
        drain = Drain(watched, store)
        await watched.install({"orders": ALL})
        cluster.execute(
            f"CREATE SUBSCRIPTION told CONNECTION 'host={cluster.folder} user=hub dbname=publisher' PUBLICATION told "
            "WITH (create_slot = false, slot_name = 'told')",
            "subscriber",
        )
        async with asyncio.timeout(PATIENCE):
            while not store.payloads:  # what was there before is copied first
                await drain.run_once()
                await asyncio.sleep(0.02)
        cluster.execute("INSERT INTO orders VALUES (2)", "publisher")
        cluster.execute("DELETE FROM orders WHERE id = 2", "publisher")
        async with asyncio.timeout(PATIENCE):
            while len(store.payloads) < 3:
                await drain.run_once()
                await asyncio.sleep(0.02)
        assert sorted(one["event"] for one in store.payloads) == ["created", "created", "deleted"]
        cluster.execute("ALTER SUBSCRIPTION told DISABLE", "subscriber")
        await watched.close()

    try:
        asyncio.run(story())
    finally:
        cluster.stop()


@pytest.fixture
def proxy(pg_shop: PostgresShop) -> Iterator[Proxy]:
    where = conninfo_to_dict(pg_shop.url)
    made = Proxy(f"postgresql://hub@/{where['dbname']}?host={where['host']}")
    yield made
    made.close()


def test_a_database_that_swallows_everything_holds_up_no_other_and_is_drained_again(
    pg_shop: PostgresShop, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_link, "_ANSWER_SECONDS", 2.0)
    clock, wanted = SystemClock(), {"orders": ALL}

    def watching(url: str, store: Any) -> tuple[PostgresWatched, Watching]:
        watched = PostgresWatched("shop", url, clock)
        return watched, Watching(watched, Drain(watched, store), Keeper(watched, wanted), clock)

    async def story() -> None:
        hole, holed = watching(proxy.url, pg_shop.store)
        near, nearby = watching(pg_shop.url, DurableStore())
        stop = asyncio.Event()
        await holed.run_once()
        assert holed.trouble is None
        loop = asyncio.create_task(holed.watch(stop))
        proxy.swallow = True
        pg_shop.run("INSERT INTO orders (total) VALUES (1)")
        await until(lambda: holed.trouble is not None)
        await nearby.run_once()  # another one is looked at as ever
        assert (nearby.trouble, holed.trouble is None) == (None, False)
        proxy.swallow = False
        again = time.monotonic()
        pg_shop.run("INSERT INTO orders (total) VALUES (2)")
        await until(lambda: holed.trouble is None and pg_shop.waiting() == 0)
        print(f"drained again after {time.monotonic() - again:.2f} s")  # noqa: T201
        stop.set()
        await loop
        for one in (hole, near):
            await one.close()

    asyncio.run(story())
