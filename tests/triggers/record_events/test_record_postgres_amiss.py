"""Record events of PostgreSQL: what has changed in the database since, and what somebody did to it, is found and told."""

from __future__ import annotations

import pytest
from record_postgres import PostgresShop, events, findings, tell
from record_stand_ins import ORDERS


def test_changes_of_the_schema_are_followed(pg_shop: PostgresShop) -> None:
    """Nothing is made anew for them: the function takes the row as it is."""

    async def story() -> None:
        await pg_shop.watched.install(ORDERS)
        pg_shop.run("INSERT INTO orders (total) VALUES (1)")
        pg_shop.run("ALTER TABLE orders ADD COLUMN note text DEFAULT 'new'")
        pg_shop.run("INSERT INTO orders (total) VALUES (2)")
        pg_shop.run("ALTER TABLE orders RENAME COLUMN note TO remark")
        pg_shop.run("ALTER TABLE orders ALTER COLUMN total TYPE text USING total::text || ' euro'")
        pg_shop.run("UPDATE orders SET remark = 'old' WHERE id = 2")
        pg_shop.run("ALTER TABLE orders DROP COLUMN status")
        pg_shop.run("DELETE FROM orders WHERE id = 2")
        assert await findings(pg_shop) == []
        await pg_shop.drain_all()

    tell(pg_shop, story)
    two = {"id": 2, "total": "2 euro", "status": None, "remark": "new"}
    assert events(pg_shop) == [
        ("created", {"id": 1, "total": 1, "status": None}, None),
        ("created", {"id": 2, "total": 2, "status": None, "note": "new"}, None),
        ("updated", two | {"remark": "old"}, two),
        ("deleted", None, {"id": 2, "total": "2 euro", "remark": "old"}),
    ]


async def _replica(shop: PostgresShop) -> None:
    shop.run("SET session_replication_role = replica")
    shop.run("INSERT INTO orders (total) VALUES (7)")
    shop.run("RESET session_replication_role")


def test_a_session_that_replicates_is_captured(pg_shop: PostgresShop) -> None:
    async def story() -> None:
        await pg_shop.watched.install(ORDERS)
        await _replica(pg_shop)
        assert await pg_shop.drain_all() == 1
        assert await findings(pg_shop) == []

    tell(pg_shop, story)


@pytest.mark.parametrize(
    ("done", "said"),
    [
        (["ALTER TABLE orders DISABLE TRIGGER ALL"], "were disabled by somebody"),
        (
            ["ALTER TABLE orders DISABLE TRIGGER ALL", "ALTER TABLE orders ENABLE TRIGGER ALL"],
            "were disabled by somebody",
        ),
        (
            [
                "ALTER TABLE orders DISABLE TRIGGER _hub_created",
                "ALTER TABLE orders ENABLE ALWAYS TRIGGER _hub_created",
            ],
            "are as they should be again",
        ),
        (["DROP TRIGGER _hub_updated ON orders"], "were dropped by somebody"),
        (["DROP TABLE orders", "CREATE TABLE orders (id int)"], "there is another table of this name"),
        (["ALTER TABLE orders RENAME TO old", "CREATE TABLE orders (id int)"], "there is another table of this name"),
        (
            [
                "DROP TRIGGER _hub_created ON orders",
                "CREATE TRIGGER _hub_created AFTER INSERT ON orders FOR EACH ROW WHEN (false) EXECUTE FUNCTION _hub.capture()",
            ],
            "were disabled by somebody",
        ),
        (["ALTER FUNCTION _hub.capture() RESET search_path"], "function was changed by somebody"),
        (["TRUNCATE orders"], "was emptied with TRUNCATE"),
        (["DROP SCHEMA _hub CASCADE"], ""),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_what_somebody_did_is_found_told_and_mended(pg_shop: PostgresShop, done: list[str], said: str) -> None:
    async def story() -> None:
        await pg_shop.watched.install(ORDERS)
        for statement in done:
            pg_shop.run(statement)
        pg_shop.clock.seconds += 1
        assert (await pg_shop.watched.moved()).schema
        found = [one.sentence for one in await findings(pg_shop)]
        assert said in " ".join(found)
        assert bool(found) is bool(said)
        assert not (await pg_shop.watched.moved()).schema
        pg_shop.run("INSERT INTO orders (id) VALUES (99)")
        assert await pg_shop.drain_all() == 1

    tell(pg_shop, story)


def test_truncate_is_told_at_once(pg_shop: PostgresShop) -> None:
    async def story() -> None:
        await pg_shop.watched.install(ORDERS)
        pg_shop.run("INSERT INTO orders (total) VALUES (7)")
        pg_shop.run("TRUNCATE orders")
        (found,) = (await pg_shop.watched.status(ORDERS)).findings
        assert (found.kind, found.table) == ("capture_gap", "orders")
        assert "TRUNCATE" in found.sentence
        assert await pg_shop.drain_all() == 1

    tell(pg_shop, story)


def test_a_table_that_goes_and_comes_is_a_gap(pg_shop: PostgresShop) -> None:
    async def story() -> None:
        await pg_shop.watched.install(ORDERS)
        pg_shop.run("ALTER TABLE orders RENAME TO ordres")
        (missing,) = (await pg_shop.watched.install(ORDERS)).findings
        assert missing.kind == "missing_table"
        assert 'Did you mean "ordres"?' in missing.sentence
        pg_shop.run("INSERT INTO ordres (total) VALUES (7)")
        assert await pg_shop.drain_all() == 0, "its triggers went with its name"
        pg_shop.run("ALTER TABLE ordres RENAME TO orders")
        (gap,) = await findings(pg_shop)
        assert gap.kind == "capture_gap"

    tell(pg_shop, story)
