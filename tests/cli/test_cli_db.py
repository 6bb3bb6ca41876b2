from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

import pytest
from cli_kit import Hub


def _sql(hub: Hub, sql: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(hub.root / "shop.db")) as shop, shop:
        return shop.execute(sql).fetchall()


def _objects(hub: Hub) -> set[str]:
    return {name for (name,) in _sql(hub, "SELECT name FROM sqlite_master")}


def test_status_before_and_after_installing(hub: Hub) -> None:
    (table,) = hub.json("db", "status", "shop")["tables"]
    assert table == {"table": "orders", "wanted": ["record.created"], "installed": [], "waiting": 0}
    assert "hub db install shop" in hub("db", "status", "shop").err

    (change,) = hub.json("db", "install", "shop")["changes"]
    assert (change["action"], change["table"], change["kind"]) == ("create", "orders", "record.created")
    _sql(hub, "INSERT INTO orders (total) VALUES (5)")
    found = hub.json("db", "status", "shop")
    assert set(found) == {"database", "tables", "waiting", "set_aside", "oldest_at", "findings"}
    assert found["tables"][0]["installed"] == ["record.created"]
    assert (found["waiting"], found["tables"][0]["waiting"]) == (1, 1)
    assert found["oldest_at"].endswith("Z")
    assert hub.json("db", "install", "shop")["changes"] == []
    assert hub("db", "install", "shop").err == "everything is in place\n"


def test_uninstalling_leaves_nothing_and_loses_nothing_unasked(hub: Hub) -> None:
    before = _objects(hub)
    hub("db", "install", "shop")
    assert _objects(hub) > before
    _sql(hub, "CREATE TABLE _hub_results (execution_id, path, args_hash, result)")  # as jobs leave it
    _sql(hub, "INSERT INTO orders (total) VALUES (5)")
    ran = hub("db", "uninstall", "shop")
    assert ran.status == 1
    assert "1 change waits" in ran.err
    assert _objects(hub) > before

    assert hub.json("db", "uninstall", "shop", "--discard") == {
        "database": "shop",
        "removed": True,
        "comes_again": False,
    }
    assert _objects(hub) == before
    assert _sql(hub, "SELECT total FROM orders") == [(5.0,)]


@pytest.mark.parametrize("verb", ["status", "install", "uninstall"])
def test_databases_that_cannot_be_watched_are_told_in_a_sentence(hub: Hub, verb: str) -> None:
    ran = hub("db", verb, "shp")
    assert (ran.status, ran.err) == (1, 'error: there is no database "shp". Did you mean "shop"?\n')
    (hub.root / "shop.db").unlink()
    ran = hub("db", verb, "shop")
    assert (ran.status, ran.out) == (1, "")
    assert "there is no file" in ran.err
    assert not (hub.root / "shop.db").exists()


def test_a_missing_table_is_a_finding(hub: Hub) -> None:
    _sql(hub, "ALTER TABLE orders RENAME TO ordres")
    found = hub.json("db", "status", "shop")
    (finding,) = [one for one in found["findings"] if one["kind"] == "missing_table"]
    assert 'Did you mean "ordres"?' in finding["sentence"]
    assert finding["sentence"] in hub("db", "install", "shop").err
