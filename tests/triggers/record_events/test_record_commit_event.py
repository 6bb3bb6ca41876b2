"""A committed change has exactly one event, a rolled back one has none: whatever dies, whoever writes."""

from __future__ import annotations

import asyncio
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from record_stand_ins import ORDERS, DurableStore, Owner, Shop, lived_through


class SQLiteOwner(Owner):
    begin = "BEGIN IMMEDIATE"


@pytest.mark.parametrize(
    "transactions", [3000, pytest.param(50_000, marks=[pytest.mark.long, pytest.mark.timeout(900)])]
)
def test_over_many_random_transactions_with_crashes_of_the_hub(tmp_path: Path, transactions: int):
    chance = random.Random(f"commit and event {transactions}")
    shop = Shop(tmp_path)
    owner = SQLiteOwner(shop.owner, chance)
    crashes = lived_through(shop, owner, transactions)
    assert [(payload["event"], payload["new"], payload["old"]) for payload in shop.store.payloads] == owner.expected
    assert crashes > transactions / 60
    assert shop.store.duplicates > 0
    assert shop.waiting() == 0
    shop.store.close()
    shop.owner.close()


WRITER = """
import random, sqlite3, sys
path, name, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
chance = random.Random(name)
connection = sqlite3.connect(path, isolation_level=None, timeout=30)
connection.execute("PRAGMA synchronous=OFF")
for number in range(count):
    connection.execute("BEGIN IMMEDIATE")
    for _ in range(chance.randint(1, 3)):
        connection.execute("INSERT INTO orders (total, status) VALUES (?, ?)", (number, name))
    connection.execute("ROLLBACK" if chance.random() < 0.1 else "COMMIT")
    print(number, flush=True)
    if number == count // 2:
        sys.stdin.readline()
"""


def run(program: str, shop: Shop, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", program, str(shop.path), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def writer(shop: Shop, name: str, count: int) -> subprocess.Popen[str]:
    return run(WRITER, shop, name, str(count))


def table(shop: Shop) -> list[tuple[Any, ...]]:
    return sorted(shop.owner.execute("SELECT id, total, status FROM orders"))


def created(store: DurableStore) -> list[tuple[Any, ...]]:
    return sorted((p["new"]["id"], p["new"]["total"], p["new"]["status"]) for p in store.payloads)


def test_writers_in_other_processes_while_the_hub_drains(shop: Shop):
    async def story() -> None:
        await shop.watched.install(ORDERS)
        writers = [writer(shop, name, 150) for name in ("one", "two")]
        # They wait in the middle until something was drained, and go on beside it.
        while not await shop.drain.run_once():  # noqa: ASYNC110 - another process's doing
            await asyncio.sleep(0.001)
        for process in writers:
            assert process.stdin is not None
            process.stdin.write("go on\n")
            process.stdin.flush()
        while any(process.poll() is None for process in writers):
            await shop.drain.run_once()
            await asyncio.sleep(0.001)
        for process in writers:
            assert process.communicate() is not None
            assert process.returncode == 0
        await shop.drain_all()

    asyncio.run(story())
    assert created(shop.store) == table(shop)
    assert len(table(shop)) > 400
    assert shop.store.duplicates == 0


def test_a_writer_killed_in_the_middle(shop: Shop):
    """What the file holds after its recovery is what has events, five times over."""

    async def story() -> None:
        await shop.watched.install(ORDERS)
        for round_ in range(5):
            process = writer(shop, f"round {round_}", 100_000)
            assert process.stdout is not None
            for _ in range(10 + round_):
                process.stdout.readline()
            await shop.drain.run_once()
            process.send_signal(signal.SIGKILL)
            process.wait()
            process.communicate()
            await shop.drain_all()

    asyncio.run(story())
    assert created(shop.store) == table(shop)
    assert len(table(shop)) > 50


LOCKER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)
connection.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
sys.stdin.readline()
connection.execute("INSERT INTO orders (total) VALUES (2)")
connection.execute("COMMIT")
"""


def test_locked_by_another_process_until_somebody_was_told(tmp_path: Path):
    shop = Shop(tmp_path, journal="delete")

    async def story() -> None:
        await shop.watched.install(ORDERS)
        shop.owner.execute("INSERT INTO orders (total) VALUES (1)")
        process = run(LOCKER, shop)
        assert process.stdout is not None
        assert process.stdout.readline() == "locked\n"
        await shop.drain.run_once()
        assert "is locked by another process" in str(shop.drain.trouble)
        process.communicate("let go\n")
        await shop.drain_all()
        assert shop.drain.trouble is None
        await shop.watched.close()

    asyncio.run(story())
    assert [payload["new"]["total"] for payload in shop.store.payloads] == [1, 2]
    assert shop.store.duplicates == 0
    shop.store.close()
    shop.owner.close()
