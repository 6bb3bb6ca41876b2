"""Least privilege: who installs, who runs and who writes are three roles, and none of them needs more than its part."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import errors
from psycopg.conninfo import make_conninfo
from record_postgres import PostgresShop
from record_stand_ins import ORDERS

from hub.triggers.record_events.drain import Drain
from hub.triggers.record_events.postgres import PostgresWatched
from hub.triggers.record_events.watched import DatabaseUnavailable

ROLES = ("shop_owner", "hub_installer", "hub_runner", "shop_app", "stranger")


@pytest.fixture
def roles(pg_shop: PostgresShop) -> Iterator[PostgresShop]:
    """The shop belongs to shop_owner; shop_app writes in it."""
    for role in ROLES:
        pg_shop.run(f"CREATE ROLE {role} LOGIN")
    pg_shop.run("ALTER TABLE orders OWNER TO shop_owner")
    pg_shop.run("GRANT INSERT, UPDATE, DELETE, SELECT, TRUNCATE ON orders TO shop_app")
    # All that installing needs.
    pg_shop.run("GRANT CREATE ON DATABASE hub_shop TO hub_installer")
    pg_shop.run("GRANT TRIGGER ON orders TO hub_installer")
    yield pg_shop
    for role in ROLES:
        pg_shop.run(f"DROP OWNED BY {role} CASCADE")
        pg_shop.run(f"DROP ROLE {role}")


def _as(shop: PostgresShop, role: str) -> str:
    return make_conninfo(shop.url, user=role)


def _hub(shop: PostgresShop, role: str) -> PostgresWatched:
    return PostgresWatched("shop", _as(shop, role), shop.clock)


def test_each_role_does_its_part_and_nothing_else(roles: PostgresShop) -> None:
    installer, runner = _hub(roles, "hub_installer"), _hub(roles, "hub_runner")

    async def story() -> None:
        with pytest.raises(DatabaseUnavailable, match=r"permission denied.*hub db install NAME --url"):
            await runner.install(ORDERS)
        done = await installer.install(ORDERS, run_role=await runner.role())
        assert [one.kind for one in done.findings] == ["declared"], "it does not own the table"
        with psycopg.connect(_as(roles, "shop_app"), autocommit=True) as app:
            app.execute("INSERT INTO orders (id, total) VALUES (1, 5)")
            app.execute("UPDATE orders SET total = 6")
            app.execute("DELETE FROM orders")
            app.execute("TRUNCATE orders")
            for wish in (
                "SELECT * FROM _hub.outbox",
                "INSERT INTO _hub.outbox (schema_name, table_name, operation) VALUES ('public', 'orders', 'INSERT')",
                "DELETE FROM _hub.findings",
                "CREATE TRIGGER mine AFTER INSERT ON orders FOR EACH ROW EXECUTE FUNCTION _hub.capture()",
                "DROP SCHEMA _hub CASCADE",
            ):
                with pytest.raises((errors.InsufficientPrivilege, errors.InvalidSchemaName)):
                    app.execute(wish)
        # The one that runs finds everything in place, drains, and can do nothing else.
        assert (await runner.install(ORDERS)).changes == ()
        assert [one.kind for one in (await runner.status(ORDERS)).findings] == ["declared", "capture_gap"]
        drain = Drain(runner, roles.store)
        assert (await runner.moved()).rows
        assert await drain.run_once() == 3
        assert drain.trouble is None
        with psycopg.connect(_as(roles, "hub_runner"), autocommit=True) as run:
            for wish in ("SELECT * FROM orders", "INSERT INTO _hub.installed DEFAULT VALUES", "DROP TABLE _hub.outbox"):
                with pytest.raises(errors.InsufficientPrivilege):
                    run.execute(wish)
        with pytest.raises(DatabaseUnavailable, match="must be owner"):
            await runner.uninstall()
        await installer.uninstall()
        await installer.close()
        await runner.close()

    asyncio.run(story())
    assert [(one["event"], one["actor"]) for one in roles.store.payloads] == [
        ("created", "shop_app"), ("updated", "shop_app"), ("deleted", "shop_app"),
    ]  # fmt: skip


def test_a_writer_s_own_objects_are_never_used_by_our_function(roles: PostgresShop) -> None:
    installer = _hub(roles, "hub_installer")
    asyncio.run(_install(installer))
    roles.run("CREATE SCHEMA evil AUTHORIZATION shop_app")
    with psycopg.connect(_as(roles, "shop_app"), autocommit=True) as app:
        app.execute(
            "CREATE FUNCTION evil.to_json(orders) RETURNS json LANGUAGE sql AS $$ SELECT '{\"id\": 666}'::json $$"
        )
        app.execute("CREATE TEMP TABLE outbox (id int)")
        app.execute("CREATE TEMP TABLE pg_class (oid oid)")
        app.execute("SET search_path = evil, pg_temp, public, pg_catalog")
        app.execute("INSERT INTO orders (id) VALUES (1)")
    found: Any = roles.run("SELECT new_row::text FROM _hub.outbox")
    assert found == [('{"id":1,"total":null,"status":null}',)]
    asyncio.run(_uninstall(installer))


async def _install(watched: PostgresWatched) -> None:
    await watched.install(ORDERS)
    await watched.close()


async def _uninstall(watched: PostgresWatched) -> None:
    await watched.uninstall(discard=True)
    await watched.close()


def test_an_owner_s_triggers_fire_in_every_session(roles: PostgresShop) -> None:
    owner = _hub(roles, "shop_owner")
    roles.run("GRANT CREATE ON DATABASE hub_shop TO shop_owner")

    async def story() -> None:
        assert (await owner.install(ORDERS)).findings == ()
        await owner.close()

    asyncio.run(story())
    assert roles.run("SELECT DISTINCT tgenabled::text FROM pg_trigger WHERE tgname LIKE '_hub%'") == [("A",)]
    asyncio.run(_uninstall(owner))
