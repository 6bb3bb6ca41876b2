"""A store's file: held by others, not to be opened, for its owner alone, or of a newer hub."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from kit import PATIENCE, FakeClock

from hub.model.clock import SystemClock
from hub.model.errors import StoreUnavailable
from hub.model.event import NewEvent
from hub.store import open_store

HOLD = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN EXCLUSIVE")
print("held", flush=True)
sys.stdin.readline()
connection.execute("ROLLBACK")
"""


def test_another_process_holds_the_database(quick_path: Path) -> None:
    path = quick_path / "hub.db"

    async def story() -> None:
        store = open_store(f"sqlite:///{path}", SystemClock(), checkpoints=False)
        await store.pause("warm", paused=True)
        holder = await asyncio.create_subprocess_exec(
            sys.executable, "-c", HOLD, str(path), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        assert holder.stdout is not None
        assert await holder.stdout.readline() == b"held\n"
        patient = asyncio.create_task(store.pause("patient", paused=True))
        with pytest.raises(StoreUnavailable):
            await store.store_event(NewEvent("webhook:x", "1", "webhook", 1, {}), timeout=0.5)
        assert not patient.done(), "others had less time, or none to lose"
        await holder.communicate(b"\n")
        await asyncio.wait_for(patient, PATIENCE)
        assert await store.paused_executors() == {"warm", "patient"}
        assert await store.new_events() == [], "what was refused is not there"
        await store.close()

    asyncio.run(story())


def test_a_file_that_another_one_writes_is_waited_for(quick_path: Path) -> None:
    """Before it is in WAL mode: whoever opens it then would be refused at once, by SQLite's own rule."""
    path = quick_path / "hub.db"
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("CREATE TABLE of_another (x)")
    other.execute("BEGIN IMMEDIATE")

    def open_and_close() -> None:
        asyncio.run(open_store(f"sqlite:///{path}", FakeClock(), checkpoints=False).close())

    with ThreadPoolExecutor(1) as thread:
        opening = thread.submit(open_and_close)
        with pytest.raises(TimeoutError):
            opening.result(timeout=0.3)
        other.execute("COMMIT")
        opening.result(timeout=PATIENCE)
    assert other.execute("SELECT count(*) FROM of_another").fetchone() == (0,)
    assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    other.close()


def test_a_database_that_cannot_be_opened_says_so(tmp_path: Path) -> None:
    no_database = tmp_path / "text.db"
    no_database.write_text("this is no database, and long enough to be seen as none" * 100)
    for path in (no_database, tmp_path):
        with pytest.raises(StoreUnavailable, match="cannot be opened"):
            open_store(f"sqlite:///{path}", FakeClock())
    locked = tmp_path / "locked.db"
    asyncio.run(open_store(f"sqlite:///{locked}", FakeClock(), checkpoints=False).close())
    holder = sqlite3.connect(locked, isolation_level=None)
    holder.execute("PRAGMA locking_mode=EXCLUSIVE")
    holder.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StoreUnavailable, match="cannot be opened"):
        open_store(f"sqlite:///{locked}", FakeClock())
    holder.close()


def test_files_are_for_the_owner_alone_and_commits_are_full(quick_path: Path) -> None:
    async def story() -> None:
        path = quick_path / "new" / "hub.db"
        store = open_store(f"sqlite:///{path}", FakeClock(), checkpoints=False)
        await store.pause("x", paused=True)
        raw = store._writer._committer.connection.raw  # type: ignore[attr-defined]
        assert {found.stat().st_mode & 0o777 for found in path.parent.iterdir()} == {0o600}
        assert path.parent.stat().st_mode & 0o777 == 0o700
        assert raw.execute("PRAGMA synchronous").fetchone() == (2,)
        assert raw.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        await store.close()

    asyncio.run(story())


def test_a_store_of_a_newer_hub_is_refused(quick_path: Path) -> None:
    path = quick_path / "hub.db"
    asyncio.run(open_store(f"sqlite:///{path}", FakeClock(), checkpoints=False).close())
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE meta SET value = '999' WHERE key = 'schema'")
    connection.close()
    with pytest.raises(StoreUnavailable, match="newer hub"):
        open_store(f"sqlite:///{path}", FakeClock())
