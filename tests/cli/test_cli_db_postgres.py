"""`hub db` on a PostgreSQL database: status, install, uninstall, and the proof that nothing is left."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from cli_kit import CONFIG, Hub

_OBJECTS = """
SELECT nspname::text, '' FROM pg_namespace WHERE nspname !~ '^pg_'
UNION SELECT tgrelid::regclass::text, tgname::text FROM pg_trigger
UNION SELECT pronamespace::regnamespace::text, proname::text FROM pg_proc WHERE pronamespace::regnamespace::text !~ '^(pg_|info)'
UNION SELECT relnamespace::regnamespace::text, relname::text FROM pg_class WHERE relnamespace::regnamespace::text !~ '^(pg_|info)'
"""


@pytest.fixture
def shop(hub: Hub, new_postgres_url: str) -> str:
    (hub.root / "config/hub.yaml").write_text(CONFIG.replace("sqlite:///shop.db", new_postgres_url))
    _sql(new_postgres_url, "CREATE TABLE orders (id int PRIMARY KEY, total float)")
    return new_postgres_url


def _sql(url: str, statement: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as connection:
        cursor = connection.execute(statement)  # type: ignore[call-overload]
        return cursor.fetchall() if cursor.description else []


def test_install_status_and_uninstall(hub: Hub, shop: str) -> None:
    before = set(_sql(shop, _OBJECTS))
    (table,) = hub.json("db", "status", "shop")["tables"]
    assert table == {"table": "orders", "wanted": ["record.created"], "installed": [], "waiting": 0}
    (change,) = hub.json("db", "install", "shop")["changes"]
    assert (change["action"], change["table"], change["kind"]) == ("create", "orders", "record.created")
    assert hub.json("db", "install", "shop")["changes"] == []
    _sql(shop, "INSERT INTO orders VALUES (1, 5)")
    found = hub.json("db", "status", "shop")
    assert (found["waiting"], found["tables"][0]["installed"]) == (1, ["record.created"])
    assert hub("db", "uninstall", "shop").status == 1
    assert hub("db", "uninstall", "shop", "--discard").status == 0
    assert set(_sql(shop, _OBJECTS)) == before


def test_another_role_installs_than_the_one_that_runs(hub: Hub, shop: str) -> None:
    before = set(_sql(shop, _OBJECTS))
    _sql(shop, "CREATE ROLE cli_runner LOGIN")
    try:
        runner = shop.replace("//hub@", "//cli_runner@")
        (hub.root / "config/hub.yaml").write_text(CONFIG.replace("sqlite:///shop.db", runner))
        refused = hub("db", "install", "shop")
        assert refused.status == 1
        assert "permission denied" in refused.err
        assert "hub db install NAME --url" in refused.err
        assert len(hub.json("db", "install", "shop", "--url", shop)["changes"]) == 1
        assert hub.json("db", "install", "shop")["changes"] == []
        assert hub("db", "uninstall", "shop").status == 1
        assert hub("db", "uninstall", "shop", "--url", shop).status == 0
        assert set(_sql(shop, _OBJECTS)) == before
    finally:
        _sql(shop, "DROP OWNED BY cli_runner CASCADE")
        _sql(shop, "DROP ROLE cli_runner")


def test_a_server_that_is_not_there_is_told_without_its_password(hub: Hub) -> None:
    url = "postgresql://hub:canary@127.0.0.1:1/shop"
    (hub.root / "config/hub.yaml").write_text(CONFIG.replace("sqlite:///shop.db", url))
    ran = hub("db", "status", "shop")
    assert ran.status == 1
    assert 'database "shop": ' in ran.err
    assert "canary" not in ran.out + ran.err


def test_check_names_a_table_that_is_missing(hub: Hub, shop: str) -> None:
    _sql(shop, "ALTER TABLE orders RENAME TO ordres")
    ran = hub("check")
    assert ran.status == 1
    assert 'Did you mean "ordres"?' in ran.out
